// Arbitrary bytes as a request to the admin API, whole or in pieces, and as its token.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/daemon/request_bytes.h"
#include "plugins/tls/token.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const varve::RequestBytes all = varve::look_at_request(bytes);
  require(!all.whole || (all.status == 0 && all.head_bytes + all.body_bytes <= size));
  require(all.head_bytes <= varve::kRequestHeadBytesMax);
  require(all.body_bytes <= varve::kRequestBodyBytesMax);
  // What was said of the beginning is not taken back.
  const varve::RequestBytes half = varve::look_at_request(bytes.substr(0, size / 2));
  if (half.status != 0) require(all.status == half.status);
  if (half.whole) require(all.whole && all.head_bytes == half.head_bytes);
  const std::string_view token = varve::bearer_token(bytes);
  require(token.empty() || (token.size() >= 16 && bytes.ends_with(token)));
  return 0;
}
