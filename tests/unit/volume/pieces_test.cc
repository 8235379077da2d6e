#include "core/volume/pieces.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "core/volume/limits.h"

namespace varve {
namespace {

struct Cut {
  uint64_t offset;
  uint64_t bytes;
  bool partial;
  bool operator==(const Cut&) const = default;
};

std::vector<Cut> cut(uint64_t offset, uint64_t bytes) {
  std::vector<Cut> cuts;
  for (const uint64_t end = offset + bytes; offset < end;) {
    const Piece piece = first_piece(offset, end, kPieceBytesMax);
    cuts.push_back({piece.offset, piece.bytes, piece.partial()});
    offset += piece.bytes;
  }
  return cuts;
}

}  // namespace

TEST_CASE("whole blocks stay together up to the largest piece and the end of the extent") {
  CHECK(cut(4096, 8192) == std::vector<Cut>{{4096, 8192, false}});
  CHECK(cut(4096, kMiB + 4096) ==
        std::vector<Cut>{{4096, kMiB, false}, {4096 + kMiB, 4096, false}});
  CHECK(cut(kExtentBytes - 4096, 8192) ==
        std::vector<Cut>{{kExtentBytes - 4096, 4096, false}, {kExtentBytes, 4096, false}});
}

TEST_CASE("partial blocks are pieces of their own") {
  CHECK(cut(1, 1) == std::vector<Cut>{{1, 1, true}});
  CHECK(cut(0, 100) == std::vector<Cut>{{0, 100, true}});
  CHECK(cut(4000, 200) == std::vector<Cut>{{4000, 96, true}, {4096, 104, true}});
  CHECK(cut(100, 4096 * 3) ==
        std::vector<Cut>{{100, 3996, true}, {4096, 8192, false}, {12288, 100, true}});
}

TEST_CASE("a piece names the blocks that it touches") {
  CHECK(Piece{5, 1}.blocks().count == 1);
  CHECK(Piece{4095, 2}.blocks().count == 2);
  CHECK(Piece{8192, 8192}.blocks().first == 2);
  CHECK(Piece{8192, 8192}.blocks().end() == 4);
}

}  // namespace varve
