// Peers: requests and replies between this node and the others, over one transport.
//
// For each other node there is one connection that this node makes, for the requests it sends, and
// one that the other makes, for those that it answers. Connections are made when the first request
// wants one, and made again, with growing pauses, while requests come. The first message on each is
// Hello: another cluster, or an unknown protocol, is refused, with a line in the log.
//
// Requests to one node are sent in the order of the call()s. When the connection is lost, every
// request on it ends with kClosed: it may or may not have been served. Nothing is sent again here.
//
// Thread rule: one shard's thread. Ownership: runtime, transport and handler are borrowed and
// outlive this. Before the destructor: await stop().
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/net/transport.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/wire/messages.h"

namespace varve {

class PeersCore;

// A payload that has arrived, 4 KiB-aligned. Gives its receive buffer back when it is destroyed: do
// not keep it longer than needed.
class Payload {
 public:
  Payload() = default;
  Payload(PeersCore* owner, uint64_t buffer, std::span<std::byte> bytes)
      : owner_(owner), buffer_(buffer), bytes_(bytes) {}
  Payload(Payload&& other) noexcept { *this = std::move(other); }
  Payload& operator=(Payload&& other) noexcept;
  ~Payload();

  std::span<std::byte> bytes() const { return bytes_; }

 private:
  PeersCore* owner_ = nullptr;
  uint64_t buffer_ = 0;
  std::span<std::byte> bytes_;
};

using Slices = std::span<const std::span<const std::byte>>;

// A request that has arrived: dropped, or answered exactly once.
struct IncomingRequest {
  NodeId from{};
  ConnectionId connection = 0;
  MessageType type{};
  std::vector<std::byte> body;  // exactly the size of the type's struct
  Payload payload;
  uint64_t request_id = 0;

  // REQUIRES the type to be Body's.
  template <typename Body>
  Body as() const;
};

class PeerHandler {
 public:
  virtual ~PeerHandler() = default;
  // Called in the order of arrival of each connection, through the run queue; takes the request
  // over and answers it now or later. Counts and lengths in it have been checked against its
  // payload; all other fields are the peer's word.
  virtual void handle(IncomingRequest request) = 0;
};

template <typename Body>
struct Reply {
  Body body;
  Payload payload;
};

struct PeersOptions {
  Uuid cluster{};
  NodeId node{};
  uint64_t boot = 0;
  uint32_t receive_buffers_small = 256;  // of 16 KiB
  uint32_t receive_buffers_large = 32;   // of 1 MiB and a bit
};

class Peers {
 public:
  Peers(Runtime& runtime, Transport& transport, PeersOptions options);
  ~Peers();

  // Before anything else. Registers and posts the receive buffers.
  Status start(PeerHandler& handler);
  // Begins to accept; returns the address for others.
  Result<std::string> listen(const std::string& address);
  // Where a node is. A changed address counts from the next connection on.
  void set_address(NodeId node, std::string address);
  // No further requests; those on their way end with kClosed. Ends when nothing is on its way.
  Task<void> stop();

  // Errors: what the peer answered; kClosed (the connection was lost, or there is none and no
  // address); kTimedOut (at `deadline_ns`; a late reply is dropped). The memory of `slices` must
  // stay unchanged until the task ends.
  template <typename Reply_, typename Request>
  Task<Result<Reply<Reply_>>> call(NodeId to, Request request, Slices slices, uint64_t deadline_ns);

  // Answers `request`. The task ends when the memory of `slices` is free again.
  template <typename Body>
  Task<void> reply(const IncomingRequest& request, ErrorCode status, Body body, Slices slices);

  // Counts the connections that were made to the node; changes whenever one is made.
  uint64_t connection_number(NodeId node) const;

 private:
  std::unique_ptr<PeersCore> core_;
};

}  // namespace varve
