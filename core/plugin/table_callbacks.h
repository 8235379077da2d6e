// The kinds of plugins, and the callbacks of their tables by name, for checks and descriptions.
//
// Thread rule: constants.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "plugins/abi/plugin.h"

namespace varve {

struct TableCallback {
  std::string_view name;
  // `table` begins a struct of the kind that the callback was asked for.
  bool (*present)(const varve_table& table);
};

// "service"; "unknown" for what this release does not load.
std::string_view plugin_kind_name(uint32_t kind);

// All that ABI major 1 requires of a kind, in the table's order; empty for an unknown kind.
std::span<const TableCallback> required_callbacks(uint32_t kind);

}  // namespace varve
