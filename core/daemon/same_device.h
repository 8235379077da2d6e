// Whether the config names one device twice by different paths.
//
// Thread rule: any thread; blocks.
#pragma once

#include <vector>

#include "core/config/node_config.h"

namespace varve {

// Adds an error for each path behind which is a device, or file, that stood before it. What does
// not exist is nobody's.
void check_same_devices(const NodeConfig& config, std::vector<ConfigError>& errors);

}  // namespace varve
