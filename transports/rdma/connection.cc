#include "transports/rdma/connection.h"

#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace varve {
namespace {

constexpr uint32_t kReceives = kSlots + kNewsSlots;
constexpr uint32_t kSends = kSlots + kNewsSlots + kSlots + 1;  // messages, news, reads, a probe
constexpr size_t kSlotBytes =
    (kFrameBytes + VARVE_HEADER_BYTES_MAX + kEagerBytes + 2 * kSealBytes + 63) / 64 * 64;

}  // namespace

RdmaConnection::RdmaConnection(RdmaShard& shard, CmId id, uint64_t number, std::string peer)
    : shard_(shard), id_(std::move(id)), number_(number), peer_(std::move(peer)) {}

RdmaConnection::~RdmaConnection() {
  release();
}

uint8_t* RdmaConnection::receive_slot(uint32_t slot) const {
  return slots_.get() + slot * kSlotBytes;
}
uint8_t* RdmaConnection::send_slot(uint32_t slot) const {
  return slots_.get() + (kReceives + slot) * kSlotBytes;
}

std::string RdmaConnection::prepare(RdmaDevice& device) {
  device_ = &device;
  errno = ENOMEM;
  constexpr size_t kBytes = (kReceives + kSlots + kNewsSlots) * kSlotBytes;
  slots_ = make_pages(kBytes);
  bool good = slots_.get() != nullptr;
  if (good) {
    slots_region_.reset(ibv_reg_mr(device.domain(), slots_.get(), kBytes, IBV_ACCESS_LOCAL_WRITE));
    completions_.reset(
        ibv_create_cq(device.verbs(), int{kReceives + kSends}, this, device.channel(), 0));
  }
  good = good && slots_region_ != nullptr && completions_ != nullptr;
  if (good) {
    ibv_qp_init_attr wanted{};
    wanted.send_cq = wanted.recv_cq = completions_.get();
    wanted.qp_type = IBV_QPT_RC;
    wanted.sq_sig_all = 1;
    wanted.cap.max_send_wr = kSends;
    wanted.cap.max_recv_wr = kReceives;
    wanted.cap.max_send_sge = wanted.cap.max_recv_sge = 1;
    good = rdma_create_qp(id_.get(), device.domain(), &wanted) == 0;
  }
  for (uint32_t slot = 0; good && slot < kReceives; ++slot) good = post_receive(slot);
  return good ? std::string()
              : join({"no connection on device ", device.name(), ": ", std::strerror(errno)});
}

Greeting RdmaConnection::own_greeting() const {
  return {static_cast<uint16_t>(kSlots), kEagerBytes, shard_.tls != nullptr};
}

rdma_conn_param RdmaConnection::parameters(uint8_t* greeting) const {
  encode_greeting(own_greeting(), greeting);
  rdma_conn_param wanted{};
  wanted.private_data = greeting;
  wanted.private_data_len = kGreetingBytes;
  wanted.initiator_depth = device_->read_depth_asking();
  wanted.responder_resources = device_->read_depth_asked();
  wanted.flow_control = 1;
  wanted.retry_count = kRetryCount;
  wanted.rnr_retry_count = kRetryForEver;
  return wanted;
}

int RdmaConnection::ask() {
  uint8_t greeting[kGreetingBytes];
  rdma_conn_param wanted = parameters(greeting);
  return rdma_connect(id_.get(), &wanted);
}

int RdmaConnection::accept(uint8_t peer_asks_depth, uint8_t peer_asked_depth) {
  uint8_t greeting[kGreetingBytes];
  rdma_conn_param wanted = parameters(greeting);
  wanted.initiator_depth = std::min(wanted.initiator_depth, peer_asked_depth);
  wanted.responder_resources = std::min(wanted.responder_resources, peer_asks_depth);
  return rdma_accept(id_.get(), &wanted);
}

void RdmaConnection::reject() {
  uint8_t greeting[kGreetingBytes];
  encode_greeting(own_greeting(), greeting);
  rdma_reject(id_.get(), greeting, kGreetingBytes);
}

