// The callbacks of a service table by name, for checks and descriptions.
//
// Thread rule: constants.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

#include "plugins/abi/service.h"

namespace varve {

struct ServiceCallback {
  std::string_view name;
  bool (*present)(const varve_service& service);
};

// All that ABI major 1 requires, in the table's order.
std::span<const ServiceCallback> required_service_callbacks();

}  // namespace varve
