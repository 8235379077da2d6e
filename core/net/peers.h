// Peers: requests and replies between this node and the others, over one transport or several.
//
// For each other node there is one connection that this node makes, for the requests it sends, and
// one that the other makes, for those that it answers. Connections are made when the first request
// wants one, and made again, with growing pauses, while requests come. With several transports it
// is made over the first of this node's list that both nodes have and that connects; while that is
// not the most wanted one, a better one is tried from time to time, and when it connects the
// requests go on there, none of them lost and none ahead of another. The first message on each is
// Hello: another cluster, an unknown protocol, or a node that is not who its certificate says, is
// refused, with a line in the log.
//
// Requests of one type to one node are sent in the order of the call()s; so are those of different
// types, unless too many of one type are without a reply (limits.h): then those of other types go
// ahead. When the connection is lost, every request on it, or waiting for its turn on it, ends with
// kClosed: it may or may not have been served. Nothing is sent again here. A request that finds no
// connection waits for one.
//
// Thread rule: one shard's thread. Ownership: runtime, transports and handler are borrowed. At the
// end: await stop(), destroy the transports, which hold receive buffers and a reference to their
// sink until then, then this. No IncomingRequest or Payload may be left by then.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/net/incoming_request.h"
#include "core/net/peer_call.h"
#include "core/net/peer_ways.h"
#include "core/net/transport_set.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/wire/message_header.h"

namespace varve {

class PeersCore;

template <typename Body>
struct IncomingReply {
  Body body;
  Payload payload;
};

// What a node's connection to another one is.
struct PeerConnection {
  std::string transport;        // empty: there is none
  std::string address;          // on it
  std::string fallback;         // why it is not on the most wanted transport; empty when it is
  std::string problem;          // without a connection: why, when that is known
  uint64_t fallback_count = 0;  // connections that were made over a less wanted transport
};

struct PeersOptions {
  Uuid cluster{};
  NodeId node{};
  uint64_t boot = 0;
  uint32_t receive_buffers_small = 256;  // of 20 KiB
  uint32_t receive_buffers_large = 32;   // of 1 MiB and a bit
};

class Peers {
 public:
  // `transports`: most wanted first; each has receive buffers of its own.
  Peers(Runtime& runtime, std::vector<NamedTransport> transports, PeersOptions options);
  ~Peers();

  // Before anything else. Registers and posts the receive buffers. The error: no transport can be
  // used.
  Status start(PeerHandler& handler);
  // Begins to accept on the transport with this place in the list; returns the address for others.
  // After an error that transport is not used.
  Result<std::string> listen(const std::string& address, size_t transport = 0);
  // Where a node is, on each of its transports, and its name; after the listen()s. What is changed
  // counts from the next connection on. Where the
  // transport can tell who a peer is, the name must be that; nodes without one are refused there.
  void set_address(NodeId node, const std::vector<PeerAddress>& addresses, std::string name = {});
  // No further requests; those on their way end with kClosed, those that wait to be handed over are
  // dropped. Ends when nothing is on its way.
  Task<void> stop();

  // Errors: what the peer answered; kClosed (the connection was lost, or there is none and no
  // address); kTimedOut (at `deadline_ns`; a late reply is dropped). The memory of `slices`, and
  // the spans themselves, must stay unchanged until the task ends.
  template <typename Body, typename Request>
  Task<Result<IncomingReply<Body>>> call(NodeId to, Request request, Slices slices,
                                         uint64_t deadline_ns);

  // Answers `request`, once. A status other than kOk goes without payload. The task ends when the
  // memory of `slices` is free again; without slices, when the transport has copied the reply.
  template <typename Body>
  Task<void> reply(const IncomingRequest& request, ErrorCode status, Body body, Slices slices);

  // Counts the connections that were made to the node; changes whenever one is made.
  uint64_t connection_number(NodeId node) const;
  // Why the transport with this place in the list is not used; empty when it is.
  const std::string& transport_problem(size_t transport) const;
  // The connection that this node has made to the other, as it is now.
  PeerConnection connection(NodeId node) const;

 private:
  Task<Status> call_bytes(NodeId to, PeerCall& call, uint64_t deadline_ns);
  Task<void> reply_bytes(const IncomingRequest& request, ErrorCode status,
                         std::span<const std::byte> body, Slices slices);

  Runtime& runtime_;
  std::unique_ptr<PeersCore> core_;
};

template <typename Body, typename Request>
Task<Result<IncomingReply<Body>>> Peers::call(NodeId to, Request request, Slices slices,
                                              uint64_t deadline_ns) {
  static_assert(std::is_same_v<Body, typename ReplyOf<Request>::Type>);
  PeerCall call(runtime_.ready, Request::kType, body_bytes(request), slices);
  const Status status = co_await call_bytes(to, call, deadline_ns);
  if (!status.ok()) co_return status;
  co_return IncomingReply<Body>{load_body<Body>(call.reply_body.bytes()), std::move(call.payload)};
}

template <typename Body>
Task<void> Peers::reply(const IncomingRequest& request, ErrorCode status, Body body,
                        Slices slices) {
  VARVE_CHECK(sizeof(Body) == body_bytes_of(request.type, true));
  co_await reply_bytes(request, status, body_bytes(body), slices);
}

}  // namespace varve
