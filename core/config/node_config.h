// NodeConfig: what one node's TOML file says, checked.
//
// Thread rule: plain values, read-only after start.
// Errors: all of them at once, each with its place; see ConfigError.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/config/listen_address.h"
#include "core/config/toml_document.h"

namespace varve {

struct DiskGroupConfig {
  std::string name;
  std::string path;  // absolute: a block device or a file
  // durability = "plp": the device keeps its cache through a power loss, no flush is needed.
  bool power_protected = false;
};

struct ServiceOption {
  std::string key;
  std::string value;  // a list is several options of one key
};

struct ServiceConfig {
  TomlPlace place;     // of its section
  std::string plugin;  // a name in the plugin directory, or the absolute path of a shared object
  std::vector<ServiceOption> options;  // the plugin checks them
};

struct NodeConfig {
  std::string name;  // empty: the machine's host name
  LogLevel log_level = LogLevel::kInfo;
  ListenAddress admin{.host = "127.0.0.1", .port = 7070};
  std::vector<DiskGroupConfig> disk_groups;  // in the file's order
  std::vector<ServiceConfig> services;
};

struct ConfigError {
  TomlPlace place;      // line 0: the file as a whole
  std::string key;      // "disk_group.path"; empty where no key is to blame
  std::string message;  // what is wrong, what is allowed
};

// "file:line:column: key: message".
std::string config_error_text(std::string_view file, const ConfigError& error);

struct ConfigReading {
  NodeConfig config;                // of use only without errors
  std::vector<ConfigError> errors;  // in the file's order
};

ConfigReading read_node_config(std::string_view toml);

// Where varved and varve look when no --config is given.
inline constexpr const char* kDefaultConfigPath = "/etc/varve/node.toml";

// The file's text. kNotFound or kIoError with the reason in words.
Result<std::string> read_config_file(const std::string& path);

}  // namespace varve
