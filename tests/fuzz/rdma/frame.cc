// What a peer says before and in its frames, as arbitrary bytes: an error, or numbers within their
// bounds that encode to the same bytes.
#include "transports/rdma/frame.h"

#include <cstdlib>
#include <cstring>
#include <vector>

#include "plugins/abi/transport.h"
#include "plugins/sdk/bytes.h"
#include "plugins/sdk/crc32c.h"

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

void check_greeting(std::span<const uint8_t> bytes) {
  varve::Greeting greeting;
  if (varve::decode_greeting(bytes, greeting) != nullptr) return;
  require(greeting.slots >= varve::kFewestSlots);
  uint8_t again[varve::kGreetingBytes];
  varve::encode_greeting(greeting, again);
  require(std::memcmp(again, bytes.data(), sizeof(again)) == 0);
}

void check_frame(std::span<const uint8_t> bytes) {
  varve::Frame frame;
  if (varve::decode_frame(bytes, frame) != nullptr) return;
  require(frame.header_bytes <= VARVE_HEADER_BYTES_MAX);
  require(frame.payload_bytes <= VARVE_PAYLOAD_BYTES_MAX);
  const uint64_t here = frame.kind == varve::FrameKind::kStaged ? 0 : frame.payload_bytes;
  require(varve::kFrameBytes + frame.header_bytes + here == bytes.size());
  uint8_t again[varve::kFrameBytes];
  varve::encode_frame(frame, again);
  require(std::memcmp(again, bytes.data(), sizeof(again)) == 0);
}

// The checksum at the end of `head` is made right: what is behind it is worth a look.
std::vector<uint8_t> corrected(std::span<const uint8_t> bytes, size_t head) {
  std::vector<uint8_t> out(bytes.begin(), bytes.end());
  if (out.size() < head) return out;
  varve::store_be<uint32_t>(&out[head - 4], varve::crc32c_of({out.data(), head - 4}));
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  check_greeting(bytes);
  check_frame(bytes);
  check_greeting(corrected(bytes, varve::kGreetingBytes));
  check_frame(corrected(bytes, varve::kFrameBytes));
  return 0;
}
