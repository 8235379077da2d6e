// NodeConfig: what one node's TOML file says, checked.
//
// Thread rule: plain values, read-only after start.
// Errors: all of them at once, each with its place; see ConfigError.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/log.h"
#include "core/config/ip_network.h"
#include "core/config/listen_address.h"
#include "core/config/toml_document.h"

namespace varve {

struct HddConfig {
  std::string path;  // absolute: a block device or a file
  TomlPlace place;
};

struct DiskGroupConfig {
  std::string name;
  std::string path;             // of its SSD; absolute: a block device or a file
  std::vector<HddConfig> hdds;  // in any order
  TomlPlace path_place;
  uint64_t memory_max_bytes = 0;  // of its map and read cache; 0: enough for all of the disks
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

// Where the cluster's records are.
struct MetadataConfig {
  TomlPlace place;
  std::string plugin;                  // as in ServiceConfig
  std::vector<ServiceOption> options;  // the plugin checks them
};

// One way in which this node speaks with the others.
struct TransportConfig {
  TomlPlace place;
  std::string plugin;                  // as in ServiceConfig
  std::string name;                    // as other nodes know it: of a path, the file's without .so
  ListenAddress listen;                // of this machine; other nodes are told it
  std::optional<IpNetwork> network;    // listen.host is to be found: this machine's address in it
  std::vector<ServiceOption> options;  // the plugin checks them; allow_plaintext is one of them
};

// Who this node is and whom it believes: PEM files, absolute. All or none.
struct TlsConfig {
  TomlPlace place;  // of its section
  std::string ca_file;
  std::string cert_file;
  std::string key_file;

  bool configured() const { return !cert_file.empty(); }
};

struct NodeConfig {
  std::string name;  // empty: the machine's host name
  LogLevel log_level = LogLevel::kInfo;
  ListenAddress admin{.host = "127.0.0.1", .port = 7070};
  bool admin_plaintext = false;  // whatever [tls] says
  std::string admin_token_file;  // absolute; who has the token may ask over TCP; empty: none
  std::vector<DiskGroupConfig> disk_groups;  // in the file's order
  std::vector<ServiceConfig> services;
  std::string key_file;  // absolute; the wrapping keys of encrypted volumes; empty: none
  TomlPlace key_file_place;
  TlsConfig tls;
  // Both in a cluster, else neither.
  std::optional<MetadataConfig> metadata;
  std::vector<TransportConfig> transports;  // most wanted first

  // Over TCP, the admin API is asked over TLS.
  bool admin_speaks_tls() const { return tls.configured() && !admin.is_unix() && !admin_plaintext; }
};

inline constexpr size_t kTransportConfigsMax = 4;

struct ConfigError {
  TomlPlace place;        // line 0: the file as a whole
  std::string key;        // "disk_group.path"; empty where no key is to blame
  std::string message;    // what is wrong, what is allowed
  bool may_pass = false;  // it is of the machine as it is now, not of the file
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
