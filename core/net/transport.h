// Transport: connections between nodes as core sees them. A plugin implements it (PluginTransport),
// or the simulator. The promises are those of plugins/abi/transport.h.
//
// Thread rule: one shard's thread. Nothing blocks. The sink is called from poll(), never from
// inside another call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "core/base/error.h"

namespace varve {

inline constexpr uint32_t kHeaderBytesMax = 256;
// 1 MiB of data and what goes with it.
inline constexpr uint32_t kPayloadBytesMax = 1024 * 1024 + 16384;
inline constexpr uint32_t kMessageSlicesMax = 4;

// Never 0, never used again. Those of one transport are below 2^kConnectionIdBits.
using ConnectionId = uint64_t;
inline constexpr int kConnectionIdBits = 60;

class TransportSink {
 public:
  virtual ~TransportSink() = default;
  // The end of a connect(): `connection` is valid when `result` is kOk.
  virtual void connected(uint64_t op_id, ErrorCode result, ConnectionId connection) = 0;
  // A peer has connected to our listener.
  virtual void accepted(ConnectionId connection) = 0;
  // `header` is valid during the call. `buffer` is the posted receive buffer that holds the payload
  // (its op_id), 0 without payload; it belongs to the sink's owner again.
  virtual void received(ConnectionId connection, std::span<const std::byte> header, uint64_t buffer,
                        uint32_t payload_bytes) = 0;
  // The memory of a send is the sender's again. kOk does not mean that it arrived.
  virtual void sent(uint64_t op_id, ErrorCode result) = 0;
  // Once per connection; nothing of it follows. Sends on their way have got their sent() before.
  virtual void closed(ConnectionId connection, ErrorCode why) = 0;
  // A send was answered kBusy: try again.
  virtual void writable(ConnectionId connection) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // Before anything else. The sink must outlive the transport.
  virtual void set_sink(TransportSink& sink) = 0;
  // Begins to accept; returns the address that peers can connect to.
  virtual Result<std::string> listen(const std::string& address) = 0;
  // Ends in connected(), unless the returned status is an error.
  virtual Status connect(const std::string& address, uint64_t op_id) = 0;
  virtual void disconnect(ConnectionId connection) = 0;
  // The name that the other side has proven to be its own; empty: this transport cannot tell.
  virtual std::string peer_name(ConnectionId) const { return {}; }
  // Memory that receive buffers lie in; stays registered. What is sent may lie anywhere.
  virtual Status register_memory(std::span<std::byte> arena) = 0;
  // For one payload; 4 KiB-aligned; op_id is not 0.
  virtual Status post_receive(std::span<std::byte> buffer, uint64_t op_id) = 0;
  // `header` is copied; the slices must stay unchanged until sent(). kBusy: too much is on its way,
  // writable() follows. kClosed: no such connection. Errors: no sent() follows.
  virtual Status send(ConnectionId connection, std::span<const std::byte> header,
                      std::span<const std::span<const std::byte>> slices, uint64_t op_id) = 0;
};

}  // namespace varve
