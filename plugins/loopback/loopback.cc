#include "plugins/loopback/loopback.h"

#include <sys/eventfd.h>

#include <cstring>
#include <utility>

namespace varve {
namespace {

constexpr size_t kMaxInbox = 64;  // messages on their way in one direction

void copy_payload(const varve_message& message, uint8_t* into) {
  for (uint32_t i = 0; i < message.slice_count; ++i) {
    std::memcpy(into, message.slices[i].data, message.slices[i].bytes);
    into += message.slices[i].bytes;
  }
}

}  // namespace

LoopbackContext::LoopbackContext(Loopback& loopback)
    : loopback_(loopback), wake_fd_(::eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC)) {}

LoopbackContext::~LoopbackContext() {
  const std::lock_guard lock(loopback_.mutex);
  std::erase_if(loopback_.listeners, [this](const auto& entry) { return entry.second == this; });
  while (!ends_.empty()) close(ends_.begin()->first, VARVE_E_CLOSED);
}

int32_t LoopbackContext::listen(const std::string& address) {
  const std::lock_guard lock(loopback_.mutex);
  return loopback_.listeners.emplace(address, this).second ? VARVE_OK : VARVE_E_BUSY;
}

int32_t LoopbackContext::connect(const std::string& address, uint64_t op_id) {
  const std::lock_guard lock(loopback_.mutex);
  const auto found = loopback_.listeners.find(address);
  if (found == loopback_.listeners.end()) {
    events_.connected(op_id, VARVE_E_NOT_FOUND, 0);
    return VARVE_OK;
  }
  LoopbackContext& peer = *found->second;
  const uint64_t ours = ++loopback_.last_connection;
  const uint64_t theirs = ++loopback_.last_connection;
  ends_[ours] = {&peer, theirs, {}};
  peer.ends_[theirs] = {this, ours, {}};
  events_.connected(op_id, VARVE_OK, ours);
  peer.events_.accepted(theirs);
  peer.changed();
  return VARVE_OK;
}

int32_t LoopbackContext::disconnect(uint64_t connection) {
  const std::lock_guard lock(loopback_.mutex);
  if (!ends_.contains(connection)) return VARVE_E_CLOSED;
  close(connection, VARVE_OK);
  return VARVE_OK;
}

int32_t LoopbackContext::receive_post(const varve_slice& buffer, uint64_t op_id) {
  const std::lock_guard lock(loopback_.mutex);
  const int32_t result = check_receive(buffer, op_id, memory_);
  if (result != VARVE_OK) return result;
  buffers_.put({static_cast<uint8_t*>(buffer.data), buffer.bytes, op_id});
  changed();
  return VARVE_OK;
}

int32_t LoopbackContext::send(uint64_t connection, const varve_message& message, uint64_t op_id) {
  const std::lock_guard lock(loopback_.mutex);
  uint32_t payload_bytes = 0;
  const int32_t result = check_message(message, memory_, payload_bytes);
  if (result != VARVE_OK) return result;
  const auto found = ends_.find(connection);
  if (found == ends_.end()) return VARVE_E_CLOSED;
  LoopbackContext& peer = *found->second.peer;
  End& there = peer.ends_.at(found->second.peer_connection);
  if (there.inbox.size() >= kMaxInbox) {
    there.peer_waits = true;
    return VARVE_E_AGAIN;
  }
  Message& sent = there.inbox.emplace_back();
  sent.op_id = op_id;
  sent.payload_bytes = payload_bytes;
  sent.parts = message;
  std::memcpy(sent.header.data(), message.header, message.header_bytes);
  peer.changed();
  return VARVE_OK;
}

int32_t LoopbackContext::poll(varve_transport_event* events, uint32_t capacity) {
  const std::lock_guard lock(loopback_.mutex);
  if (std::exchange(changed_, false)) {
    eventfd_t count = 0;
    ::eventfd_read(wake_fd_.get(), &count);
  }
  events_.begin(capacity);
  for (auto& [connection, end] : ends_) receive_all(connection, end);
  if (!events_.room()) changed();
  return events_.take(events);
}

bool LoopbackContext::arm() {
  const std::lock_guard lock(loopback_.mutex);
  return changed_ || !events_.empty();
}

void LoopbackContext::receive_all(uint64_t connection, End& end) {
  LoopbackContext& peer = *end.peer;
  while (!end.inbox.empty() && events_.room()) {
    const Message& message = end.inbox.front();
    ReceiveBuffer buffer;
    if (message.payload_bytes > 0) {
      buffer = buffers_.take(message.payload_bytes);
      if (buffer.data == nullptr) return;
      copy_payload(message.parts, buffer.data);
    }
    events_.received(connection, std::span(message.header).first(message.parts.header_bytes),
                     buffer.op_id, message.payload_bytes);
    peer.events_.done(end.peer_connection, message.op_id, VARVE_OK);
    end.inbox.pop_front();
    if (end.inbox.size() <= kMaxInbox / 2 && std::exchange(end.peer_waits, false))
      peer.events_.writable(end.peer_connection);
    peer.changed();
  }
}

// Both ends: `why` is for ours, the other learns that it is closed.
void LoopbackContext::close(uint64_t connection, int32_t why) {
  const End& end = ends_.at(connection);
  LoopbackContext& peer = *end.peer;
  const uint64_t peer_connection = end.peer_connection;
  // What is in an inbox was sent by the other end.
  for (const Message& message : end.inbox)
    peer.events_.done(peer_connection, message.op_id, VARVE_E_CLOSED);
  for (const Message& message : peer.ends_.at(peer_connection).inbox)
    events_.done(connection, message.op_id, VARVE_E_CLOSED);
  drop(connection, why);
  peer.drop(peer_connection, VARVE_E_CLOSED);
}

void LoopbackContext::drop(uint64_t connection, int32_t why) {
  ends_.erase(connection);
  events_.closed(connection, why);
  changed();
}

// The next poll has something to look at.
void LoopbackContext::changed() {
  if (!std::exchange(changed_, true)) ::eventfd_write(wake_fd_.get(), 1);
}

}  // namespace varve
