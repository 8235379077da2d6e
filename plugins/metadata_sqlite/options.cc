#include "plugins/metadata_sqlite/options.h"

#include <string_view>

#include "plugins/sdk/host.h"

namespace varve {

std::string parse_options(std::span<const varve_option> given, SqliteOptions& options) {
  options = {};
  options.path = "/var/lib/varve/metadata.db";
  bool path_given = false;
  for (const varve_option& option : given) {
    const std::string_view key = option.key;
    const std::string_view value = option.value;
    if (key == "exclusive") {
      options.exclusive = value == "true";
      if (options.exclusive || value == "false") continue;
      return join({"exclusive: \"", value, "\" is neither true nor false"});
    }
    if (key != "path") return join({key, ": unknown option; known are path, exclusive"});
    if (path_given) return "path: given twice";
    if (!value.starts_with('/') || value.ends_with('/'))
      return join({"path: \"", value, "\" is not the absolute path of a file"});
    options.path = value;
    path_given = true;
  }
  return {};
}

}  // namespace varve
