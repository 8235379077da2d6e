// The workload's snapshots, roll-backs and clones.
#include <algorithm>

#include "core/base/text.h"
#include "core/base/units.h"
#include "tests/sim/workload.h"

namespace varve {

namespace {

constexpr uint64_t kViewReadBlocks = 64;
constexpr size_t kClonesMax = 3;

}  // namespace

Task<void> Workload::change_views() {
  const uint64_t draw = random_.below(20);
  if (draw < 9)
    co_await snapshot();
  else if (draw < 15)
    co_await drop_snapshot();
  else if (draw < 17)
    co_await roll_back();
  else
    co_await clone();
}

Task<void> Workload::snapshot() {
  if (pinning_ || growing_) co_return;
  std::vector<uint32_t> volumes;
  std::vector<SnapshotRequest> requests;
  const std::string name = text("s", life_, ".", names_used_++);
  for (const uint32_t volume : model_.volumes_in(BlockModel::VolumeState::kLive)) {
    if (!random_.chance(2, 3)) continue;
    volumes.push_back(volume);
    requests.push_back({model_.volume_id(volume), name});
  }
  if (volumes.empty()) co_return;
  pinning_ = true;
  counts_.add(Fault::kSnapshotWithWrites, model_.blocks_in_flight() > 0);
  const uint32_t cut = model_.begin_cut(name, volumes);
  const auto made = co_await store_.create_snapshots(std::move(requests));
  loop_.note(cut * 8ull + static_cast<uint64_t>(made.code()));
  if (made.ok()) {
    model_.end_cut(cut, *made);
    co_await pin(cut);
  } else if (made.code() != ErrorCode::kIoError || !device_.failed_a_write()) {
    const bool gone_one = std::any_of(volumes.begin(), volumes.end(),
                                      [this](uint32_t volume) { return gone(volume); });
    const bool full = made.code() == ErrorCode::kNoSpace && filling_up();
    if (!full && !(made.code() == ErrorCode::kNotFound && gone_one))
      report_.fail(text("snapshots ", name, " failed: ", made.status().message()));
    model_.end_cut(cut, {});
  }
  pinning_ = false;
}

Task<void> Workload::pin(uint32_t cut) {
  std::vector<std::vector<BlockValue>> values;
  const size_t parts = model_.cut(cut).parts.size();
  for (size_t i = 0; i < parts; ++i) {
    const BlockModel::Part part = model_.cut(cut).parts[i];
    const VolumeView view(model_.volume_id(part.volume), part.generation);
    const BlockRange all{0, part.allowed.size()};
    std::byte* const into = buffers_[buffers_.size() - 2].blocks;
    const bool read =
        co_await read_view(into, view, model_.family(part.volume), all, values.emplace_back());
    if (!read) report_.fail("a snapshot that was just made is gone");
  }
  report_.expect_right(model_.pin_cut(cut, values));
}

// False: there is no such view. Damaged blocks answer kDamagedValue.
Task<bool> Workload::read_view(std::byte* into, VolumeView view, uint32_t family, BlockRange range,
                               std::vector<BlockValue>& values) {
  for (uint64_t at = 0; at < range.count;) {
    uint64_t count = std::min(kViewReadBlocks, range.count - at);
    BlockRange piece{range.first + at, count};
    Status status = co_await store_.read(view, piece, into);
    if (status.code() == ErrorCode::kDamaged && count > 1) {
      count = 1;
      piece.count = 1;
      status = co_await store_.read(view, piece, into);
    }
    if (status.code() == ErrorCode::kNotFound) co_return false;
    counts_.add(Fault::kDamagedAnswered, status.code() == ErrorCode::kDamaged);
    if (!status.ok() && status.code() != ErrorCode::kDamaged)
      report_.fail(text("reading a snapshot failed: ", status.message()));
    for (uint64_t i = 0; i < count; ++i)
      values.push_back(status.ok() ? value_of(into + i * kBlockBytes, family,
                                              static_cast<uint32_t>(piece.first + i))
                                   : kDamagedValue);
    at += count;
  }
  co_return true;
}

Task<void> Workload::read_snapshot(Buffer& buffer) {
  const auto parts = model_.live_parts();
  if (parts.empty()) co_return;
  const auto [cut, index] = parts[random_.below(parts.size())];
  const BlockModel::Part part = model_.cut(cut).parts[index];
  const uint64_t blocks = part.allowed.size();
  const uint64_t count = std::min(blocks, 1 + random_.below(kViewReadBlocks));
  const BlockRange range{random_.below(blocks - count + 1), count};
  const VolumeView view(model_.volume_id(part.volume), part.generation);
  std::vector<BlockValue> values;
  const bool read =
      co_await read_view(buffer.blocks, view, model_.family(part.volume), range, values);
  loop_.note(cut * 8ull + (read ? 1 : 0));
  if (read) {
    report_.expect_right(model_.check_snapshot(cut, index, range, values));
  } else if (model_.cut(cut).parts[index].state == BlockModel::Part::State::kLive) {
    report_.fail("a snapshot that was not dropped is gone");
  }
}

Task<void> Workload::drop_snapshot() {
  const auto parts = model_.live_parts();
  if (parts.empty()) co_return;
  const auto [cut, part] = parts[random_.below(parts.size())];
  co_await drop_part(cut, part);
}

Task<void> Workload::drop_part(uint32_t cut, uint32_t part) {
  if (model_.cut(cut).parts[part].state != BlockModel::Part::State::kLive) co_return;
  const uint32_t volume = model_.cut(cut).parts[part].volume;
  const std::string name = model_.cut(cut).name;
  model_.begin_drop(cut, part);
  const Status status = co_await store_.delete_snapshot(model_.volume_id(volume), name);
  loop_.note(cut * 8ull + static_cast<uint64_t>(status.code()));
  if (!status.ok() && in_doubt(status, volume)) co_return;
  if (!status.ok()) report_.fail(text("dropping a snapshot failed: ", status.message()));
  model_.end_drop(cut, part);
}

Task<void> Workload::roll_back() {
  const auto parts = model_.live_parts();
  if (parts.empty()) co_return;
  const auto [cut, part] = parts[random_.below(parts.size())];
  const uint32_t volume = model_.cut(cut).parts[part].volume;
  if (gone(volume) || growing_) co_return;
  const std::string name = model_.cut(cut).name;
  const uint32_t op = model_.begin_roll_back(cut, part);
  const Status status = co_await store_.roll_back(model_.volume_id(volume), name);
  loop_.note(op * 8ull + static_cast<uint64_t>(status.code()));
  if (status.ok()) {
    counts_.add(Fault::kRolledBack);
    model_.end_write(op, true);
  } else if (in_doubt(status, volume)) {
    model_.abandon_write(op);
  } else if (status.code() == ErrorCode::kNotFound &&
             model_.cut(cut).parts[part].state != BlockModel::Part::State::kLive) {
    model_.end_write(op, false);
  } else {
    report_.fail(text("rolling back failed: ", status.message()));
  }
}

Task<void> Workload::clone() {
  const auto parts = model_.live_parts();
  const size_t volumes = model_.volumes_in(BlockModel::VolumeState::kLive).size() +
                         model_.volumes_in(BlockModel::VolumeState::kCreating).size();
  if (parts.empty() || volumes >= plan_.volume_count + kClonesMax) co_return;
  if (!model_.volumes_in(BlockModel::VolumeState::kCreating).empty()) co_return;
  const auto [cut, part] = parts[random_.below(parts.size())];
  const BlockModel::Part from = model_.cut(cut).parts[part];
  const std::string snapshot = model_.cut(cut).name;
  const std::string name = new_volume_name();
  const uint64_t blocks = from.allowed.size() + random_.below(20);
  const uint32_t volume = model_.begin_clone(name, blocks, cut, part);
  const auto made = co_await store_.clone_volume(model_.volume_id(from.volume), snapshot, name,
                                                 blocks * kBlockBytes, VolumeTier::kAuto);
  loop_.note(volume * 8ull + static_cast<uint64_t>(made.code()));
  if (!made.ok() && in_doubt(made.status(), volume)) co_return;
  if (!made.ok()) {
    const bool dropped = made.code() == ErrorCode::kNotFound &&
                         model_.cut(cut).parts[part].state != BlockModel::Part::State::kLive;
    const bool full = made.code() == ErrorCode::kNoSpace && filling_up();
    if (!dropped && !full && made.code() != ErrorCode::kAlreadyExists)
      report_.fail(text("cloning failed: ", made.status().message()));
    model_.end_create(volume, false, {});
    co_return;
  }
  counts_.add(Fault::kCloned);
  model_.end_create(volume, true, made->id);
}

}  // namespace varve
