// The plugin metadata_sqlite, put to the tests.
#include "tests/conformance/metadata/plugin_store.h"

namespace varve {

std::string plugin_under_test() {
  return VARVE_PLUGIN_UNDER_TEST;
}

std::vector<ServiceOption> options_for(const std::string& folder) {
  return {{"path", folder + "metadata.db"}};
}

}  // namespace varve
