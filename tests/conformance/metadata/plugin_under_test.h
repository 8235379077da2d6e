// What the tests of one plugin provide.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config/node_config.h"

namespace varve {

// Its options for a store in `folder`, which ends with a slash.
std::vector<ServiceOption> options_for(const std::string& folder);

// What runs beneath the store of a folder, if the plugin needs anything; ended with its owner.
class Backing {
 public:
  virtual ~Backing() = default;
};
// Null: nothing. Not in the children, which use what runs already.
std::unique_ptr<Backing> start_backing(const std::string& folder);

}  // namespace varve
