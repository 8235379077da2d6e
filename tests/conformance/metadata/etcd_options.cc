#include <fstream>

#include "tests/conformance/metadata/plugin_under_test.h"

namespace varve {

// The file that the backing of the folder has left there: "key value" in each line.
std::vector<ServiceOption> options_for(const std::string& folder) {
  std::vector<ServiceOption> options;
  std::ifstream file(folder + "options");
  for (std::string key, value; file >> key >> value;) options.push_back({key, value});
  return options;
}

}  // namespace varve
