// Random clients of one volume against a model: every value that a read returns must be the last
// acknowledged one of its place, or that of a change in flight. A lost update, an undone write or a
// mixed block shows as a value that is neither.
#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/volume/space_gate.h"
#include "core/volume/volume.h"
#include "tests/unit/volume/fake_store.h"

namespace varve {
namespace {

// The model's unit: requests begin and end at multiples of it, eight to a block.
constexpr uint64_t kCellBytes = 512;
constexpr uint64_t kCellsPerBlock = kBlockBytes / kCellBytes;
constexpr uint64_t kBlockCount = 4;
constexpr uint64_t kCellCount = kBlockCount * kCellsPerBlock;
constexpr int kClientCount = 8;
constexpr int kStepsPerClient = 40;

struct Change {
  uint32_t value = 0;
  uint64_t begin = 0;
  uint64_t end = UINT64_MAX;
};

struct CellRange {
  uint64_t first = 0;
  uint64_t count = 0;
  uint64_t end() const { return first + count; }
};

struct Model {
  explicit Model(uint64_t seed) : shard(seed, kBlockCount) {
    for (auto& cell : cells) cell.push_back({0, 0, 0});
  }
  ~Model() {
    gate.close();
    shard.close_store();
  }

  std::vector<size_t> begin(CellRange range, uint32_t value) {
    std::vector<size_t> places;
    ++time;
    for (uint64_t i = range.first; i < range.end(); ++i) {
      places.push_back(cells[i].size());
      cells[i].push_back({value, time, UINT64_MAX});
    }
    return places;
  }
  void end(CellRange range, const std::vector<size_t>& places) {
    ++time;
    for (uint64_t i = 0; i < range.count; ++i) cells[range.first + i][places[i]].end = time;
  }
  // May a read that ran from `begun` until now have seen `value`?
  bool allowed(uint64_t cell, uint32_t value, uint64_t begun) const {
    const auto& changes = cells[cell];
    return std::ranges::any_of(changes, [&](const Change& change) {
      if (change.value != value) return false;
      return std::ranges::none_of(changes, [&](const Change& later) {
        return later.begin > change.end && later.end < begun;
      });
    });
  }

  FakeShard shard;
  SpaceGate gate{shard.runtime, *shard.store};
  std::shared_ptr<VolumeShare> share = std::make_shared<VolumeShare>(
      shard.runtime, *shard.store, gate, kFakeVolume, kBlockCount* kBlockBytes);
  std::vector<std::vector<Change>> cells{kCellCount};
  uint64_t time = 0;
  uint32_t last_value = 0;
  uint64_t wrong_count = 0;
  uint64_t change_count = 0;
};

CellRange random_range(Random& random) {
  if (random.chance(1, 3)) {  // whole blocks
    const uint64_t first = random.below(kBlockCount);
    const uint64_t count = 1 + random.below(kBlockCount - first);
    return {first * kCellsPerBlock, count * kCellsPerBlock};
  }
  const uint64_t first = random.below(kCellCount);
  return {first, 1 + random.below(std::min<uint64_t>(kCellCount - first, 12))};
}

CellRange whole_blocks_inside(CellRange range) {
  const uint64_t first = round_up(range.first, kCellsPerBlock);
  const uint64_t end = range.end() / kCellsPerBlock * kCellsPerBlock;
  return {first, end > first ? end - first : 0};
}

void fill(std::span<std::byte> cells, uint32_t value) {
  for (size_t at = 0; at < cells.size(); at += sizeof value)
    std::memcpy(&cells[at], &value, sizeof value);
}

void check_read(Model& model, CellRange range, std::span<const std::byte> bytes, uint64_t begun) {
  ++model.time;
  for (uint64_t i = 0; i < range.count; ++i) {
    const auto cell = bytes.subspan(i * kCellBytes, kCellBytes);
    uint32_t value;
    std::memcpy(&value, cell.data(), sizeof value);
    std::byte expected[kCellBytes];
    fill(expected, value);
    const bool unmixed = std::memcmp(cell.data(), expected, kCellBytes) == 0;
    if (!unmixed || !model.allowed(range.first + i, value, begun)) ++model.wrong_count;
  }
}

Task<void> client_step(Model* model, Volume* volume, AlignedBuffer* buffer) {
  Random& random = model->shard.random;
  const CellRange range = random_range(random);
  const uint64_t offset = range.first * kCellBytes;
  const std::span<std::byte> bytes = buffer->span().subspan(0, range.count * kCellBytes);
  const uint64_t pick = random.below(10);
  if (pick < 4) {
    const uint64_t begun = ++model->time;
    const Status status = co_await volume->read(offset, bytes);
    REQUIRE(status.ok());
    check_read(*model, range, bytes, begun);
    co_return;
  }
  ++model->change_count;
  const bool write = pick < 8;
  const bool trim = pick == 8;
  const uint32_t value = write ? ++model->last_value : 0;
  const CellRange changed = trim ? whole_blocks_inside(range) : range;
  const std::vector<size_t> places = model->begin(changed, value);
  Status status;
  if (write) {
    fill(bytes, value);
    status = co_await volume->write(offset, bytes);
  } else if (trim) {
    status = co_await volume->trim(offset, bytes.size());
  } else {
    status = co_await volume->write_zeroes(offset, bytes.size());
  }
  REQUIRE(status.ok());
  model->end(changed, places);
}

Task<void> client(Model* model) {
  Volume volume(model->share, false);
  AlignedBuffer buffer(kBlockCount * kBlockBytes);
  for (int i = 0; i < kStepsPerClient; ++i) co_await client_step(model, &volume, &buffer);
}

}  // namespace

TEST_CASE("clients with random overlapping requests see only acknowledged or pending values") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    Model model(seed);
    for (int i = 0; i < kClientCount; ++i) model.shard.group.start(client(&model));
    model.shard.run();
    REQUIRE(model.shard.group.running() == 0);
    CHECK(model.share->locks.empty());
    CHECK(model.change_count > 0);
    INFO("seed " << seed);
    REQUIRE(model.wrong_count == 0);
    CHECK(model.shard.core->crc_errors == 0);
  }
}

}  // namespace varve
