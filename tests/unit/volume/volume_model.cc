#include "tests/unit/volume/volume_model.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "core/store/store.h"

namespace varve {
namespace {

void fill(std::span<std::byte> bytes, uint32_t value) {
  for (size_t at = 0; at < bytes.size(); at += sizeof value)
    std::memcpy(&bytes[at], &value, sizeof value);
}

}  // namespace

VolumeModel::VolumeModel(Runtime& runtime, Store& store, VolumeId id,
                         const std::function<Backend(Backend)>& wrap)
    : runtime_(runtime), gate_(runtime, store) {
  Backend backend = std::make_unique<StoreBackend>(store, gate_, id);
  if (wrap) backend = wrap(std::move(backend));
  share_ = std::make_shared<VolumeShare>(runtime, std::move(backend), kBlockCount * kBlockBytes);
  for (auto& cell : cells_) cell.push_back({0, 0, 0});
}

void VolumeModel::start(TaskGroup& group, int client_count, int step_count) {
  for (int i = 0; i < client_count; ++i) group.start(client(step_count));
}

Task<void> VolumeModel::client(int step_count) {
  Volume volume(share_, false);
  AlignedBuffer buffer(kBlockCount * kBlockBytes + kCellBytes);
  for (int i = 0; i < step_count; ++i) co_await step(&volume, &buffer);
}

Task<void> VolumeModel::step(Volume* volume, AlignedBuffer* buffer) {
  const CellRange range = draw_range();
  // At times from memory that is not aligned.
  const uint64_t shift = runtime_.random.chance(1, 4) ? kCellBytes : 0;
  const std::span<std::byte> bytes = buffer->span().subspan(shift, range.count * kCellBytes);
  if (runtime_.random.chance(2, 5))
    co_await read(volume, range, bytes);
  else
    co_await change(volume, range, bytes);
}

Task<void> VolumeModel::read(Volume* volume, CellRange range, std::span<std::byte> bytes) {
  const uint64_t begun = ++time_;
  const Status status = co_await volume->read(range.first * kCellBytes, bytes);
  if (!status.ok()) ++wrong_count_;
  check(range, bytes, begun);
}

Task<void> VolumeModel::change(Volume* volume, CellRange range, std::span<std::byte> bytes) {
  ++change_count_;
  const uint64_t pick = runtime_.random.below(6);
  const bool trim = pick == 4;
  const uint32_t value = pick < 4 ? ++last_value_ : 0;
  const CellRange changed = trim ? whole_blocks_inside(range) : range;
  const std::vector<size_t> places = begin(changed, value);
  const uint64_t offset = range.first * kCellBytes;
  Status status;
  if (value != 0) {
    fill(bytes, value);
    status = co_await volume->write(offset, bytes);
  } else if (trim) {
    status = co_await volume->trim(offset, bytes.size());
  } else {
    status = co_await volume->write_zeroes(offset, bytes.size());
  }
  if (!status.ok()) ++wrong_count_;
  end(changed, places);
}

VolumeModel::CellRange VolumeModel::draw_range() {
  Random& random = runtime_.random;
  if (random.chance(1, 3)) {  // whole blocks
    const uint64_t first = random.below(kBlockCount);
    const uint64_t count = 1 + random.below(kBlockCount - first);
    return {first * kCellsPerBlock, count * kCellsPerBlock};
  }
  const uint64_t first = random.below(kCellCount);
  return {first, 1 + random.below(std::min<uint64_t>(kCellCount - first, 12))};
}

VolumeModel::CellRange VolumeModel::whole_blocks_inside(CellRange range) {
  const uint64_t first = round_up(range.first, kCellsPerBlock);
  const uint64_t end = range.end() / kCellsPerBlock * kCellsPerBlock;
  return {first, end > first ? end - first : 0};
}

std::vector<size_t> VolumeModel::begin(CellRange range, uint32_t value) {
  std::vector<size_t> places;
  ++time_;
  for (uint64_t i = range.first; i < range.end(); ++i) {
    places.push_back(cells_[i].size());
    cells_[i].push_back({value, time_, UINT64_MAX});
  }
  return places;
}

void VolumeModel::end(CellRange range, const std::vector<size_t>& places) {
  ++time_;
  for (uint64_t i = 0; i < range.count; ++i) cells_[range.first + i][places[i]].end = time_;
}

// May a read that ran from `begun` until now have seen `value`?
bool VolumeModel::allowed(uint64_t cell, uint32_t value, uint64_t begun) const {
  const std::vector<Change>& changes = cells_[cell];
  return std::ranges::any_of(changes, [&](const Change& change) {
    if (change.value != value) return false;
    return std::ranges::none_of(changes, [&](const Change& later) {
      return later.begin > change.end && later.end < begun;
    });
  });
}

void VolumeModel::check(CellRange range, std::span<const std::byte> bytes, uint64_t begun) {
  ++time_;
  for (uint64_t i = 0; i < range.count; ++i) {
    const auto cell = bytes.subspan(i * kCellBytes, kCellBytes);
    uint32_t value;
    std::memcpy(&value, cell.data(), sizeof value);
    std::array<std::byte, kCellBytes> unmixed;
    fill(unmixed, value);
    if (!std::ranges::equal(cell, unmixed) || !allowed(range.first + i, value, begun))
      ++wrong_count_;
  }
}

}  // namespace varve
