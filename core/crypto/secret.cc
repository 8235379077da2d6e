#include "core/crypto/secret.h"

#include <sys/mman.h>

#include <cstring>

#include "core/base/check.h"
#include "core/base/units.h"

namespace varve {
namespace {

size_t mapped_bytes(size_t bytes) {
  return round_up(bytes, kBlockBytes);
}

}  // namespace

Result<Secret> Secret::make(size_t bytes) {
  VARVE_CHECK(bytes > 0);
  const size_t mapped = mapped_bytes(bytes);
  void* const pages =
      mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  VARVE_CHECK(pages != MAP_FAILED);
  Secret secret(static_cast<std::byte*>(pages), bytes);
  const bool kept_inside = mlock(pages, mapped) == 0 &&
                           madvise(pages, mapped, MADV_DONTDUMP) == 0 &&
                           madvise(pages, mapped, MADV_DONTFORK) == 0;
  if (!kept_inside)
    return Status(ErrorCode::kUnavailable,
                  "memory for keys cannot be locked: raise the limit on locked memory (ulimit -l, "
                  "LimitMEMLOCK= in a systemd unit)");
  return secret;
}

Secret::~Secret() {
  if (data_ == nullptr) return;
  explicit_bzero(data_, mapped_bytes(bytes_));
  munmap(data_, mapped_bytes(bytes_));
}

}  // namespace varve
