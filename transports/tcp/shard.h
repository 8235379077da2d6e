// TcpShard: what the connections of one context share.
//
// Thread rule: the shard's thread. Ownership: `log` outlives it; memory named by buffers and sends
// is the host's.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/sdk/host.h"
#include "plugins/sdk/transport_events.h"
#include "plugins/sdk/transport_memory.h"
#include "transports/tcp/limits.h"

namespace varve {

struct TcpShard {
  explicit TcpShard(const HostLog& host_log) : log(host_log) {}

  const HostLog& log;
  MemoryTable memory;
  ReceiveBuffers buffers;
  TransportEvents events;
  std::vector<uint8_t> read_ahead = std::vector<uint8_t>(kReceiveBytes);
};

}  // namespace varve
