#include "core/net/receive_buffers.h"

#include <string>

#include "core/base/log.h"
#include "core/net/limits.h"

namespace varve {

Payload::~Payload() {
  if (owner_ != nullptr) owner_->give_back(buffer_);
}

ReceiveBuffers::ReceiveBuffers(Transport& transport, uint32_t small_count, uint32_t large_count)
    : transport_(transport),
      small_count_(small_count),
      large_count_(large_count),
      arena_(uint64_t{small_count} * kSmallBufferBytes +
             uint64_t{large_count} * kLargeBufferBytes) {}

ReceiveBuffers::~ReceiveBuffers() {
  VARVE_CHECK(taken_count_ == 0);
}

Status ReceiveBuffers::start() {
  VARVE_TRY(transport_.register_memory(arena_.span()));
  for (uint64_t buffer = 1; buffer <= small_count_ + large_count_; ++buffer)
    VARVE_TRY(transport_.post_receive(memory(buffer), buffer));
  return {};
}

// A buffer's number is its index plus one.
std::span<std::byte> ReceiveBuffers::memory(uint64_t buffer) {
  const uint64_t index = buffer - 1;
  VARVE_CHECK(index < small_count_ + large_count_);
  if (index < small_count_)
    return arena_.span().subspan(index * kSmallBufferBytes, kSmallBufferBytes);
  const uint64_t large_offset = uint64_t{small_count_} * kSmallBufferBytes;
  return arena_.span().subspan(large_offset + (index - small_count_) * kLargeBufferBytes,
                               kLargeBufferBytes);
}

Payload ReceiveBuffers::take(uint64_t buffer, uint32_t payload_bytes) {
  if (buffer == 0) return {};
  const std::span<std::byte> bytes = memory(buffer);
  VARVE_CHECK(payload_bytes <= bytes.size());
  ++taken_count_;
  return Payload(this, buffer, bytes.first(payload_bytes));
}

void ReceiveBuffers::give_back(uint64_t buffer) {
  --taken_count_;
  if (stopped_) return;
  const Status posted = transport_.post_receive(memory(buffer), buffer);
  if (!posted.ok() && !std::exchange(refused_, true))
    log_error("net", "receive buffers are lost: " + std::string(posted.message()));
}

}  // namespace varve
