#include "core/config/cluster_sections.h"

#include "core/base/text.h"
#include "core/config/plugin_section.h"

namespace varve {
namespace {

constexpr std::string_view kTransportGrammar =
    "\"HOST:PORT\" or \"[IPV6]:PORT\": the address of this machine that the other nodes reach";

MetadataConfig read_metadata(const TomlValue& table, std::vector<ConfigError>& errors) {
  ConfigSection section("metadata", table, errors);
  MetadataConfig metadata{.place = table.place};
  metadata.plugin = take_plugin(section, "use", "metadata_sqlite");
  metadata.options = take_options(section, table, {"use"});
  return metadata;
}

// Other nodes cannot connect to "any address".
bool is_wildcard(const ListenAddress& address) {
  return address.host == "0.0.0.0" || address.host == "::";
}

TransportConfig read_transport(const TomlValue& table, bool has_tls,
                               std::vector<ConfigError>& errors) {
  ConfigSection section("transport", table, errors);
  TransportConfig transport{.place = table.place};
  transport.plugin = take_plugin(section, "use", "tcp");
  const bool allow_plaintext = section.take_bool("allow_plaintext").value_or(false);
  if (const auto listen = section.take_string("listen", kTransportGrammar)) {
    const TomlValue* value = section.take("listen");
    const auto address = parse_listen_address(*listen);
    if (!address || address->is_unix() || is_wildcard(*address)) {
      section.fail(value, "listen", text("\"", *listen, "\" is not ", kTransportGrammar));
    } else if (!address->is_local() && !allow_plaintext && !has_tls) {
      section.fail(value, "listen",
                   text("\"", *listen,
                        "\" must be loopback, because nothing is encrypted without [tls]; "
                        "allow_plaintext = true lets any machine in"));
    } else {
      transport.listen = *address;
    }
  } else if (section.take("listen") == nullptr) {
    section.fail_missing("listen", kTransportGrammar);
  }
  transport.options = take_options(section, table, {"use", "listen"});
  return transport;
}

// Null where the section is not there, or is none.
const TomlValue* take_table(ConfigSection& top, std::string_view name) {
  const TomlValue* section = top.take(name);
  if (section == nullptr || section->kind == TomlValue::Kind::kTable) return section;
  top.fail(section, name, text("must be written as a section: [", name, "]"));
  return nullptr;
}

}  // namespace

void read_cluster_sections(ConfigSection& top, std::vector<ConfigError>& errors,
                           NodeConfig& config) {
  const TomlValue* metadata = take_table(top, "metadata");
  const TomlValue* transport = take_table(top, "transport");
  if (metadata != nullptr) config.metadata = read_metadata(*metadata, errors);
  if (transport != nullptr)
    config.transport = read_transport(*transport, config.tls.configured(), errors);
  constexpr std::string_view kBoth = " is missing; a node of a cluster has both, any other neither";
  if (top.take("transport") == nullptr && metadata != nullptr) {
    top.fail(metadata, "metadata", text("[transport]", kBoth));
  }
  if (top.take("metadata") == nullptr && transport != nullptr) {
    top.fail(transport, "transport", text("[metadata]", kBoth));
  }
}

}  // namespace varve
