// The command line of crash_oracle.
#pragma once

#include <cstdint>
#include <string>

namespace varve {

struct OracleOptions {
  std::string program;
  uint64_t first_seed = 1;
  uint64_t last_seed = UINT64_MAX;
  uint64_t crash_points = 0;  // stop, and gate, at so many; 0: run the seeds, gate nothing
  uint64_t seed_count = 0;    // and not before so many seeds
  double seconds = 3600;
  uint32_t jobs = 1;
  bool verbose = false;
  std::string mutant;        // a planted bug to run with
  bool all_mutants = false;  // find each of them
};

// False: the usage was printed.
bool parse_oracle_options(int argc, char** argv, OracleOptions& options);

}  // namespace varve
