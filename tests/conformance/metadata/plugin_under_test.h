// What the tests of one plugin provide.
#pragma once

#include <string>
#include <vector>

#include "core/config/node_config.h"

namespace varve {

// Its options for a store in `folder`, which ends with a slash.
std::vector<ServiceOption> options_for(const std::string& folder);

}  // namespace varve
