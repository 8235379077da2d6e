#include "tests/conformance/transport/rdma_raw_peer.h"

#include <arpa/inet.h>
#include <poll.h>
#include <rdma/rdma_cma.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstring>

#include "transports/rdma/address.h"

namespace varve {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr size_t kMemoryBytes = 2 << 20;
// Where what was received lies, and what is sent; before that it is readable.
constexpr size_t kReceiveAt = 1 << 20;
constexpr size_t kSendAt = 3 << 19;
constexpr uint32_t kReceives = 40;
constexpr uint32_t kSends = 64;
constexpr uint64_t kReceiveWork = 1;
constexpr uint64_t kSendWork = 2;
constexpr uint64_t kTouchWork = 3;
constexpr uint32_t kPieceBytes = 8512;
static_assert(kReceiveAt + kReceives * kPieceBytes <= kSendAt);

}  // namespace

RawRdmaPeer::RawRdmaPeer(const std::string& text, const std::string& greeting, uint8_t read_depth) {
  channel_.reset(rdma_create_event_channel());
  REQUIRE(channel_ != nullptr);
  rdma_cm_id* id = nullptr;
  REQUIRE(rdma_create_id(channel_.get(), &id, nullptr, RDMA_PS_TCP) == 0);
  id_.reset(id);
  RdmaAddress address;
  REQUIRE(parse_address(text, address).empty());
  REQUIRE(rdma_resolve_addr(id, nullptr, address.generic(), kPatienceMs) == 0);
  REQUIRE(await_event() == RDMA_CM_EVENT_ADDR_RESOLVED);
  REQUIRE(rdma_resolve_route(id, kPatienceMs) == 0);
  REQUIRE(await_event() == RDMA_CM_EVENT_ROUTE_RESOLVED);

  domain_.reset(ibv_alloc_pd(id->verbs));
  completions_.reset(ibv_create_cq(id->verbs, kReceives + kSends, nullptr, nullptr, 0));
  memory_ = make_pages(kMemoryBytes);
  region_.reset(ibv_reg_mr(domain_.get(), memory_.get(), kMemoryBytes,
                           IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ));
  REQUIRE(region_ != nullptr);
  ibv_qp_init_attr wanted{};
  wanted.send_cq = wanted.recv_cq = completions_.get();
  wanted.qp_type = IBV_QPT_RC;
  wanted.sq_sig_all = 1;
  wanted.cap = {kSends, kReceives, 1, 1, 0};
  REQUIRE(rdma_create_qp(id, domain_.get(), &wanted) == 0);
  for (uint32_t i = 0; i < kReceives; ++i) {
    ibv_sge piece{reinterpret_cast<uintptr_t>(memory_.get()) + kReceiveAt + i * kPieceBytes,
                  kPieceBytes, region_->lkey};
    ibv_recv_wr request{};
    request.wr_id = kReceiveWork;
    request.sg_list = &piece;
    request.num_sge = 1;
    ibv_recv_wr* bad = nullptr;
    REQUIRE(ibv_post_recv(id->qp, &request, &bad) == 0);
  }
  rdma_conn_param parameters{};
  parameters.private_data = greeting.data();
  parameters.private_data_len = static_cast<uint8_t>(greeting.size());
  parameters.initiator_depth = parameters.responder_resources = read_depth;
  parameters.retry_count = parameters.rnr_retry_count = 7;
  REQUIRE(rdma_connect(id, &parameters) == 0);
}

RawRdmaPeer::~RawRdmaPeer() {
  if (id_->qp != nullptr) vanish();
}

void RawRdmaPeer::vanish() {
  rdma_destroy_qp(id_.get());
}

uint32_t RawRdmaPeer::readable_key() const {
  return region_->rkey;
}

bool RawRdmaPeer::has_event() {
  pollfd ready{channel_->fd, POLLIN, 0};
  return ::poll(&ready, 1, 0) == 1;
}

int RawRdmaPeer::await_event() {
  pollfd ready{channel_->fd, POLLIN, 0};
  REQUIRE(::poll(&ready, 1, kPatienceMs) == 1);
  rdma_cm_event* event = nullptr;
  REQUIRE(rdma_get_cm_event(channel_.get(), &event) == 0);
  const int type = event->event;
  rdma_ack_cm_event(event);
  return type;
}

ibv_wc RawRdmaPeer::await_completion(uint64_t work_id) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatienceMs);
  for (;;) {
    ibv_wc completion{};
    if (ibv_poll_cq(completions_.get(), 1, &completion) == 1 && completion.wr_id == work_id)
      return completion;
    INFO("what the peer waits for has not happened within 20 s");
    REQUIRE(std::chrono::steady_clock::now() < deadline);
  }
}

bool RawRdmaPeer::send(const std::string& bytes) {
  // Each from a place of its own: the adapter reads it when it likes.
  uint8_t* const at = memory_.get() + kSendAt + (sent_++ % 40) * size_t{12'000};
  std::memcpy(at, bytes.data(), bytes.size());
  ibv_sge piece{reinterpret_cast<uintptr_t>(at), static_cast<uint32_t>(bytes.size()),
                region_->lkey};
  ibv_send_wr request{};
  request.wr_id = kSendWork;
  request.sg_list = &piece;
  request.num_sge = 1;
  request.opcode = IBV_WR_SEND;
  ibv_send_wr* bad = nullptr;
  return ibv_post_send(id_->qp, &request, &bad) == 0;
}

ibv_wc_status RawRdmaPeer::touch(ibv_wr_opcode how, uint64_t address, uint32_t key,
                                 uint32_t bytes) {
  ibv_sge piece{reinterpret_cast<uintptr_t>(memory_.get()), bytes, region_->lkey};
  ibv_send_wr request{};
  request.wr_id = kTouchWork;
  request.sg_list = &piece;
  request.num_sge = 1;
  request.opcode = how;
  request.wr.rdma.remote_addr = address;
  request.wr.rdma.rkey = key;
  ibv_send_wr* bad = nullptr;
  REQUIRE(ibv_post_send(id_->qp, &request, &bad) == 0);
  return await_completion(kTouchWork).status;
}

std::span<const uint8_t> RawRdmaPeer::await_bytes() {
  const ibv_wc completion = await_completion(kReceiveWork);
  REQUIRE(completion.status == IBV_WC_SUCCESS);
  return {memory_.get() + kReceiveAt + received_++ * kPieceBytes, completion.byte_len};
}

Frame RawRdmaPeer::await_frame() {
  Frame frame;
  const char* const wrong = decode_frame(await_bytes(), frame);
  REQUIRE(wrong == nullptr);
  return frame;
}

std::string raw_greeting(Greeting greeting) {
  std::string bytes(kGreetingBytes, '\0');
  encode_greeting(greeting, reinterpret_cast<uint8_t*>(bytes.data()));
  return bytes;
}

std::string raw_frame(const Frame& frame, const std::string& rest) {
  std::string bytes(kFrameBytes, '\0');
  encode_frame(frame, reinterpret_cast<uint8_t*>(bytes.data()));
  return bytes + rest;
}

}  // namespace varve
