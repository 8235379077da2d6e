#include "core/config/node_config.h"

#include <algorithm>
#include <array>
#include <tuple>

#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/config/cluster_sections.h"
#include "core/config/config_section.h"
#include "core/config/plugin_section.h"

namespace varve {
namespace {

constexpr std::array<std::string_view, 2> kDurabilityWords = {"flush", "plp"};
constexpr std::array<std::string_view, 4> kLogLevelWords = {"debug", "info", "warn", "error"};

constexpr std::string_view kNameGrammar =
    "1 to 64 of letters, digits, '.', '_' and '-', the first a letter or digit";
constexpr std::string_view kPathGrammar = "the absolute path of a block device or a file";
constexpr uint64_t kMemoryMaxMin = 64 * kMiB;
constexpr std::string_view kMemoryGrammar =
    "a size of at least 64MiB: a whole number with KiB, MiB, GiB, TiB or PiB";
constexpr std::string_view kKeyFileGrammar = "the absolute path of a file with wrapping keys";
constexpr std::string_view kTokenFileGrammar = "the absolute path of a file with a token";
constexpr std::string_view kPemGrammar = "the absolute path of a PEM file";
constexpr std::string_view kPlaintextHint =
    "must be loopback or a unix socket, because nothing is encrypted without [tls]; "
    "allow_plaintext = true lets any machine in";

void read_node(ConfigSection section, NodeConfig& config) {
  if (auto name = section.take_string("name", kNameGrammar)) {
    if (!is_config_name(*name))
      section.fail(section.take("name"), "name", text("must be ", kNameGrammar));
    config.name = *name;
  }
  if (auto level = section.take_word("log_level", kLogLevelWords)) {
    config.log_level = static_cast<LogLevel>(*level);
  }
  const bool allow_plaintext = section.take_bool("allow_plaintext").value_or(false);
  config.admin_plaintext = allow_plaintext;
  const bool encrypted = config.tls.configured() && !allow_plaintext;
  if (auto admin = section.take_string("admin", kListenGrammar)) {
    const TomlValue* value = section.take("admin");
    const auto address = parse_listen_address(*admin);
    if (!address) {
      section.fail(value, "admin", text("\"", *admin, "\" is not ", kListenGrammar));
    } else if (!address->is_local() && !allow_plaintext && !encrypted) {
      section.fail(value, "admin", text("\"", *admin, "\" ", kPlaintextHint));
    } else {
      config.admin = *address;
    }
  }
  if (const auto path = section.take_string("admin_token_file", kTokenFileGrammar)) {
    const TomlValue* value = section.take("admin_token_file");
    config.admin_token_file = *path;
    if (!path->starts_with('/')) {
      section.fail(value, "admin_token_file", text("must be ", kTokenFileGrammar));
    } else if (!config.admin.is_local() && !encrypted) {
      section.fail(value, "admin_token_file",
                   "the token would cross the network in the clear; add [tls], without "
                   "allow_plaintext, or listen on loopback");
    }
  }
  section.finish();
}

// What the config has at `path` already: "disk group "a"", or "".
std::string user_of(const NodeConfig& config, const std::string& path) {
  for (const DiskGroupConfig& group : config.disk_groups) {
    if (path.empty()) break;
    if (group.path == path) return text("disk group \"", group.name, "\"");
    for (const HddConfig& hdd : group.hdds)
      if (hdd.path == path) return text("an HDD of disk group \"", group.name, "\"");
  }
  return {};
}

void read_hdds(ConfigSection& section, const NodeConfig& config, DiskGroupConfig& group) {
  for (const TomlValue& value : section.take_strings("hdd", kPathGrammar)) {
    const std::string& path = value.string;
    std::string user = user_of(config, path);
    if (path == group.path) user = "the SSD of this disk group";
    if (std::any_of(group.hdds.begin(), group.hdds.end(),
                    [&](const HddConfig& hdd) { return hdd.path == path; }))
      user = "here";
    if (!path.starts_with('/'))
      section.fail(&value, "hdd", text("\"", path, "\": must be ", kPathGrammar));
    else if (!user.empty())
      section.fail(&value, "hdd", text("\"", path, "\" is ", user, " already"));
    group.hdds.push_back({path, value.place});
  }
}

void read_memory_max(ConfigSection& section, DiskGroupConfig& group) {
  const auto words = section.take_string("memory_max", kMemoryGrammar);
  if (!words) return;
  group.memory_max_bytes = parse_size(*words).value_or(0);
  if (group.memory_max_bytes < kMemoryMaxMin)
    section.fail(section.take("memory_max"), "memory_max",
                 text("\"", *words, "\": must be ", kMemoryGrammar));
}

void read_disk_group(ConfigSection section, NodeConfig& config) {
  DiskGroupConfig group;
  if (auto name = section.take_string("name", kNameGrammar)) {
    group.name = *name;
    if (!is_config_name(*name))
      section.fail(section.take("name"), "name", text("must be ", kNameGrammar));
  } else if (section.take("name") == nullptr) {
    section.fail_missing("name", kNameGrammar);
  }
  if (auto path = section.take_string("path", kPathGrammar)) {
    group.path = *path;
    group.path_place = section.take("path")->place;
    if (!path->starts_with('/')) {
      section.fail(section.take("path"), "path", text("must be ", kPathGrammar));
    }
  } else if (section.take("path") == nullptr) {
    section.fail_missing("path", kPathGrammar);
  }
  if (auto durability = section.take_word("durability", kDurabilityWords)) {
    group.power_protected = *durability == 1;
  }
  read_memory_max(section, group);
  read_hdds(section, config, group);
  if (const std::string user = user_of(config, group.path); !user.empty()) {
    section.fail(section.take("path"), "path", text("\"", group.path, "\" is ", user, " already"));
  }
  for (const DiskGroupConfig& other : config.disk_groups) {
    if (!group.name.empty() && other.name == group.name) {
      section.fail(section.take("name"), "name",
                   text("\"", group.name, "\" is used twice; each disk group needs its own name"));
    }
  }
  section.finish();
  config.disk_groups.push_back(std::move(group));
}

void read_service(ConfigSection section, const TomlValue& table, NodeConfig& config) {
  ServiceConfig service{.place = table.place};
  service.plugin = take_plugin(section, "plugin", "nbd");
  service.options = take_options(section, table, {"plugin"});
  config.services.push_back(std::move(service));
}

void read_encryption(ConfigSection section, NodeConfig& config) {
  if (const auto path = section.take_string("key_file", kKeyFileGrammar)) {
    const TomlValue* value = section.take("key_file");
    if (!path->starts_with('/')) section.fail(value, "key_file", text("must be ", kKeyFileGrammar));
    config.key_file = *path;
    config.key_file_place = value->place;
  } else if (section.take("key_file") == nullptr) {
    section.fail_missing("key_file", kKeyFileGrammar);
  }
  section.finish();
}

void read_tls(ConfigSection section, NodeConfig& config) {
  const auto take = [&](std::string_view key, std::string& into) {
    if (const auto path = section.take_string(key, kPemGrammar)) {
      if (!path->starts_with('/'))
        section.fail(section.take(key), key, text("must be ", kPemGrammar));
      into = *path;
    } else if (section.take(key) == nullptr) {
      section.fail_missing(key, kPemGrammar);
    }
  };
  take("ca_file", config.tls.ca_file);
  take("cert_file", config.tls.cert_file);
  take("key_file", config.tls.key_file);
  section.finish();
}

// Calls `read(element)` for each table of `[[name]]`.
template <typename Reader>
void each_table(ConfigSection& top, std::string_view name, const Reader& read) {
  const TomlValue* list = top.take(name);
  if (list == nullptr) return;
  const bool is_tables =
      list->kind == TomlValue::Kind::kList &&
      std::all_of(list->children.begin(), list->children.end(),
                  [](const TomlValue& element) { return element.kind == TomlValue::Kind::kTable; });
  if (!is_tables) {
    top.fail(list, name, text("must be written as [[", name, "]], once for each"));
    return;
  }
  for (const TomlValue& element : list->children) read(element);
}

}  // namespace

std::string config_error_text(std::string_view file, const ConfigError& error) {
  std::string out(file);
  if (error.place.line > 0) out += text(":", error.place.line, ":", error.place.column);
  out += ": ";
  if (!error.key.empty()) out += text(error.key, ": ");
  return out + error.message;
}

ConfigReading read_node_config(std::string_view toml) {
  ConfigReading reading;
  TomlDocument document = parse_toml(toml);
  if (!document.errors.empty()) {
    for (TomlError& error : document.errors) {
      reading.errors.push_back({error.place, "", text("not TOML: ", error.message)});
    }
    return reading;
  }
  auto& errors = reading.errors;
  ConfigSection top("", document.root, errors);
  if (const TomlValue* tls = top.take("tls")) {
    reading.config.tls.place = tls->place;
    if (tls->kind == TomlValue::Kind::kTable) {
      read_tls(ConfigSection("tls", *tls, errors), reading.config);
    } else {
      top.fail(tls, "tls", "must be written as a section: [tls]");
    }
  }
  if (const TomlValue* node = top.take("node")) {
    if (node->kind == TomlValue::Kind::kTable) {
      read_node(ConfigSection("node", *node, errors), reading.config);
    } else {
      top.fail(node, "node", "must be written as a section: [node]");
    }
  }
  each_table(top, "disk_group", [&](const TomlValue& table) {
    read_disk_group(ConfigSection("disk_group", table, errors), reading.config);
  });
  if (errors.empty() && reading.config.disk_groups.empty()) {
    errors.push_back({{}, "disk_group", "missing; a node needs at least one [[disk_group]]"});
  }
  each_table(top, "service", [&](const TomlValue& table) {
    read_service(ConfigSection("service", table, errors), table, reading.config);
  });
  if (const TomlValue* encryption = top.take("encryption")) {
    if (encryption->kind == TomlValue::Kind::kTable) {
      read_encryption(ConfigSection("encryption", *encryption, errors), reading.config);
    } else {
      top.fail(encryption, "encryption", "must be written as a section: [encryption]");
    }
  }
  read_cluster_sections(top, errors, reading.config);
  top.finish();
  std::sort(errors.begin(), errors.end(), [](const auto& left, const auto& right) {
    return std::tie(left.place.line, left.place.column, left.key, left.message) <
           std::tie(right.place.line, right.place.column, right.key, right.message);
  });
  return reading;
}

}  // namespace varve
