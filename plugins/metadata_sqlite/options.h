// The plugin's settings, read from its config section. Opens nothing.
//
// Errors: parse_options returns a sentence that names the key, what is wrong and what is allowed;
// empty means success.
#pragma once

#include <span>
#include <string>

#include "plugins/abi/plugin.h"

namespace varve {

struct SqliteOptions {
  std::string path;
  bool exclusive = false;
};

// One line per option, for the operator.
inline constexpr char kSqliteOptionHelp[] =
    "path = FILE   the store, shared by all daemons of this machine, on a local file system\n"
    "              (/var/lib/varve/metadata.db)\n"
    "exclusive = BOOL   the file is there already, and no other process uses it meanwhile "
    "(false)\n";

std::string parse_options(std::span<const varve_option> given, SqliteOptions& options);

}  // namespace varve