const char* RdmaConnection::greeted(std::span<const uint8_t> bytes) {
  const char* const wrong = decode_greeting(bytes, peer_greeting_);
  window_ = std::min<uint32_t>(peer_greeting_.slots, kSlots);
  eager_bytes_ = std::min(peer_greeting_.eager_bytes, kEagerBytes);
  return wrong != nullptr ? wrong : tls_mismatch(peer_greeting_.tls, shard_.tls != nullptr);
}

void RdmaConnection::begin(std::shared_ptr<const TlsCredentials> credentials, bool asked) {
  begun_ = heard_ = work_ = true;
  if (credentials != nullptr)
    session_ = std::make_unique<RdmaSession>(std::move(credentials), asked, own_greeting(),
                                             peer_greeting_);
  // The manager's own choice is 655 ms.
  ibv_qp_attr attributes{};
  attributes.min_rnr_timer = kNoRoomTimerCode;
  ibv_modify_qp(id_->qp, &attributes, IBV_QP_MIN_RNR_TIMER);
}

void RdmaConnection::turn() {
  work_ = false;
  if (over_) return;
  const bool more = drain();
  if (!made_) return shake(more);
  place_all();
  hand_out();
  if (leaving_) return end(VARVE_OK, nullptr);
  if (lost_why_ != VARVE_OK && !next_is_whole()) return end(lost_why_, lost_what_);
  announce();
  tell_room();
  work_ = more || next_is_whole();
}

bool RdmaConnection::arm() {
  if (ibv_req_notify_cq(completions_.get(), 0) != 0)
    lose(VARVE_E_IO, "its completion queue does not work");
  ibv_wc completion;
  const int count = ibv_poll_cq(completions_.get(), 1, &completion);
  if (count > 0) completed(completion);
  work_ = work_ || count > 0;
  return !work_;
}

void RdmaConnection::lose(int32_t why, const char* what) {
  if (lost_why_ != VARVE_OK) return;
  lost_why_ = why;
  lost_what_ = what;
  work_ = true;
}

// A write of nothing needs no memory and no room; the peer's adapter answers it.
void RdmaConnection::check_alive() {
  if (over_) return;
  if (std::exchange(heard_, false)) {
    silent_checks_ = 0;
    return;
  }
  if (++silent_checks_ > kSilentChecks) return lose(VARVE_E_IO, "it does not answer");
  if (probing_) return;
  ibv_send_wr probe{};
  probe.wr_id = work_id(Work::kProbe, 0);
  probe.opcode = IBV_WR_RDMA_WRITE;
  ibv_send_wr* bad = nullptr;
  probing_ = ibv_post_send(id_->qp, &probe, &bad) == 0;
  if (!probing_) lose(VARVE_E_IO, "its queue takes nothing");
}

// `what` is for the log; null: nothing worth a line.
void RdmaConnection::end(int32_t why, const char* what) {
  if (over_) return;
  over_ = true;
  lacks_buffer_ = work_ = false;
  const std::string line = what == nullptr ? "" : join({"peer ", peer_, ": ", what});
  if (made_ && what != nullptr) shard_.log.warn(line);
  if (!made_ && what != nullptr) shard_.refusals.warn(monotonic_ms(), shard_.log, line);
  release();
  if (!made_) return;
  for (; handed_out_ != placed_; ++handed_out_) {
    const ReceiveBuffer& buffer = incoming_[handed_out_ % kSlots].buffer;
    if (buffer.data != nullptr) shard_.buffers.put(buffer);
  }
  for (Outgoing& outgoing : outgoing_) tell_done(outgoing, VARVE_E_CLOSED);
  shard_.events.closed(number_, why);
}

// From here on the adapter touches no memory of it.
void RdmaConnection::release() {
  if (id_->qp != nullptr) {
    if (begun_) rdma_disconnect(id_.get());
    rdma_destroy_qp(id_.get());
  }
  completions_.reset();
  staging_region_.reset();
  slots_region_.reset();
  staging_memory_.reset();
  slots_.reset();
}

}  // namespace varve
