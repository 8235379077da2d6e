// varve: the operator's command; a client of varved's admin API.
#include <cstdio>
#include <string>
#include <vector>

#include "core/cli/command.h"
#include "core/cli/run.h"

int main(int count, char** words) {
  const std::vector<std::string> given(words + (count > 0 ? 1 : 0), words + count);
  const auto command = varve::parse_command(given);
  if (command.ok()) return varve::run_command(*command);
  std::fprintf(stderr, "varve: %s\nSee varve --help.\n",
               std::string(command.status().message()).c_str());
  return varve::kExitUsage;
}
