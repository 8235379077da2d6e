#include "core/net/send_table.h"

#include <algorithm>

namespace varve {

void OutgoingMessage::encode(Message message, Slices from) {
  VARVE_CHECK(from.size() <= kMessageSlicesMax);
  slice_count = 0;
  message.payload_bytes = 0;
  for (const std::span<const std::byte> slice : from) {
    if (slice.empty()) continue;
    slices[slice_count++] = slice;
    message.payload_bytes += static_cast<uint32_t>(slice.size());
  }
  type = message.type;
  payload_bytes = message.payload_bytes;
  byte_count = encode_message(message, bytes);
}

Status SendTable::send(ConnectionId connection, OutgoingMessage& message) {
  message.op_id = ++op_id_;
  VARVE_TRY(transports_.send(connection, std::span(message.bytes).first(message.byte_count),
                             std::span(message.slices).first(message.slice_count), message.op_id));
  if (message.slice_count > 0) {
    message.connection = connection;
    message.with_transport = true;
    table_.insert(message);
  }
  return {};
}

void SendTable::sent(uint64_t op_id) {
  const auto found = table_.find(op_id);
  if (found == table_.end()) return;
  OutgoingMessage& message = *found;
  table_.erase(found);
  message.with_transport = false;
  // Who waits for an answer would only go to sleep again.
  if (message.memory_wanted) message.changed.wake_all();
}

Task<void> SendTable::memory_back(OutgoingMessage& message, uint64_t deadline_ns) {
  message.memory_wanted = true;
  bool in_time = true;
  while (message.with_transport && in_time)
    in_time = co_await message.changed.wait_until(runtime_.timers, deadline_ns);
  if (message.with_transport) transports_.disconnect(message.connection);
  while (message.with_transport) co_await message.changed.wait();
}

}  // namespace varve
