#include "tests/conformance/metadata/plugin_under_test.h"

namespace varve {

std::vector<ServiceOption> options_for(const std::string& folder) {
  return {{"path", folder + "metadata.db"}};
}

}  // namespace varve
