// The address of this machine in a network: what `listen = "NETWORK/BITS:PORT"` stands for, so that
// one config file does for all nodes.
//
// Thread rule: any thread.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/config/ip_network.h"

namespace varve {

// The IP addresses of all interfaces that are up, but for link-local ones, which say nothing
// without the interface.
std::vector<std::string> machine_addresses();

// The one of `addresses` that is in the network. Error: kInvalidArgument, none or several are.
Result<std::string> address_in(const IpNetwork& network, std::span<const std::string> addresses);

}  // namespace varve
