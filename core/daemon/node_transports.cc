#include "core/daemon/node_transports.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/daemon/machine_address.h"
#include "core/net/peers.h"

namespace varve {
namespace {

void fail(std::vector<ConfigError>& errors, const TomlPlace& place, std::string key,
          std::string_view why) {
  errors.push_back({place, std::move(key), std::string(why)});
}

bool allows_plaintext(const TransportConfig& transport) {
  return std::any_of(transport.options.begin(), transport.options.end(),
                     [](const ServiceOption& option) {
                       return option.key == "allow_plaintext" && option.value == "true";
                     });
}

Status proves_nothing(const TransportConfig& transport) {
  return {ErrorCode::kUnsupported,
          text("\"", transport.plugin,
               "\" cannot prove who a peer is, and [tls] asks for that; "
               "allowed: tcp, or allow_plaintext = true, which lets any machine in")};
}

// Where it is to listen.
Result<std::string> own_address(const TransportConfig& transport) {
  ListenAddress listen = transport.listen;
  if (transport.network) {
    auto host = address_in(*transport.network, machine_addresses());
    if (!host.ok()) return host.status();
    listen.host = std::move(*host);
  }
  return listen.to_text();
}

}  // namespace

void NodeTransports::load(const std::string& plugin_directory, const NodeConfig& config,
                          std::vector<ConfigError>& errors) {
  const size_t errors_before = errors.size();
  bool any = false;
  for (const TransportConfig& wanted : config.transports) {
    One& one = all_.emplace_back();
    one.name = wanted.name;
    const Result<std::string> listen = own_address(wanted);
    one.listen = listen.ok() ? *listen : wanted.network->to_text();
    auto library = PluginLibrary::open(plugin_path(plugin_directory, wanted.plugin));
    Status status = library.status();
    if (library.ok()) status = (*library)->need_kind(VARVE_KIND_TRANSPORT);
    if (!status.ok()) {
      fail(errors, wanted.place, "transport.use", status.message());
      continue;
    }
    one.library = std::move(*library);
    one.library->set_tls(config.tls);
    const bool proves = (one.library->transport().flags & VARVE_TRANSPORT_PROVES_NAMES) != 0;
    if (config.tls.configured() && !proves && !allows_plaintext(wanted)) {
      fail(errors, wanted.place, "transport.use", proves_nothing(wanted).message());
      continue;
    }
    auto made = PluginTransport::create(*one.library, wanted.options, 0);
    if (made.ok() && !listen.ok()) {
      one.problem = text("listen: ", listen.status().message());
    } else if (made.ok()) {
      one.transport = std::move(*made);
      any = true;
    } else if (made.code() == ErrorCode::kInvalidArgument) {
      fail(errors, wanted.place, text("transport ", one.name), made.status().message());
    } else {
      one.problem = made.status().message();
    }
  }
  if (errors.size() > errors_before) return;
  for (const One& one : all_) {
    if (one.transport != nullptr) continue;
    if (any)
      log_error("transport", text(one.name, " is NOT used: ", one.problem));
    else
      errors.push_back({config.transports.front().place, text("transport ", one.name), one.problem,
                        /*may_pass=*/true});
  }
}

std::string NodeTransports::found() const {
  std::string words;
  for (const One& one : all_)
    words += text("transport ", one.name, ": ",
                  one.transport == nullptr ? text("cannot be used: ", one.problem)
                                           : text("ready to listen on ", one.listen),
                  "\n");
  return words;
}

std::vector<NamedTransport> NodeTransports::transports() const {
  std::vector<NamedTransport> named;
  for (const One& one : all_)
    if (one.transport != nullptr) named.push_back({one.name, one.transport.get()});
  return named;
}

std::vector<std::string> NodeTransports::listen() const {
  std::vector<std::string> addresses;
  for (const One& one : all_)
    if (one.transport != nullptr) addresses.push_back(one.listen);
  return addresses;
}

std::string NodeTransports::addresses() const {
  std::vector<PeerAddress> addresses;
  for (const One& one : all_)
    if (one.transport != nullptr) addresses.push_back({one.name, one.listen});
  return peer_addresses_text(addresses);
}

void NodeTransports::add_to(UringLoop& loop) {
  for (const One& one : all_)
    if (one.transport != nullptr) loop.add_poller(*one.transport);
}

void NodeTransports::remove_from(UringLoop& loop) {
  for (const One& one : all_)
    if (one.transport != nullptr) loop.remove_poller(*one.transport);
}

void NodeTransports::close() {
  for (One& one : all_) one.transport.reset();
}

std::vector<TransportStatus> NodeTransports::status(const Peers* peers) const {
  std::vector<TransportStatus> list;
  size_t used = 0;  // its place in transports()
  for (const One& one : all_) {
    TransportStatus& status = list.emplace_back();
    status.name = one.name;
    status.address = one.listen;
    status.problem = one.problem;
    if (one.transport == nullptr) continue;
    if (peers != nullptr) status.problem = peers->transport_problem(used);
    if (!one.transport->broken_why().empty()) status.problem = one.transport->broken_why();
    ++used;
  }
  return list;
}

}  // namespace varve
