// [metadata] and [transport]: what makes a node one of a cluster.
//
// Thread rule: plain functions.
#pragma once

#include "core/config/config_section.h"
#include "core/config/node_config.h"

namespace varve {

// Takes both sections out of the top of the file; a node has both or neither.
void read_cluster_sections(ConfigSection& top, std::vector<ConfigError>& errors,
                           NodeConfig& config);

}  // namespace varve
