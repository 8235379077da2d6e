// PluginLibrary: one shared object with a plugin table that passed every check.
//
// The table is copied into a zeroed struct of our own, the smaller of the two sizes, so that a
// plugin built against older or newer headers is read correctly. Loading runs the object's
// constructors: load only what the operator named.
//
// Thread rule: opened on one thread; the table is constant.
// Ownership: the shared object stays loaded until the process ends, even when this is destroyed: a
// plugin may own threads, and a broken one does not give them back.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "plugins/abi/service.h"

namespace varve {

class PluginLibrary {
 public:
  // `path` is absolute. kNotFound, kInvalidArgument (no plugin, or a broken one), kUnsupported
  // (another ABI or a kind that is not built yet); the message says what was wrong and what is
  // needed.
  static Result<std::unique_ptr<PluginLibrary>> open(const std::string& path);
  PluginLibrary(const PluginLibrary&) = delete;
  PluginLibrary& operator=(const PluginLibrary&) = delete;

  const varve_service& service() const { return service_; }
  std::string_view name() const { return service_.table.name; }
  std::string_view version() const { return service_.table.version; }

  // What `varved --describe-plugin` prints: several lines.
  std::string describe() const;

 private:
  explicit PluginLibrary(std::string path);
  Status read_table(void* object);  // `object` is dlopen's

  std::string path_;
  uint32_t plugin_struct_bytes_ = 0;
  varve_service service_{};
};

// The file of the plugin that the config calls `plugin`: itself when absolute, else
// `directory`/`plugin`.so.
std::string plugin_path(std::string_view directory, std::string_view plugin);

}  // namespace varve
