// The command line of varved.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"

namespace varve {

struct DaemonArguments {
  enum class Action : uint8_t { kServe, kCheck, kDescribePlugin, kHelp, kVersion };
  Action action = Action::kServe;
  std::string config_path;
  std::string plugin_path;
};

// `words` without the program's name. kInvalidArgument: the message says what is wrong.
Result<DaemonArguments> parse_daemon_arguments(std::span<const std::string_view> words);

std::string_view daemon_help();

}  // namespace varve
