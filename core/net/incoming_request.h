// IncomingRequest: a request of another node, on its way to the handler and through it.
//
// Thread rule: one shard's thread. Ownership: the payload and the duty to answer belong to what
// they came from, which outlives the request.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <utility>

#include "core/base/ids.h"
#include "core/net/receive_buffers.h"
#include "core/net/transport.h"
#include "core/wire/message_header.h"

namespace varve {

class PeerServer;

// A body's bytes, without memory of their own.
class MessageBody {
 public:
  MessageBody() = default;
  // REQUIRES at most kBodyBytesMax bytes.
  explicit MessageBody(std::span<const std::byte> bytes) : size_(bytes.size()) {
    VARVE_CHECK(size_ <= kBodyBytesMax);
    std::memcpy(bytes_.data(), bytes.data(), size_);
  }
  std::span<const std::byte> bytes() const { return std::span(bytes_).first(size_); }

 private:
  std::array<std::byte, kBodyBytesMax> bytes_;
  size_t size_ = 0;
};

// Somebody waits for an answer. A request that is dropped without one is answered kUnknown.
class AnswerDuty {
 public:
  AnswerDuty() = default;
  AnswerDuty(PeerServer* server, ConnectionId connection, MessageType type, uint64_t request_id)
      : server_(server), connection_(connection), type_(type), request_id_(request_id) {}
  AnswerDuty(AnswerDuty&& other) noexcept { *this = std::move(other); }
  AnswerDuty& operator=(AnswerDuty&& other) noexcept {
    std::swap(server_, other.server_);
    std::swap(connection_, other.connection_);
    std::swap(type_, other.type_);
    std::swap(request_id_, other.request_id_);
    return *this;
  }
  ~AnswerDuty();

 private:
  friend class PeerServer;
  PeerServer* server_ = nullptr;
  ConnectionId connection_ = 0;
  MessageType type_{};
  uint64_t request_id_ = 0;
};

// Answered exactly once, or dropped.
struct IncomingRequest {
  NodeId from{};
  uint64_t boot = 0;  // from Hello: another after each start of that node's daemon
  ConnectionId connection = 0;
  MessageType type{};
  MessageBody body;  // exactly the type's struct
  Payload payload;
  uint64_t request_id = 0;
  mutable AnswerDuty duty;  // taken by Peers::reply()

  // REQUIRES the type to be Body's.
  template <typename Body>
  Body as() const {
    VARVE_CHECK(type == Body::kType);
    return load_body<Body>(body.bytes());
  }
};

class PeerHandler {
 public:
  virtual ~PeerHandler() = default;
  // Called in the order of arrival of each connection, through the run queue; takes the request
  // over and answers it now or later. Counts and lengths in it have been checked against its
  // payload; all other fields are the peer's word.
  virtual void handle(IncomingRequest request) = 0;
};

}  // namespace varve
