// The plugin's settings, read from its config section. Opens nothing.
//
// Errors: parse_options returns a sentence that names the key, what is wrong and what is allowed;
// empty means success.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "plugins/abi/plugin.h"
#include "transports/rdma/limits.h"

namespace varve {

struct RdmaOptions {
  std::string device;  // empty: any
  uint32_t traffic_class = 0;
  uint32_t keepalive_s = kKeepaliveSeconds;
  uint32_t connect_timeout_ms = kConnectTimeoutMs;
  bool allow_plaintext = false;
};

// One line per option, for the operator.
inline constexpr char kRdmaOptionHelp[] =
    "device = NAME   use this RDMA device only (the one that has the address)\n"
    "traffic_class = N   priority of the packets: the IP header's DSCP * 4 (0)\n"
    "keepalive_s = N   an idle peer is asked for a sign of life after this long (5)\n"
    "connect_timeout_ms = N   time for a connection to be made (2000)\n"
    "allow_plaintext = BOOL   listen at all: nothing is encrypted; [tls] proves who sends "
    "what (false)\n";

std::string parse_options(std::span<const varve_option> given, RdmaOptions& options);

}  // namespace varve
