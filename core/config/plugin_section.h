// What every section that names a plugin has: the plugin, and options that only it understands.
//
// Thread rule: plain functions.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/config_section.h"
#include "core/config/node_config.h"

namespace varve {

// 1 to 64 of letters, digits, '.', '_' and '-', the first a letter or digit.
bool is_config_name(std::string_view name);

// The plugin that `key` names; required. `example` is for the message: "nbd".
std::string take_plugin(ConfigSection& section, std::string_view key, std::string_view example);

// Takes all keys of `table` but `known` as options; a list is several options of one key.
std::vector<ServiceOption> take_options(ConfigSection& section, const TomlValue& table,
                                        std::initializer_list<std::string_view> known);

}  // namespace varve
