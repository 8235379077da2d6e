// A connection until its peer has proven who it is.
#include <algorithm>
#include <utility>

#include "transports/rdma/connection.h"

namespace varve {

// A turn of a connection that the host does not know.
void RdmaConnection::shake(bool more) {
  if (session_ == nullptr) {
    if (lost_why_ != VARVE_OK) end(lost_why_, lost_what_);
    return;
  }
  if (session_->ready() && shard_.handshake_steps > 0) {
    --shard_.handshake_steps;
    session_->step();
    // Once: what comes behind the handshake must not begin the numbers of frames again.
    const bool has_keys = session_->done() && authenticator_ == nullptr;
    if (has_keys) authenticator_ = session_->authenticator();
    if (has_keys && authenticator_ == nullptr) lose(VARVE_E_IO, "out of memory");
  }
  send_handshake();
  if (session_->failed()) {
    // The peer is to read why.
    const bool said = !session_->has_output() && news_sent_ == news_left_;
    if (said || lost_why_ != VARVE_OK) end(VARVE_E_CLOSED, session_->why().c_str());
    return;
  }
  work_ = more || session_->ready();
  if (lost_why_ != VARVE_OK && !work_) return end(lost_why_, lost_what_);
  // Who was asked is sure first. The asker may not be believed by it: that it hears in a sealed
  // frame.
  const bool sure = authenticator_ != nullptr && !session_->asks();
  if (sure && !session_->has_output() && has_news_slot() && lost_why_ == VARVE_OK) {
    send_news();
    peer_is_proven();
  }
}

void RdmaConnection::send_handshake() {
  while (session_->has_output() && has_news_slot()) {
    const uint32_t slot = kSlots + news_sent_ % kNewsSlots;
    uint8_t* const to = send_slot(slot);
    // A slot has the room of a header, too, however little else its owner wants to hold.
    const uint32_t room = std::max(eager_bytes_, VARVE_HEADER_BYTES_MAX);
    const auto bytes = static_cast<uint32_t>(session_->take({to + kFrameBytes, room}));
    encode_frame({.kind = FrameKind::kHandshake, .payload_bytes = bytes}, to);
    ++news_sent_;
    post_send(to, kFrameBytes + bytes, work_id(Work::kNews, slot));
  }
}

// What is wrong, or null.
const char* RdmaConnection::handshake_arrived(uint32_t slot, std::span<const uint8_t> sent) {
  Frame frame;
  const char* wrong = decode_frame(sent, frame);
  if (wrong == nullptr && frame.kind != FrameKind::kHandshake)
    wrong = "it speaks before it has proven who it is";
  if (wrong == nullptr && frame.freed != 0) wrong = "it has freed what it never had";
  if (wrong == nullptr) wrong = session_->give(sent.subspan(kFrameBytes));
  if (wrong == nullptr) post_receive(slot);
  return wrong;
}

void RdmaConnection::peer_is_proven() {
  peer_name_ = session_->peer_name();
  session_.reset();
}

}  // namespace varve
