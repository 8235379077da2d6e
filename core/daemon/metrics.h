// The node's numbers in the text form that Prometheus reads (exposition format 0.0.4).
#pragma once

#include <string>

#include "core/daemon/node_status.h"

namespace varve {

std::string metrics_text(const NodeStatus& node);

}  // namespace varve
