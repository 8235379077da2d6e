// RdmaShard: what the connections of one context share.
//
// Thread rule: the shard's thread. Ownership: `log` and `options` outlive it; memory named by
// buffers and sends is the host's.
#pragma once

#include "plugins/sdk/host.h"
#include "plugins/sdk/transport_events.h"
#include "plugins/sdk/transport_memory.h"
#include "transports/rdma/options.h"

namespace varve {

struct RdmaShard {
  RdmaShard(const RdmaOptions& plugin_options, const HostLog& host_log)
      : options(plugin_options), log(host_log) {}

  const RdmaOptions& options;
  const HostLog& log;
  MemoryTable memory;
  ReceiveBuffers buffers;
  TransportEvents events;
};

}  // namespace varve
