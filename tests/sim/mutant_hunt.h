// The hunt for planted bugs: proof that the oracle notices what it is there to notice.
//
// In the ordinary build there are none, and both functions say so.
#pragma once

#include <string>

#include "tests/sim/oracle_options.h"

namespace varve {

// False, with a message: no such planted bug in this build.
bool activate_mutant(const std::string& name);

// Runs seeds under each planted bug until it is found, at most options.seconds each; prints how.
// The exit code of the program.
int hunt_mutants(const OracleOptions& options);

}  // namespace varve
