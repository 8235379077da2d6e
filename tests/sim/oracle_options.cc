#include "tests/sim/oracle_options.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace varve {

namespace {

constexpr const char* kUsage =
    "usage: crash_oracle [--seed S | --seeds A..B] [--crash-points N] [--seed-count N]\n"
    "                    [--seconds T] [--jobs J] [--verbose] [--mutant NAME | --mutants]\n";

bool parse_seeds(const char* value, OracleOptions& options) {
  char* end = nullptr;
  options.first_seed = std::strtoull(value, &end, 10);
  if (std::strncmp(end, "..", 2) != 0) return false;
  options.last_seed = std::strtoull(end + 2, &end, 10);
  return *end == 0;
}

bool parse_value(const std::string& name, const char* value, OracleOptions& options) {
  if (name == "--seeds") return parse_seeds(value, options);
  if (name == "--mutant") {
    options.mutant = value;
    return true;
  }
  char* end = nullptr;
  const uint64_t number = std::strtoull(value, &end, 10);
  if (end == value || *end != 0) return false;
  if (name == "--seed")
    options.first_seed = options.last_seed = number;
  else if (name == "--crash-points")
    options.crash_points = number;
  else if (name == "--seed-count")
    options.seed_count = number;
  else if (name == "--seconds")
    options.seconds = static_cast<double>(number);
  else if (name == "--jobs")
    options.jobs = static_cast<uint32_t>(std::clamp<uint64_t>(number, 1, 16));
  else
    return false;
  return true;
}

}  // namespace

bool parse_oracle_options(int argc, char** argv, OracleOptions& options) {
  options.program = argv[0];
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose") {
      options.verbose = true;
    } else if (name == "--mutants") {
      options.all_mutants = true;
    } else if (i + 1 < argc && parse_value(name, argv[i + 1], options)) {
      ++i;
    } else {
      std::fprintf(stderr, "%s", kUsage);
      return false;
    }
  }
  return true;
}

}  // namespace varve
