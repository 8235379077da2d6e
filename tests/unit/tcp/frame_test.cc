#include "transports/tcp/frame.h"

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <span>
#include <string_view>

#include "plugins/abi/transport.h"
#include "plugins/sdk/crc32c.h"

namespace varve {
namespace {

constexpr std::string_view kCheck = "123456789";

}  // namespace

TEST_CASE("the checksum of the plugins is CRC-32C") {
  CHECK(crc32c_of({reinterpret_cast<const uint8_t*>(kCheck.data()), kCheck.size()}) == 0xe3069283);
}

TEST_CASE("a frame has these bytes, and no others, for ever") {
  std::array<uint8_t, kFrameBytes> bytes{};
  encode_frame({0x0100, 0x00012345}, bytes.data());
  const std::array<uint8_t, 12> wanted{'V', 'R', 'V', 'T', 0, 1, 1, 0, 0, 0x01, 0x23, 0x45};
  CHECK(std::equal(wanted.begin(), wanted.end(), bytes.begin()));
  const uint32_t crc = crc32c_of(std::span(bytes).first(12));
  CHECK(bytes[12] == crc >> 24);
  CHECK(bytes[15] == (crc & 0xff));
  Frame frame;
  CHECK(decode_frame(bytes.data(), frame) == nullptr);
  CHECK(frame == Frame{0x0100, 0x00012345});
}

TEST_CASE("every flipped bit of a frame is noticed") {
  std::array<uint8_t, kFrameBytes> bytes{};
  encode_frame({17, 4096}, bytes.data());
  for (size_t bit = 0; bit < 8 * kFrameBytes; ++bit) {
    std::array<uint8_t, kFrameBytes> damaged = bytes;
    damaged[bit / 8] = static_cast<uint8_t>(damaged[bit / 8] ^ (1u << bit % 8));
    Frame frame;
    CHECK(decode_frame(damaged.data(), frame) != nullptr);
  }
}

TEST_CASE("lengths outside the contract are refused") {
  const auto refused = [](uint16_t header_bytes, uint32_t payload_bytes) {
    std::array<uint8_t, kFrameBytes> bytes{};
    encode_frame({header_bytes, payload_bytes}, bytes.data());
    Frame frame;
    return decode_frame(bytes.data(), frame) != nullptr;
  };
  CHECK_FALSE(refused(1, 0));
  CHECK_FALSE(refused(VARVE_HEADER_BYTES_MAX, VARVE_PAYLOAD_BYTES_MAX));
  CHECK(refused(0, 0));
  CHECK(refused(VARVE_HEADER_BYTES_MAX + 1, 0));
  CHECK(refused(1, VARVE_PAYLOAD_BYTES_MAX + 1));
  CHECK(refused(1, UINT32_MAX));
}

}  // namespace varve
