// Staged payloads never overlap, and an empty ring holds the largest.
#include "transports/rdma/staging_ring.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <deque>
#include <random>

#include "plugins/abi/transport.h"
#include "transports/rdma/limits.h"

namespace varve {

TEST_CASE("places of the staging ring lie inside it, apart, and come back in order") {
  StagingRing ring(kStagingBytes);
  struct Piece {
    StagingRing::Place place;
    size_t bytes;
  };
  std::deque<Piece> pieces;
  std::mt19937_64 random(3);
  size_t refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    const size_t bytes = 1 + random() % (random() % 4 == 0 ? VARVE_PAYLOAD_BYTES_MAX : 20'000);
    if (random() % 5 < 2 && !pieces.empty()) {
      ring.give_back(pieces.front().place.taken_bytes);
      pieces.pop_front();
    }
    if (!ring.fits(bytes)) {
      ++refused;
      REQUIRE_FALSE(pieces.empty());
      continue;
    }
    const StagingRing::Place place = ring.take(bytes);
    REQUIRE(place.offset + bytes <= kStagingBytes);
    const auto overlaps = [&](const Piece& other) {
      return place.offset < other.place.offset + other.bytes &&
             other.place.offset < place.offset + bytes;
    };
    REQUIRE(std::none_of(pieces.begin(), pieces.end(), overlaps));
    pieces.push_back({place, bytes});
  }
  CHECK(refused > 100);
  for (const Piece& piece : pieces) ring.give_back(piece.place.taken_bytes);
  CHECK(ring.used() == 0);
  CHECK(ring.fits(VARVE_PAYLOAD_BYTES_MAX));
}

}  // namespace varve
