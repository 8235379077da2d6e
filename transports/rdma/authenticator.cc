#include "transports/rdma/authenticator.h"

#include "plugins/sdk/bytes.h"
#include "transports/rdma/frame.h"

namespace varve {

std::unique_ptr<Authenticator> Authenticator::make(
    std::span<const uint8_t, kAuthenticatorKeyBytes> keys, bool asks) {
  std::unique_ptr<Authenticator> made(new Authenticator());
  const auto of_asker = keys.first<Gmac::kKeyBytes>();
  const auto to_asker = keys.last<Gmac::kKeyBytes>();
  const bool good = made->sending_.open(asks ? of_asker : to_asker) &&
                    made->receiving_.open(asks ? to_asker : of_asker);
  return good ? std::move(made) : nullptr;
}

bool Authenticator::seal(std::span<const uint8_t> frame_and_header, uint8_t* to) {
  return sending_.tag(sealed_++, frame_and_header, to);
}

// How long the header is, is not known to be true here; but if it is not, the tag is wrong.
const char* Authenticator::open(std::span<const uint8_t>& sealed) {
  if (sealed.size() < kFrameBytes + kSealBytes) return "a frame is too short";
  const std::span<const uint8_t> frame = sealed.first(sealed.size() - kSealBytes);
  const size_t head = size_t{kFrameBytes} + header_bytes_of_frame(frame);
  if (head > frame.size() ||
      !receiving_.is_tag(opened_++, frame.first(head), &sealed[frame.size()]))
    return "a frame that is not the peer's, or not in its place";
  sealed = frame;
  return nullptr;
}

}  // namespace varve
