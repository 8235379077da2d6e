// RawPeer: somebody who speaks to a node byte by byte, well or badly.
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/wire/message_header.h"
#include "tests/unit/net/fake_transport.h"

namespace varve {

struct RawPeer final : TransportSink {
  explicit RawPeer(FakeNetwork& network) : transport(network) {
    transport.set_sink(*this);
    REQUIRE(transport.register_memory(memory.span()).ok());
    REQUIRE(transport.post_receive(memory.span(), 1).ok());
  }

  void connected(uint64_t, ErrorCode, ConnectionId id) override { connection = id; }
  void accepted(ConnectionId id) override {
    connection = id;
    ++accepted_count;
  }
  void received(ConnectionId, std::span<const std::byte> header, uint64_t buffer,
                uint32_t payload_bytes) override {
    headers.emplace_back(header.begin(), header.end());
    if (buffer != 0) REQUIRE(transport.post_receive(memory.span(), 1).ok());
    const Result<Message> message = decode_message(headers.back(), payload_bytes);
    if (message.ok() && !message->reply && answers_hello && message->type == MessageType::kHello)
      hello_reply();
  }
  void sent(uint64_t, ErrorCode) override {}
  void closed(ConnectionId id, ErrorCode) override { closed_connections.push_back(id); }
  void writable(ConnectionId) override {}

  void send_bytes(std::span<const std::byte> bytes, std::span<const std::byte> payload = {}) {
    const Status sent =
        transport.send(connection, bytes, std::span(&payload, payload.empty() ? 0 : 1), ++op_id);
    REQUIRE(sent.ok());
  }
  template <typename Body>
  void send(MessageType type, const Body& body, bool reply = false, uint64_t request_id = 0,
            std::span<const std::byte> payload = {}, ErrorCode status = ErrorCode::kOk) {
    MessageBytes bytes;
    const size_t size = encode_message({.type = type,
                                        .reply = reply,
                                        .status = status,
                                        .request_id = request_id,
                                        .payload_bytes = static_cast<uint32_t>(payload.size()),
                                        .body = body_bytes(body)},
                                       bytes);
    send_bytes(std::span(bytes).first(size), payload);
  }
  void hello(NodeId node, Uuid cluster, uint64_t boot = 1) {
    send(MessageType::kHello, HelloRequest{.cluster = cluster, .node = node, .boot = boot});
  }
  void hello_reply() {
    MessageBytes bytes;
    const HelloReply reply{.node = node};
    const size_t size = encode_message(
        {.type = MessageType::kHello, .reply = true, .body = body_bytes(reply)}, bytes);
    bytes[4] = std::byte{static_cast<uint8_t>(version)};
    send_bytes(std::span(bytes).first(size));
  }
  Message last() const {
    REQUIRE(!headers.empty());
    MessageHeader header;
    std::memcpy(&header, headers.back().data(), sizeof header);
    const Result<Message> message = decode_message(headers.back(), header.payload_bytes);
    REQUIRE(message.ok());
    return *message;
  }

  AlignedBuffer memory{2 * kMiB};
  FakeTransport transport;
  NodeId node{2};  // in hello_reply, as the next
  uint16_t version = kProtocolVersion;
  bool answers_hello = true;  // when others connect
  ConnectionId connection = 0;
  uint64_t op_id = 0;
  int accepted_count = 0;
  std::vector<std::vector<std::byte>> headers;
  std::vector<ConnectionId> closed_connections;
};

}  // namespace varve
