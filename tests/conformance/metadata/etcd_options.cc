#include <fstream>

#include "tests/conformance/metadata/plugin_under_test.h"

namespace varve {

// The file that the backing of the folder has left there.
std::vector<ServiceOption> options_for(const std::string& folder) {
  std::vector<ServiceOption> options;
  std::ifstream file(folder + "endpoints");
  for (std::string url; std::getline(file, url);) options.push_back({"endpoints", url});
  return options;
}

}  // namespace varve
