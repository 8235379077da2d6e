#include "tests/sim/memory_disk.h"

#include <cstring>

namespace varve {

namespace {

constexpr uint64_t kRequestNs = 40'000;
constexpr uint64_t kChanceNs = 20'000;

}  // namespace

MemoryDisk::MemoryDisk(SimLoop& loop, uint64_t bytes, uint64_t seed)
    : loop_(loop), bytes_(bytes), memory_(std::make_unique<std::byte[]>(bytes)), random_(seed) {}

void MemoryDisk::submit(IoRequest& request) {
  IoRequest* started = &request;
  loop_.schedule(kRequestNs + random_.below(kChanceNs), [this, started] { complete(*started); });
}

void MemoryDisk::complete(IoRequest& request) {
  std::byte* at = memory_.get() + request.offset;
  for (uint32_t i = 0; i < request.vector_count; ++i) {
    const iovec& part = request.vectors[i];
    if (request.kind == IoRequest::Kind::kRead) std::memcpy(part.iov_base, at, part.iov_len);
    if (request.kind == IoRequest::Kind::kWrite) std::memcpy(at, part.iov_base, part.iov_len);
    at += part.iov_len;
  }
  request.result = ErrorCode::kOk;
  loop_.ready().push(request.waiter);
}

}  // namespace varve
