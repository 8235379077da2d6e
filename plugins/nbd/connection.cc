#include "plugins/nbd/connection.h"

#include <sys/epoll.h>

#include <algorithm>
#include <utility>

#include "plugins/nbd/protocol.h"

namespace varve {
namespace {

constexpr uint64_t kFirstListBytes = 4096;
constexpr uint32_t kStatusUnitBytes = 4096;  // extents are not expected to be shorter

uint32_t operation_kind(uint16_t command) {
  switch (command) {
    case kNbdCmdRead:
      return VARVE_OP_READ;
    case kNbdCmdWrite:
      return VARVE_OP_WRITE;
    case kNbdCmdTrim:
      return VARVE_OP_TRIM;
    case kNbdCmdWriteZeroes:
      return VARVE_OP_WRITE_ZEROES;
    case kNbdCmdBlockStatus:
      return VARVE_OP_BLOCK_STATUS;
    default:
      return VARVE_OP_FLUSH;
  }
}

std::span<const uint8_t> as_bytes(const std::string& text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace

Connection::Connection(NbdShard& shard, UniqueFd socket, bool needs_tls)
    : shard_(shard),
      socket_(std::move(socket)),
      handshake_(handshake_out_, needs_tls),
      handshake_deadline_ms_(now_ms() + shard.handshake_timeout_ms) {
  shard_.deadlines.want(handshake_deadline_ms_);
}

Connection::~Connection() {
  close_volume();
}

void Connection::on_socket(uint32_t bits) {
  constexpr uint32_t kGone = EPOLLHUP | EPOLLERR;
  if ((bits & (EPOLLRDHUP | kGone)) != 0) hung_up_ = true;
  if ((bits & (EPOLLIN | EPOLLRDHUP | kGone)) != 0) readable_ = true;
  if ((bits & (EPOLLOUT | kGone)) != 0) blocked_ = false;
}

bool Connection::turn() {
  // A client with more requests in flight has probably sent others meanwhile: looking costs less
  // than asking epoll first.
  if (std::exchange(answered_, false) && at_host_ > 0) readable_ = true;
  bool more = receive();
  const uint32_t before = in_flight_;
  send();
  if (go_on_with_tls()) more = true;
  if (stall_ == Stall::kOwnLimit && in_flight_ < before) more = true;
  if (phase_ == Phase::kDraining && in_flight_ == 0 && nothing_to_send()) end("");
  return more && socket_.valid();
}

// Nothing more is read. A request that is not complete, or not taken by the host, is not served.
void Connection::drain() {
  if (!socket_.valid() || phase_ == Phase::kDraining) return;
  phase_ = Phase::kDraining;
  stall_ = Stall::kNone;
  handshake_deadline_ms_ = 0;
  in_watch_.end();
  carry_ = {};
  carry_at_ = 0;
  if (arriving_ != nullptr) give_back(std::exchange(arriving_, nullptr));
  if (waiting_ != nullptr) answer(*std::exchange(waiting_, nullptr), VARVE_E_CLOSED, 0);
  close_volume();  // writes that wait for space end now; the others complete
}

// Closes the socket; what the host still holds comes back as events.
void Connection::end(const char* why) {
  if (!socket_.valid()) return;
  if (*why != '\0') shard_.log.info(join({"client of \"", handshake_.wanted(), "\": ", why}));
  drain();
  if (tls_ != nullptr) tls_->say_end();
  socket_.reset();
  for (Operation* operation : out_) give_back(operation);
  out_.clear();
  out_watch_.end();
}

uint64_t Connection::check_deadlines(uint64_t now) {
  if (!socket_.valid()) return 0;
  if (handshake_deadline_ms_ != 0 && now >= handshake_deadline_ms_) {
    end("handshake not finished in time");
  } else if (in_watch_.expired(now, shard_.request_timeout_ms, received_bytes_)) {
    end("request not completed in time");
  } else if (out_watch_.expired(now, shard_.reply_timeout_ms, sent_bytes_)) {
    end("replies not taken in time");
  }
  uint64_t next = 0;
  for (uint64_t at : {handshake_deadline_ms_, in_watch_.deadline_ms(), out_watch_.deadline_ms()})
    if (at != 0 && (next == 0 || at < next)) next = at;
  return next;
}

void Connection::on_event(Operation& operation, const varve_service_event& event) {
  --at_host_;
  switch (operation.kind) {
    case Operation::Kind::kOpen:
      return opened(operation, event.result, event.value);
    case Operation::Kind::kList:
      return listed(operation, event.result, event.value);
    case Operation::Kind::kRequest:
      answered_ = true;
      return answer(operation, event.result, event.value);
  }
}

void Connection::follow(Handshake::Step step) {
  switch (step) {
    case Handshake::Step::kRead:
      break;
    case Handshake::Step::kOpen:
      open_volume();
      break;
    case Handshake::Step::kList:
      list_volumes(kFirstListBytes);
      break;
    case Handshake::Step::kStartTls:
      phase_ = Phase::kTls;  // once the answer has left
      break;
    case Handshake::Step::kTransmit:
      shard_.log.debug(join({"a client uses \"", handshake_.wanted(), "\""}));
      phase_ = Phase::kTransmission;
      handshake_deadline_ms_ = 0;
      session_.structured = handshake_.structured();
      session_.block_status = handshake_.block_status();
      break;
    case Handshake::Step::kClose:
      drain();
      break;
  }
}

void Connection::open_volume() {
  close_volume();
  Operation* operation = shard_.operations.take(this, 0);
  operation->kind = Operation::Kind::kOpen;
  const std::string& name = handshake_.wanted();
  asks_host_ = true;
  ++at_host_;
  const int32_t result = shard_.host.volume_open(
      shard_.host_context, name.data(), static_cast<uint32_t>(name.size()), 0, operation->id());
  if (result == VARVE_OK) return;
  --at_host_;
  opened(*operation, result, 0);
}

void Connection::opened(Operation& operation, int32_t result, uint64_t volume) {
  shard_.operations.give_back(&operation);
  asks_host_ = false;
  varve_volume_info info{};
  info.struct_size = sizeof(info);
  if (result == VARVE_OK) {
    volume_ = volume;
    volume_open_ = true;
    result = shard_.host.volume_info(shard_.host_context, volume_, &info);
    if (result != VARVE_OK) close_volume();
  }
  if (phase_ != Phase::kHandshake) return;  // the client has gone meanwhile
  session_.volume = {info.size_bytes, info.block_bytes, info.max_bytes,
                     (info.flags & VARVE_VOLUME_READ_ONLY) != 0};
  follow(handshake_.opened(result, session_.volume, handshake_out_));
}

void Connection::list_volumes(uint64_t capacity) {
  Operation* operation = shard_.operations.take(this, 0);
  operation->kind = Operation::Kind::kList;
  operation->text.assign(capacity, '\0');
  asks_host_ = true;
  ++at_host_;
  const int32_t result = shard_.host.volume_list(shard_.host_context, operation->text.data(),
                                                 capacity, operation->id());
  if (result == VARVE_OK) return;
  --at_host_;
  listed(*operation, result, 0);
}

void Connection::listed(Operation& operation, int32_t result, uint64_t bytes_needed) {
  std::string names = std::move(operation.text);
  operation.text = {};
  shard_.operations.give_back(&operation);
  asks_host_ = false;
  if (phase_ != Phase::kHandshake) return;
  if (result == VARVE_OK && bytes_needed > names.size() && bytes_needed <= kMaxListBytes)
    return list_volumes(bytes_needed);
  if (bytes_needed > names.size()) result = VARVE_E_NO_MEMORY;
  names.resize(std::min<uint64_t>(bytes_needed, names.size()));
  follow(handshake_.listed(result, names, handshake_out_));
}

void Connection::close_volume() {
  if (!volume_open_) return;
  volume_open_ = false;
  shard_.host.volume_close(shard_.host_context, volume_);
}

// Makes room for a request, or stalls and returns null.
Operation* Connection::admit(const NbdRequest& request, uint64_t buffer_bytes) {
  const bool too_much = in_flight_bytes_ > 0 && in_flight_bytes_ + buffer_bytes > kMaxInFlightBytes;
  if (in_flight_ >= kMaxInFlight || too_much) {
    stall_ = Stall::kOwnLimit;
    return nullptr;
  }
  Operation* operation = shard_.operations.take(this, buffer_bytes);
  if (operation == nullptr) {
    stall_ = Stall::kHost;
    return nullptr;
  }
  operation->request = request;
  ++in_flight_;
  in_flight_bytes_ += buffer_bytes;
  in_watch_.end();
  return operation;
}

void Connection::submit(Operation* operation) {
  const NbdRequest& request = operation->request;
  varve_operation submitted{};
  submitted.struct_size = sizeof(submitted);
  submitted.kind = operation_kind(request.type);
  submitted.flags = (request.flags & kNbdFlagFua) != 0 ? VARVE_OP_FUA : 0;
  submitted.op_id = operation->id();
  submitted.offset = request.offset;
  submitted.bytes = request.bytes;
  submitted.data = operation->buffer;
  if (request.type == kNbdCmdBlockStatus) {
    const uint32_t expected = std::min(request.bytes / kStatusUnitBytes + 2, kMaxExtents);
    operation->extents.resize((request.flags & kNbdFlagReqOne) != 0 ? 1 : expected);
    submitted.extent_capacity = static_cast<uint32_t>(operation->extents.size());
    submitted.extents = operation->extents.data();
  }
  ++at_host_;
  const int32_t result = shard_.host.submit(shard_.host_context, volume_, &submitted);
  if (result == VARVE_OK) return;
  --at_host_;
  if (result == VARVE_E_AGAIN) {
    waiting_ = operation;
    stall_ = Stall::kHost;
    return;
  }
  answer(*operation, result, 0);
}

void Connection::answer(Operation& operation, int32_t result, uint64_t value) {
  if (!socket_.valid()) return give_back(&operation);
  if (result != VARVE_OK) return refuse(operation, refusal_for(result));
  const NbdRequest& request = operation.request;
  if (request.type == kNbdCmdRead) {
    encode_data(request, session_.structured, operation.head);
    operation.body = {operation.buffer, request.bytes};
  } else if (request.type == kNbdCmdBlockStatus) {
    const size_t filled = std::min<uint64_t>(value, operation.extents.size());
    const auto extents = std::span(operation.extents).first(filled);
    if (!encode_extents(request, extents, operation.head, operation.text))
      return refuse(operation, refusal_for(VARVE_E_IO));
    operation.body = as_bytes(operation.text);
  } else {
    encode_done(request, operation.head);
  }
  out_.push_back(&operation);
}

void Connection::refuse(Operation& operation, const NbdRefusal& refusal) {
  encode_refusal(operation.request, session_.structured, refusal, operation.head, operation.text);
  operation.body = as_bytes(operation.text);
  out_.push_back(&operation);
}

void Connection::give_back(Operation* operation) {
  --in_flight_;
  in_flight_bytes_ -= operation->buffer_bytes;
  shard_.operations.give_back(operation);
}

}  // namespace varve
