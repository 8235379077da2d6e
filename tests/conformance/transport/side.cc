#include "tests/conformance/transport/side.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

namespace varve {
namespace {

constexpr size_t kArenaBytes = 96 << 20;

}  // namespace

TransportSide::TransportSide(const varve_transport& table, varve_transport_instance* instance)
    : table_(table), arena_(static_cast<char*>(std::aligned_alloc(4096, kArenaBytes)), &std::free) {
  REQUIRE(table_.context_create(instance, 0, &context_) == VARVE_OK);
  REQUIRE(table_.memory_register(context_, arena_.get(), kArenaBytes, &memory_) == VARVE_OK);
  unused_.emplace(arena_.get(), kArenaBytes);
}

TransportSide::~TransportSide() {
  table_.context_destroy(context_);
}

std::string TransportSide::listen() {
  char bound[128] = "";
  char why[256] = "";
  const char* const other = std::getenv("VARVE_TRANSPORT_LISTEN");
  const char* const address = other == nullptr ? VARVE_TRANSPORT_LISTEN : other;
  const int32_t result = table_.listen(context_, address, bound, sizeof(bound), why, sizeof(why));
  INFO(why);
  REQUIRE(result == VARVE_OK);
  return bound;
}

uint64_t TransportSide::connect(const std::string& address) {
  const uint64_t op_id = ++last_op_id_;
  REQUIRE(table_.connect(context_, address.c_str(), op_id) == VARVE_OK);
  connects_.insert(op_id);
  return op_id;
}

void TransportSide::disconnect(uint64_t connection) {
  table_.disconnect(context_, connection);
}

varve_slice TransportSide::slice(uint64_t bytes) {
  const uint64_t whole = (bytes + 4095) / 4096 * 4096;
  const auto found = std::find_if(unused_.begin(), unused_.end(),
                                  [&](const auto& range) { return range.second >= whole; });
  REQUIRE(found != unused_.end());
  const auto [start, room] = *found;
  unused_.erase(found);
  if (room > whole) unused_.emplace(start + whole, room - whole);
  return {start, bytes, memory_};
}

void TransportSide::give_back(const varve_slice& slice) {
  const uint64_t skew = reinterpret_cast<uintptr_t>(slice.data) % 4096;
  char* const start = static_cast<char*>(slice.data) - skew;
  const uint64_t bytes = (skew + slice.bytes + 4095) / 4096 * 4096;
  if (bytes == 0) return;
  auto range = unused_.emplace(start, bytes).first;
  const auto next = std::next(range);
  if (next != unused_.end() && start + bytes == next->first) {
    range->second += next->second;
    unused_.erase(next);
  }
  if (range == unused_.begin()) return;
  const auto before = std::prev(range);
  if (before->first + before->second != start) return;
  before->second += range->second;
  unused_.erase(range);
}

void TransportSide::post(uint64_t bytes) {
  const uint64_t op_id = ++last_op_id_;
  const varve_slice buffer = slice(bytes);
  posted_[op_id] = buffer;
  REQUIRE(table_.receive_post(context_, &buffer, op_id) == VARVE_OK);
}

int32_t TransportSide::send(uint64_t connection, const std::string& header,
                            const std::vector<std::string>& pieces, size_t skew) {
  varve_message message{};
  message.struct_size = sizeof(message);
  message.header = header.data();
  message.header_bytes = static_cast<uint32_t>(header.size());
  message.slice_count = static_cast<uint32_t>(pieces.size());
  Send send{connection, {}};
  for (size_t i = 0; i < pieces.size(); ++i) {
    varve_slice part = slice(pieces[i].size() + skew);
    part.data = static_cast<char*>(part.data) + skew;
    part.bytes = pieces[i].size();
    memcpy(part.data, pieces[i].data(), pieces[i].size());
    message.slices[i] = part;
    send.slices.push_back(part);
  }
  const uint64_t op_id = ++last_op_id_;
  const int32_t result = table_.send(context_, connection, &message, op_id);
  if (result == VARVE_OK) {
    ++sends_accepted;
    sends_.emplace(op_id, std::move(send));
  } else {
    for (const varve_slice& part : send.slices) give_back(part);
  }
  return result;
}

size_t TransportSide::poll() {
  std::vector<varve_transport_event> events(poll_capacity);
  const int32_t count = table_.poll(context_, events.data(), poll_capacity);
  REQUIRE(count >= 0);
  REQUIRE(static_cast<uint32_t>(count) <= poll_capacity);
  for (int32_t i = 0; i < count; ++i) happened(events[static_cast<size_t>(i)]);
  return static_cast<size_t>(count);
}

void TransportSide::happened(const varve_transport_event& event) {
  const bool begins = event.kind == VARVE_EVENT_CONNECTED || event.kind == VARVE_EVENT_ACCEPTED;
  if (begins && event.header_bytes > 0)
    names[event.connection].assign(static_cast<const char*>(event.header), event.header_bytes);
  switch (event.kind) {
    case VARVE_EVENT_CONNECTED:
      REQUIRE(connects_.erase(event.op_id) == 1);
      REQUIRE((event.result == VARVE_OK) == (event.connection != 0));
      connected[event.op_id] = {event.result, event.connection};
      if (event.connection != 0) REQUIRE(open.insert(event.connection).second);
      break;
    case VARVE_EVENT_ACCEPTED:
      REQUIRE(event.connection != 0);
      REQUIRE_FALSE(closed.contains(event.connection));
      REQUIRE(open.insert(event.connection).second);
      accepted.push_back(event.connection);
      break;
    case VARVE_EVENT_RECEIVED:
      message_arrived(event);
      break;
    case VARVE_EVENT_OP_DONE: {
      const auto send = sends_.find(event.op_id);
      REQUIRE(send != sends_.end());
      REQUIRE(open.contains(send->second.connection));
      for (const varve_slice& slice : send->second.slices) give_back(slice);
      ++(event.result == VARVE_OK ? sends_ok : sends_failed);
      sends_.erase(send);
      break;
    }
    case VARVE_EVENT_CLOSED:
      REQUIRE(open.erase(event.connection) == 1);
      REQUIRE(closed.emplace(event.connection, event.result).second);
      for (const auto& [op_id, send] : sends_) REQUIRE(send.connection != event.connection);
      break;
    case VARVE_EVENT_WRITABLE:
      REQUIRE(open.contains(event.connection));
      writable.insert(event.connection);
      break;
    default:
      FAIL("unknown event");
  }
}

void TransportSide::message_arrived(const varve_transport_event& event) {
  REQUIRE(open.contains(event.connection));
  REQUIRE(event.header_bytes >= 1);
  REQUIRE(event.header_bytes <= VARVE_HEADER_BYTES_MAX);
  REQUIRE((event.op_id == 0) == (event.payload_bytes == 0));
  Received message;
  message.connection = event.connection;
  message.header.assign(static_cast<const char*>(event.header), event.header_bytes);
  message.buffer_bytes = 0;
  if (event.op_id != 0) {
    const auto found = posted_.find(event.op_id);
    REQUIRE(found != posted_.end());
    const varve_slice buffer = found->second;
    REQUIRE(event.payload_bytes <= buffer.bytes);
    message.payload.assign(static_cast<const char*>(buffer.data), event.payload_bytes);
    message.buffer_bytes = buffer.bytes;
    posted_.erase(found);
    give_back(buffer);
    if (repost) post(buffer.bytes);
  }
  received.push_back(std::move(message));
}

}  // namespace varve
