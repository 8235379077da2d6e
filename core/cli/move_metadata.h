// varve cluster move-metadata: works on both metadata stores itself, through their plugins, because
// no daemon may run meanwhile.
//
// Thread rule: the main thread, once.
#pragma once

#include "core/cli/command.h"

namespace varve {

// Prints the steps, and what to do next; returns the exit code.
int move_metadata(const Command& command);

}  // namespace varve
