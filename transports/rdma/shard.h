// RdmaShard: what the connections of one context share.
//
// Thread rule: the shard's thread. Ownership: `log`, `options` and `tls` outlive it; memory named
// by buffers and sends is the host's.
#pragma once

#include <ctime>

#include "plugins/sdk/host.h"
#include "plugins/sdk/transport_events.h"
#include "plugins/sdk/transport_memory.h"
#include "plugins/tls/plugin_tls.h"
#include "transports/rdma/options.h"

namespace varve {

inline uint64_t monotonic_ms() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1'000'000;
}

struct RdmaShard {
  RdmaShard(const RdmaOptions& plugin_options, PluginTls* node_tls, const HostLog& host_log)
      : options(plugin_options), tls(node_tls), log(host_log) {}

  const RdmaOptions& options;
  PluginTls* const tls;  // null: the node has no [tls]
  const HostLog& log;
  MemoryTable memory;
  ReceiveBuffers buffers;
  TransportEvents events;
  LogLimiter refusals;           // of peers that are not made
  LogLimiter silence;            // apart, so that those who say nothing hide nobody
  uint32_t handshake_steps = 0;  // that may still be made in this poll
};

}  // namespace varve
