// PeerEndpoint: whose a connection is.
//
// Thread rule: one shard's thread. Called from the transport's poll.
#pragma once

#include <cstdint>
#include <span>

#include "core/net/receive_buffers.h"
#include "core/net/transport.h"

namespace varve {

class PeerEndpoint {
 public:
  virtual ~PeerEndpoint() = default;
  virtual void received(ConnectionId connection, std::span<const std::byte> header,
                        uint32_t payload_bytes, Payload payload) = 0;
  virtual void closed(ConnectionId connection, ErrorCode why) = 0;
  virtual void writable(ConnectionId connection) = 0;
};

}  // namespace varve
