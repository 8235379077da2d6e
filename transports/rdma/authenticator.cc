#include "transports/rdma/authenticator.h"

#include <algorithm>

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

uint32_t Authenticator::seal(uint8_t* at, uint32_t bytes, std::span<const uint8_t> staged) {
  const uint64_t number = sealed_++;
  if (!staged.empty()) {
    if (!sending_.tag(Gmac::Domain::kPayload, number, staged, at + bytes)) return 0;
    bytes += kSealBytes;
  }
  if (!sending_.tag(Gmac::Domain::kFrame, number, {at, bytes}, at + bytes)) return 0;
  return bytes + kSealBytes;
}

const char* Authenticator::open(std::span<const uint8_t>& sealed, PayloadSeal& payload) {
  if (wrong_ == nullptr) wrong_ = open_next(sealed, payload);
  return wrong_;
}

const char* Authenticator::open_next(std::span<const uint8_t>& sealed, PayloadSeal& payload) {
  if (sealed.size() < kFrameBytes + kSealBytes) return "a frame is too short";
  const uint64_t number = opened_++;
  std::span<const uint8_t> frame = sealed.first(sealed.size() - kSealBytes);
  if (!receiving_.is_tag(Gmac::Domain::kFrame, number, frame, &sealed[frame.size()]))
    return "a frame that is not the peer's, or not in its place";
  if (is_staged_frame(frame)) {
    if (frame.size() < kFrameBytes + kSealBytes) return "a frame is too short";
    frame = frame.first(frame.size() - kSealBytes);
    payload.number = number;
    std::copy_n(&sealed[frame.size()], kSealBytes, payload.tag.begin());
  }
  sealed = frame;
  return nullptr;
}

bool Authenticator::is_payload(const PayloadSeal& seal, std::span<const uint8_t> bytes) const {
  return receiving_.is_tag(Gmac::Domain::kPayload, seal.number, bytes, seal.tag.data());
}

}  // namespace varve
