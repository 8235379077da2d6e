// TcpShard: what the connections of one context share.
//
// Thread rule: the shard's thread. Ownership: `log` outlives it; memory named by buffers and sends
// is the host's.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <vector>

#include "plugins/sdk/host.h"
#include "plugins/sdk/transport_events.h"
#include "plugins/sdk/transport_memory.h"
#include "plugins/sdk/unique_fd.h"
#include "plugins/tls/stream.h"
#include "transports/tcp/limits.h"

namespace varve {

struct TcpShard {
  explicit TcpShard(const HostLog& host_log, bool with_kernel_tls = false)
      : log(host_log), kernel_tls(with_kernel_tls) {}

  const HostLog& log;
  const bool kernel_tls;
  UniqueFd epoll = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  uint64_t received_count = 0;  // times that a socket gave something
  MemoryTable memory;
  ReceiveBuffers buffers;
  TransportEvents events;
  TlsScratch tls;
  std::vector<uint8_t> read_ahead = std::vector<uint8_t>(kReceiveBytes);
};

}  // namespace varve
