// PluginLibrary: one shared object with a plugin table, of any kind, that passed every check.
//
// The table is copied into a zeroed struct of our own, the smaller of the two sizes, so that a
// plugin built against older or newer headers is read correctly. Loading runs the object's
// constructors: load only what the operator named.
//
// Thread rule: opened on one thread; the table is constant.
// plugin_directory(), plugin_path(): any thread.
// Ownership: the shared object stays loaded until the process ends, even when this is destroyed: a
// plugin may own threads, and a broken one does not give them back.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "plugins/abi/metadata.h"
#include "plugins/abi/service.h"
#include "plugins/abi/transport.h"

namespace varve {

class PluginLibrary {
 public:
  // `path` is absolute. kNotFound, kInvalidArgument (no plugin, or a broken one), kUnsupported
  // (another ABI or an unknown kind); the message says what was wrong and what is needed.
  static Result<std::unique_ptr<PluginLibrary>> open(const std::string& path);
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;

  uint32_t kind() const { return table().kind; }  // VARVE_KIND_...
  // kUnsupported, in words, when the plugin is of another kind.
  Status need_kind(uint32_t kind) const;

  // The table of its kind; the others must not be asked for.
  const varve_service& service() const;
  const varve_transport& transport() const;
  const varve_metadata& metadata() const;

  // What the plugin is told of the node's certificates; before it makes instances.
  void set_tls(const TlsConfig& tls) { tls_ = tls; }
  const TlsConfig& tls() const { return tls_; }

  std::string_view name() const { return table().name; }
  std::string_view version() const { return table().version; }

  // What `varved --describe-plugin` prints: several lines.
  std::string describe() const;

 private:
  // What every table begins with.
  struct Head {
    varve_table table;
    const char* option_help;
  };
  union Tables {
    Head head;
    varve_service service;
    varve_transport transport;
    varve_metadata metadata;
  };

  explicit PluginLibrary(std::string path);
  Status read_table(void* object);  // `object` is dlopen's
  Status check_callbacks() const;
  const varve_table& table() const { return tables_.head.table; }

  std::string path_;
  uint32_t plugin_struct_bytes_ = 0;
  Tables tables_;  // zeroed, then copied into
  TlsConfig tls_;
};

// Where the plugins of this installation are: lib/varve/plugins beside the running program's bin.
std::string plugin_directory();

// The file of the plugin that the config calls `plugin`: itself when absolute, else
// `directory`/`plugin`.so.
std::string plugin_path(std::string_view directory, std::string_view plugin);

}  // namespace varve
