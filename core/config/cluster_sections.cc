#include "core/config/cluster_sections.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/config/plugin_section.h"

namespace varve {
namespace {

constexpr std::string_view kTransportGrammar =
    "\"HOST:PORT\" or \"[IPV6]:PORT\": the address of this machine that the other nodes reach; or "
    "the network that it is in: \"192.0.2.0/24:PORT\" or \"[2001:db8::/64]:PORT\"";

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

std::string transport_name(const std::string& plugin) {
  const std::string file = plugin.substr(plugin.rfind('/') + 1);
  return plugin.starts_with('/') ? file.substr(0, file.rfind('.')) : plugin;
}

// It stands in the node's record: "tcp=10.0.0.1:7071".
void check_name(ConfigSection& section, const TomlValue* value, const std::string& plugin) {
  const std::string name = transport_name(plugin);
  if (!plugin.empty() && !is_config_name(name))
    section.fail(value, "use", text("\"", name, "\" is no name for a transport"));
}

// `use`: one plugin, or a list of them.
std::vector<std::string> take_plugins(ConfigSection& section, TomlPlace place,
                                      std::vector<ConfigError>& errors) {
  const TomlValue* use = section.take("use");
  if (use == nullptr || use->kind != TomlValue::Kind::kList) {
    std::string plugin = take_plugin(section, "use", "tcp");
    if (plugin.starts_with('/')) check_name(section, use, plugin);
    return {plugin};
  }
  std::vector<std::string> plugins;
  std::vector<std::string> names;
  for (const TomlValue& element : use->children) {
    TomlValue table{.kind = TomlValue::Kind::kTable, .place = place, .children = {element}};
    table.children.front().key = "use";
    ConfigSection one("transport", table, errors);
    plugins.push_back(take_plugin(one, "use", "tcp"));
    names.push_back(transport_name(plugins.back()));
    check_name(section, &element, plugins.back());
    if (std::count(names.begin(), names.end(), names.back()) > 1)
      section.fail(&element, "use", text("\"", names.back(), "\" is in the list twice"));
  }
  if (plugins.empty() || plugins.size() > kTransportConfigsMax)
    section.fail(use, "use", text("must name 1 to ", kTransportConfigsMax, " plugins"));
  return plugins;
}

// What [transport] says for all of its transports.
struct CommonOptions {
  std::optional<std::string> listen;
  std::optional<bool> allow_plaintext;
  bool has_tls = false;
};

// "NETWORK/BITS:PORT": the network, and the port in `listen`. Nothing for anything else.
std::optional<IpNetwork> parse_network(std::string_view words, ListenAddress& listen) {
  const size_t slash = words.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  // Without its bits it is an address.
  const size_t end = words.find_first_not_of("0123456789", slash + 1);
  if (end == std::string_view::npos) return std::nullopt;
  const auto address = parse_listen_address(text(words.substr(0, slash), words.substr(end)));
  if (!address || address->is_unix()) return std::nullopt;
  listen = {.port = address->port};
  return IpNetwork::parse(text(address->host, words.substr(slash, end - slash)));
}

// `section` is [transport], or a table below it.
void take_listen(ConfigSection& section, const CommonOptions& common, TransportConfig& transport) {
  const bool own = section.take("listen") != nullptr;
  const auto listen = own ? section.take_string("listen", kTransportGrammar) : common.listen;
  if (!listen && !own) section.fail_missing("listen", kTransportGrammar);
  if (!listen) return;
  const TomlValue* value = section.take("listen");
  const bool allow_plaintext = common.allow_plaintext.value_or(false);
  ListenAddress in_network;
  const auto network = parse_network(*listen, in_network);
  const auto address = network ? in_network : parse_listen_address(*listen);
  const bool usable = network || (address && !address->is_unix() && !is_wildcard(*address));
  const bool local = network ? network->is_loopback() : usable && address->is_local();
  if (!usable) {
    section.fail(value, "listen", text("\"", *listen, "\" is not ", kTransportGrammar));
  } else if (!local && !allow_plaintext && !common.has_tls) {
    section.fail(value, "listen",
                 text("\"", *listen,
                      "\" must be loopback, because nothing is encrypted without [tls]; "
                      "allow_plaintext = true lets any machine in"));
  } else {
    transport.listen = *address;
    transport.network = network;
  }
}

// One of several: [transport.NAME] says what is for it alone.
void read_own_table(const TomlValue* own, TomlPlace place, CommonOptions common,
                    std::vector<ConfigError>& errors, TransportConfig& transport) {
  const TomlValue nothing{.kind = TomlValue::Kind::kTable, .place = place};
  const TomlValue& table = own == nullptr ? nothing : *own;
  ConfigSection section("transport." + transport.name, table, errors);
  transport.place = table.place;
  transport.options = take_options(section, table, {"listen", "allow_plaintext"});
  const auto allow_plaintext = section.take_bool("allow_plaintext");
  if (allow_plaintext) common.allow_plaintext = allow_plaintext;
  if (common.allow_plaintext)
    transport.options.push_back({"allow_plaintext", *common.allow_plaintext ? "true" : "false"});
  take_listen(section, common, transport);
}

std::vector<TransportConfig> read_transports(const TomlValue& table, bool has_tls,
                                             std::vector<ConfigError>& errors) {
  ConfigSection section("transport", table, errors);
  std::vector<TransportConfig> transports;
  const std::vector<std::string> plugins = take_plugins(section, table.place, errors);
  if (plugins.empty()) return {};
  CommonOptions common{.has_tls = has_tls};
  common.allow_plaintext = section.take_bool("allow_plaintext");
  const bool several = plugins.size() > 1;
  // One that was one of several keeps its own table.
  const bool has_own =
      std::any_of(table.children.begin(), table.children.end(),
                  [](const TomlValue& value) { return value.kind == TomlValue::Kind::kTable; });
  if (!several && !has_own) {
    TransportConfig transport{.place = table.place, .plugin = plugins.front()};
    transport.name = transport_name(transport.plugin);
    take_listen(section, common, transport);
    transport.options = take_options(section, table, {"use", "listen"});
    return {transport};
  }
  common.listen = section.take_string("listen", kTransportGrammar);
  // Meant for the one that has no TLS, it would take TLS from the others, too.
  if (several && has_tls && common.allow_plaintext.value_or(false))
    errors.push_back({table.place, "transport.allow_plaintext",
                      "with [tls] say for which of the transports: in its [transport.NAME]"});
  std::string names;
  for (const std::string& plugin : plugins) {
    TransportConfig transport{.plugin = plugin, .name = transport_name(plugin)};
    const TomlValue* own = section.take(transport.name);
    if (own != nullptr && own->kind != TomlValue::Kind::kTable) {
      section.fail(own, own->key, text("must be written as a section: [transport.", own->key, "]"));
      own = nullptr;
    }
    read_own_table(own, table.place, common, errors, transport);
    names += text(names.empty() ? "" : " or ", "[transport.", transport.name, "]");
    transports.push_back(std::move(transport));
  }
  for (const TomlValue& value : table.children) {
    const bool known = value.key == "use" || value.key == "listen" ||
                       value.key == "allow_plaintext" ||
                       std::any_of(transports.begin(), transports.end(),
                                   [&](const auto& one) { return one.name == value.key; });
    if (known) continue;
    if (value.kind == TomlValue::Kind::kTable)
      section.fail(&value, value.key,
                   text("use does not name this transport: remove the section, or add \"",
                        value.key, "\" to use"));
    else
      section.fail(&value, value.key,
                   text("is for one of several transports: write it in ", names));
  }
  return transports;
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
    config.transports = read_transports(*transport, config.tls.configured(), errors);
  constexpr std::string_view kBoth = " is missing; a node of a cluster has both, any other neither";
  if (top.take("transport") == nullptr && metadata != nullptr) {
    top.fail(metadata, "metadata", text("[transport]", kBoth));
  }
  if (top.take("metadata") == nullptr && transport != nullptr) {
    top.fail(transport, "transport", text("[metadata]", kBoth));
  }
}

}  // namespace varve
