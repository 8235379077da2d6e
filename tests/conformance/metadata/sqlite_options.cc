#include "tests/conformance/metadata/plugin_under_test.h"

namespace varve {

std::vector<ServiceOption> options_for(const std::string& folder) {
  return {{"path", folder + "metadata.db"}};
}

std::unique_ptr<Backing> start_backing(const std::string&) {
  return nullptr;
}

}  // namespace varve
