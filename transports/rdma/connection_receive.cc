// The receiving half of a connection: from completions to RECEIVED.
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "transports/rdma/connection.h"

namespace varve {

bool RdmaConnection::post_receive(uint32_t slot) {
  const size_t slot_bytes = static_cast<size_t>(receive_slot(1) - receive_slot(0));
  ibv_sge piece{reinterpret_cast<uintptr_t>(receive_slot(slot)), static_cast<uint32_t>(slot_bytes),
                slots_region_->lkey};
  ibv_recv_wr request{};
  request.wr_id = work_id(Work::kReceive, slot);
  request.sg_list = &piece;
  request.num_sge = 1;
  ibv_recv_wr* bad = nullptr;
  const bool good = ibv_post_recv(id_->qp, &request, &bad) == 0;
  if (!good) lose(VARVE_E_IO, "its queue takes nothing");
  return good;
}

// True: there may be more.
bool RdmaConnection::drain() {
  ibv_wc completions[kNewsBatch];
  const int count = ibv_poll_cq(completions_.get(), kNewsBatch, completions);
  if (count < 0) lose(VARVE_E_IO, "its completion queue does not work");
  for (int i = 0; i < count; ++i) completed(completions[i]);
  return count == kNewsBatch;
}

void RdmaConnection::completed(const ibv_wc& completion) {
  const auto index = static_cast<uint32_t>(completion.wr_id);
  const auto work = static_cast<Work>(completion.wr_id >> 32);
  if (completion.status != IBV_WC_SUCCESS) return failed(completion);
  heard_ = true;
  switch (work) {
    case Work::kReceive:
      return frame_arrived(index, completion.byte_len);
    case Work::kMessage:
      return message_left();
    case Work::kNews:
      ++news_left_;
      return;
    case Work::kRead:
      return payload_arrived(incoming_[index]);
    case Work::kProbe:
      probing_ = false;
      return;
  }
}

// The first one tells what has happened; the others were flushed because of it.
void RdmaConnection::failed(const ibv_wc& completion) {
  const bool receive = static_cast<Work>(completion.wr_id >> 32) == Work::kReceive;
  switch (completion.status) {
    case IBV_WC_LOC_LEN_ERR:
    case IBV_WC_LOC_QP_OP_ERR:  // rxe's word for it
      if (receive) return damaged("a frame is longer than a slot");
      return lose(VARVE_E_IO, ibv_wc_status_str(completion.status));
    case IBV_WC_RETRY_EXC_ERR:
      return lose(VARVE_E_IO, "it does not answer");
    case IBV_WC_WR_FLUSH_ERR:
      return lose(VARVE_E_IO, "connection lost");
    default:
      return lose(VARVE_E_IO, ibv_wc_status_str(completion.status));
  }
}

// Whatever the connection ends of: what came before is handed out, and no more.
void RdmaConnection::damaged(const char* what) {
  deaf_ = true;
  lose(VARVE_E_DAMAGED, what);
}

void RdmaConnection::frame_arrived(uint32_t slot, uint32_t bytes) {
  if (deaf_ || (session_ != nullptr && session_->failed())) return;
  std::span<const uint8_t> sent(receive_slot(slot), bytes);
  if (session_ != nullptr && (authenticator_ == nullptr || is_handshake_frame(sent))) {
    if (const char* const wrong = handshake_arrived(slot, sent)) damaged(wrong);
    return;
  }
  Frame frame;
  Authenticator::PayloadSeal seal;
  const char* wrong = authenticator_ == nullptr ? nullptr : authenticator_->open(sent, seal);
  if (wrong == nullptr) wrong = decode_frame(sent, frame);
  if (wrong == nullptr && frame.kind == FrameKind::kHandshake)
    wrong = "a handshake where there is none";
  if (wrong == nullptr && !peer_freed(frame.freed)) wrong = "it has freed what it never had";
  const bool news = frame.kind == FrameKind::kNews;
  if (wrong == nullptr && !news && arrived_ - handed_out_ == window_)
    wrong = "it sends more than it was told to";
  if (wrong != nullptr) return damaged(wrong);
  if (session_ != nullptr) peer_is_proven();
  if (news) {
    post_receive(slot);
    return;
  }
  incoming_[arrived_++ % kSlots] = {.slot = slot, .frame = frame, .seal = seal};
}

// It was read. If it is not what the peer has sealed, this message is never whole, and none behind
// it is handed out.
void RdmaConnection::payload_arrived(Incoming& incoming) {
  const std::span<const uint8_t> payload(incoming.buffer.data, incoming.frame.payload_bytes);
  incoming.whole = authenticator_ == nullptr || authenticator_->is_payload(incoming.seal, payload);
  if (!incoming.whole) damaged("a payload that is not what it has sealed");
}

// Every message that finds a buffer gets one, in order.
void RdmaConnection::place_all() {
  lacks_buffer_ = false;
  while (placed_ != arrived_) {
    const uint32_t index = placed_ % kSlots;
    if (!place(incoming_[index], index)) return;
    ++placed_;
  }
}

bool RdmaConnection::place(Incoming& incoming, uint32_t index) {
  const Frame& frame = incoming.frame;
  const bool staged = frame.kind == FrameKind::kStaged;
  if (staged && lost_why_ != VARVE_OK) return false;  // nobody is there to be read
  if (frame.payload_bytes > 0) {
    incoming.buffer = shard_.buffers.take(frame.payload_bytes);
    lacks_buffer_ = incoming.buffer.data == nullptr;
    if (lacks_buffer_) return false;
  }
  if (staged) {
    if (post_read(index)) return true;
    shard_.buffers.put(std::exchange(incoming.buffer, {}));
    return false;
  }
  const uint8_t* const payload = receive_slot(incoming.slot) + kFrameBytes + frame.header_bytes;
  std::copy_n(payload, frame.payload_bytes, incoming.buffer.data);
  incoming.whole = true;
  return true;
}

bool RdmaConnection::post_read(uint32_t index) {
  const Incoming& incoming = incoming_[index];
  ibv_sge piece{reinterpret_cast<uintptr_t>(incoming.buffer.data), incoming.frame.payload_bytes,
                device_->local_key(incoming.buffer.memory)};
  ibv_send_wr request{};
  request.wr_id = work_id(Work::kRead, index);
  request.sg_list = &piece;
  request.num_sge = 1;
  request.opcode = IBV_WR_RDMA_READ;
  request.wr.rdma.remote_addr = incoming.frame.address;
  request.wr.rdma.rkey = incoming.frame.key;
  ibv_send_wr* bad = nullptr;
  const bool good = ibv_post_send(id_->qp, &request, &bad) == 0;
  if (!good) lose(VARVE_E_IO, "its queue takes nothing");
  return good;
}

bool RdmaConnection::next_is_whole() const {
  return handed_out_ != placed_ && incoming_[handed_out_ % kSlots].whole;
}

void RdmaConnection::hand_out() {
  while (next_is_whole() && shard_.events.room()) {
    Incoming& incoming = incoming_[handed_out_++ % kSlots];
    const Frame& frame = incoming.frame;
    const uint8_t* const header = receive_slot(incoming.slot) + kFrameBytes;
    shard_.events.received(number_, {header, frame.header_bytes}, incoming.buffer.op_id,
                           frame.payload_bytes);
    if (frame.kind == FrameKind::kStaged) freed_staged_ = true;
    ++freed_;
    post_receive(incoming.slot);
  }
}

}  // namespace varve
