#include "tests/sim/memory_disk.h"

#include <algorithm>
#include <cstring>

namespace varve {

MemoryDisk::MemoryDisk(SimLoop& loop, uint64_t bytes, uint64_t seed, DiskModel model)
    : loop_(loop),
      bytes_(bytes),
      memory_(std::make_unique<std::byte[]>(bytes)),
      random_(seed),
      model_(model) {}

uint64_t MemoryDisk::delay_ns(const IoRequest& request) {
  uint64_t own_ns = model_.request_ns;
  if (model_.chance_ns > 0) own_ns += random_.below(model_.chance_ns);
  if (model_.bytes_per_second == 0 || request.bytes == 0) return own_ns;
  uint64_t pass_ns = request.bytes * 1'000'000'000 / model_.bytes_per_second;
  if (model_.seek_ns > 0 && request.offset != head_) pass_ns += model_.seek_ns;
  const uint64_t now_ns = loop_.monotonic_ns();
  head_ = request.offset + request.bytes;
  free_ns_ = std::max(free_ns_, now_ns) + pass_ns;
  return own_ns + free_ns_ - now_ns;
}

void MemoryDisk::submit(IoRequest& request) {
  IoRequest* started = &request;
  loop_.schedule(delay_ns(request), [this, started] { complete(*started); });
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
