// The sending half of a connection: from send() to the peer's slots.
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "transports/rdma/connection.h"

namespace varve {

bool RdmaConnection::room_for(uint32_t payload_bytes) const {
  return sent_ - freed_by_peer_ < window_ && sent_ - left_ < kSlots &&
         (payload_bytes <= eager_bytes_ || staging_.fits(payload_bytes));
}

// The first payload to be staged pins the memory; a connection that carries none does without.
bool RdmaConnection::open_staging() {
  if (staging_region_ != nullptr) return true;
  if (staging_memory_.get() == nullptr) staging_memory_ = make_pages(kStagingBytes);
  if (staging_memory_.get() == nullptr) return false;
  staging_region_.reset(
      ibv_reg_mr(device_->domain(), staging_memory_.get(), kStagingBytes, IBV_ACCESS_REMOTE_READ));
  return staging_region_ != nullptr;
}

void RdmaConnection::stage(const varve_message& message, uint8_t* to) {
  for (uint32_t i = 0; i < message.slice_count; ++i) {
    const varve_slice& slice = message.slices[i];
    to = std::copy_n(static_cast<const uint8_t*>(slice.data), slice.bytes, to);
  }
}

int32_t RdmaConnection::send(const varve_message& message, uint32_t payload_bytes, uint64_t op_id) {
  const bool staged = payload_bytes > eager_bytes_;
  if (staged && !open_staging()) {
    shard_.log.warn(
        join({"peer ", peer_, ": no memory for long payloads: ", std::strerror(errno)}));
    return VARVE_E_NO_MEMORY;
  }
  if (!room_for(payload_bytes)) {
    wants_room_ = true;
    refused_bytes_ = std::max(refused_bytes_, payload_bytes);
    return VARVE_E_AGAIN;
  }
  const uint32_t slot = sent_ % kSlots;
  uint8_t* const to = send_slot(slot);
  uint8_t* const header = to + kFrameBytes;
  uint8_t* payload = header + message.header_bytes;
  uint32_t bytes = kFrameBytes + message.header_bytes + payload_bytes;
  Frame frame{.kind = FrameKind::kEager,
              .header_bytes = static_cast<uint16_t>(message.header_bytes),
              .payload_bytes = payload_bytes,
              .freed = std::exchange(freed_, 0)};
  freed_staged_ = false;
  outgoing_[slot] = {.op_id = op_id, .told = false};
  if (staged) {
    const StagingRing::Place place = staging_.take(payload_bytes);
    payload = staging_memory_.get() + place.offset;
    bytes -= payload_bytes;
    frame.kind = FrameKind::kStaged;
    frame.address = reinterpret_cast<uintptr_t>(payload);
    frame.key = staging_region_->rkey;
    outgoing_[slot].staged_bytes = place.taken_bytes;
  }
  encode_frame(frame, to);
  std::memcpy(header, message.header, message.header_bytes);
  stage(message, payload);
  ++sent_;
  const std::span<const uint8_t> to_read(payload, staged ? payload_bytes : 0);
  post_frame(to, bytes, to_read, work_id(Work::kMessage, slot));
  return VARVE_OK;
}

// A frame at the beginning of a slot, and all that goes with it: `bytes`. Sealed where there are
// keys, with the payload that the peer is to read.
bool RdmaConnection::post_frame(uint8_t* at, uint32_t bytes, std::span<const uint8_t> staged,
                                uint64_t work_id) {
  if (authenticator_ != nullptr) bytes = authenticator_->seal(at, bytes, staged);
  if (bytes > 0) return post_send(at, bytes, work_id);
  lose(VARVE_E_IO, "its frames cannot be sealed");
  return false;
}

bool RdmaConnection::post_send(const uint8_t* from, uint32_t bytes, uint64_t work_id) {
  ibv_sge piece{reinterpret_cast<uintptr_t>(from), bytes, slots_region_->lkey};
  ibv_send_wr request{};
  request.wr_id = work_id;
  request.sg_list = &piece;
  request.num_sge = 1;
  request.opcode = IBV_WR_SEND;
  ibv_send_wr* bad = nullptr;
  const bool good = ibv_post_send(id_->qp, &request, &bad) == 0;
  if (!good) lose(VARVE_E_IO, "its queue takes nothing");
  return good;
}

// A message whose payload went with it is the peer's now; a staged one is when it was read.
void RdmaConnection::message_left() {
  Outgoing& outgoing = outgoing_[left_++ % kSlots];
  if (outgoing.staged_bytes == 0) tell_done(outgoing, VARVE_OK);
}

// False: it was never sent that many.
bool RdmaConnection::peer_freed(uint32_t count) {
  if (count > sent_ - freed_by_peer_) return false;
  for (; count > 0; --count) {
    Outgoing& outgoing = outgoing_[freed_by_peer_++ % kSlots];
    if (outgoing.staged_bytes == 0) continue;
    staging_.give_back(std::exchange(outgoing.staged_bytes, 0));
    tell_done(outgoing, VARVE_OK);
  }
  return true;
}

void RdmaConnection::tell_done(Outgoing& outgoing, int32_t result) {
  if (std::exchange(outgoing.told, true)) return;
  shard_.events.done(number_, outgoing.op_id, result);
}

// Tells the peer what we are done with when no message of ours does. Its staging memory is wanted
// soon; else some messages make a frame worth its while.
void RdmaConnection::announce() {
  if (freed_ == 0 || !has_news_slot()) return;
  const bool pause = handed_out_ == arrived_ || lacks_buffer_;
  if (freed_ >= std::max(window_ / 4, 1u) || (freed_staged_ && pause)) send_news();
}

void RdmaConnection::send_news() {
  const uint32_t slot = kSlots + news_sent_ % kNewsSlots;
  encode_frame({.kind = FrameKind::kNews, .freed = std::exchange(freed_, 0)}, send_slot(slot));
  freed_staged_ = false;
  ++news_sent_;
  post_frame(send_slot(slot), kFrameBytes, {}, work_id(Work::kNews, slot));
}

void RdmaConnection::tell_room() {
  const bool half = sent_ - freed_by_peer_ <= window_ / 2;
  if (!wants_room_ || !half || !room_for(refused_bytes_) || leaving()) return;
  wants_room_ = false;
  refused_bytes_ = 0;
  shard_.events.writable(number_);
}

}  // namespace varve
