// run_command: asks varved for what a parsed command line wants, and says how it went.
#pragma once

#include "core/cli/command.h"

namespace varve {

// Exit codes, kept stable.
inline constexpr int kExitDone = 0;
inline constexpr int kExitRefused = 1;
inline constexpr int kExitUsage = 2;

// Prints results to standard output, reasons and progress to standard error. Returns the exit code.
int run_command(const Command& command);

}  // namespace varve
