// BlockModel's view of snapshots: cuts through several volumes at one instant.
#include <algorithm>

#include "core/base/text.h"
#include "tests/sim/block_model.h"

namespace varve {

uint32_t BlockModel::begin_cut(std::string name, std::span<const uint32_t> numbers) {
  Cut& cut = cuts_.emplace_back();
  cut.name = std::move(name);
  cut.begun = ++now_;
  for (const uint32_t number : numbers) {
    Part& part = cut.parts.emplace_back();
    part.volume = number;
    for (uint64_t block = 0; block < volume_blocks(number); ++block)
      part.allowed.push_back(possible(number, block));
  }
  return static_cast<uint32_t>(cuts_.size());
}

void BlockModel::end_cut(uint32_t number, std::span<const SnapshotInfo> made) {
  Cut& cut = cuts_[number - 1];
  cut.ended = ++now_;
  for (size_t i = 0; i < cut.parts.size(); ++i) {
    cut.parts[i].state = made.empty() ? Part::State::kGone : Part::State::kLive;
    if (!made.empty()) cut.parts[i].generation = made[i].generation;
  }
}

std::string BlockModel::pin_cut(uint32_t number,
                                const std::vector<std::vector<BlockValue>>& values) {
  Cut& cut = cuts_[number - 1];
  for (uint32_t i = 0; i < cut.parts.size(); ++i) {
    std::string wrong = check_snapshot(number, i, {0, values[i].size()}, values[i]);
    if (!wrong.empty()) return wrong;
  }
  std::string wrong = check_one_instant(cut, values);
  if (!wrong.empty()) return wrong;
  cut.pinned = true;
  for (size_t i = 0; i < cut.parts.size(); ++i)
    for (size_t block = 0; block < values[i].size(); ++block)
      cut.parts[i].allowed[block] = {values[i][block]};
  return {};
}

std::string BlockModel::check_snapshot(uint32_t number, uint32_t index, BlockRange range,
                                       std::span<const BlockValue> values) const {
  const Cut& cut = cuts_[number - 1];
  const Part& part = cut.parts[index];
  for (uint64_t i = 0; i < range.count; ++i) {
    const auto& allowed = part.allowed[range.first + i];
    if (std::find(allowed.begin(), allowed.end(), values[i]) != allowed.end()) continue;
    std::string may;
    for (const BlockValue value : allowed) may += " " + value_text(value);
    return text("snapshot ", cut.name, " (generation ", part.generation, ", taken ", cut.begun,
                "..", cut.ended, cut.pinned ? ", pinned" : "", ") of volume ", part.volume,
                " block ", range.first + i, " holds ", value_text(values[i]), ", allowed:", may,
                "\n", history(part.volume, range.first + i));
  }
  return {};
}

// A write that is in the cut had begun before its instant; one that is not, but that came after
// what is, had not ended before.
std::string BlockModel::check_one_instant(
    const Cut& cut, const std::vector<std::vector<BlockValue>>& values) const {
  uint64_t latest_begin = 0;
  uint64_t earliest_end = UINT64_MAX;
  uint32_t inside = 0;
  uint32_t outside = 0;
  const auto held = [&](size_t part, uint64_t block) { return values[part][block]; };
  const auto is_write = [&](BlockValue value) {
    return value != kZeroValue && value <= ops_.size();
  };
  for (size_t part = 0; part < cut.parts.size(); ++part) {
    uint64_t rolled_back = restarted_;  // what was written before may rightly be gone
    for (const Op& known : ops_)
      if (known.kind == OpKind::kRollBack && known.volume == cut.parts[part].volume)
        rolled_back = std::max(rolled_back, known.completed == 0 ? now_ : known.completed);
    for (const BlockValue value : values[part]) {
      if (!is_write(value) || op(value).invoked <= latest_begin) continue;
      latest_begin = op(value).invoked;
      inside = value;
    }
    for (uint32_t i = 1; i <= ops_.size(); ++i) {
      const Op& write = op(i);
      if (write.volume != cut.parts[part].volume || write.state != OpState::kDone) continue;
      if (write.kind != OpKind::kWrite && write.kind != OpKind::kZero) continue;
      if (write.completed >= earliest_end || write.invoked < rolled_back) continue;
      const uint64_t end = std::min<uint64_t>(write.range.end(), values[part].size());
      for (uint64_t block = write.range.first; block < end; ++block) {
        const BlockValue value = held(part, block);
        if (!is_write(value) || value == i || op(value).volume != write.volume) continue;
        if (op(value).state != OpState::kDone || op(value).completed > write.invoked) continue;
        earliest_end = write.completed;
        outside = i;
        break;
      }
    }
  }
  if (latest_begin <= earliest_end) return {};
  return text("snapshots ", cut.name, " are not of one instant: op ", inside, " of volume ",
              op(inside).volume, ", which began at ", latest_begin, ", is in them, but op ",
              outside, " of volume ", op(outside).volume, ", which had ended at ", earliest_end,
              ", is not");
}

void BlockModel::begin_drop(uint32_t cut, uint32_t part) {
  cuts_[cut - 1].parts[part].state = Part::State::kDropping;
}

void BlockModel::end_drop(uint32_t cut, uint32_t part) {
  cuts_[cut - 1].parts[part].state = Part::State::kGone;
}

std::vector<std::pair<uint32_t, uint32_t>> BlockModel::live_parts(uint32_t number) const {
  std::vector<std::pair<uint32_t, uint32_t>> found;
  for (uint32_t cut = 1; cut <= cuts_.size(); ++cut) {
    const Cut& known = cuts_[cut - 1];
    for (uint32_t part = 0; known.pinned && part < known.parts.size(); ++part) {
      const Part& snapshot = known.parts[part];
      if (snapshot.state == Part::State::kLive && (number == 0 || snapshot.volume == number))
        found.emplace_back(cut, part);
    }
  }
  return found;
}

bool BlockModel::roll_back_in_flight() const {
  return std::any_of(pending_.begin(), pending_.end(), [this](uint32_t write) {
    return op(write).kind == OpKind::kRollBack && op(write).state == OpState::kPending;
  });
}

bool BlockModel::has_parts(uint32_t number) const {
  for (const Cut& cut : cuts_)
    for (const Part& part : cut.parts)
      if (part.volume == number && part.state != Part::State::kGone) return true;
  return false;
}

uint32_t BlockModel::begin_roll_back(uint32_t cut, uint32_t index) {
  const Part& part = cuts_[cut - 1].parts[index];
  const uint32_t write = add_op(OpKind::kRollBack, part.volume, {0, volume_blocks(part.volume)});
  for (const auto& allowed : part.allowed) op(write).values.push_back(allowed.front());
  op(write).values.resize(volume_blocks(part.volume), kZeroValue);  // it has grown meanwhile
  pend(write);
  return write;
}

uint32_t BlockModel::begin_clone(std::string name, uint64_t blocks, uint32_t cut, uint32_t index) {
  const Part& part = cuts_[cut - 1].parts[index];
  const uint32_t number = begin_create(std::move(name), blocks);
  volume(number).family = volume(part.volume).family;
  cloned_ = true;
  for (size_t block = 0; block < part.allowed.size(); ++block)
    volume(number).blocks[block].assign(1, {part.allowed[block].front(), now_});
  return number;
}

bool BlockModel::excused(uint32_t number, uint64_t block, std::span<const BlockValue> allowed,
                         std::span<const DamagedBlock> damaged) const {
  return std::any_of(damaged.begin(), damaged.end(), [&](const DamagedBlock& hit) {
    if (hit.block != block || std::find(allowed.begin(), allowed.end(), hit.value) == allowed.end())
      return false;
    if (hit.volume == volume(number).id) return true;
    return std::any_of(volumes_.begin(), volumes_.end(), [&](const Volume& other) {
      return other.id == hit.volume && other.family == volume(number).family;
    });
  });
}

std::string BlockModel::check_part(const Part& part, const RecoveredSnapshot& found,
                                   std::span<const DamagedBlock> damaged) const {
  if (found.values.size() != part.allowed.size())
    return text("snapshot ", found.name, " changed size");
  for (uint64_t block = 0; block < found.values.size(); ++block) {
    const auto& allowed = part.allowed[block];
    const BlockValue value = found.values[block];
    if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) continue;
    if (value == kDamagedValue && excused(part.volume, block, allowed, damaged)) continue;
    std::string may;
    for (const BlockValue each : allowed) may += " " + value_text(each);
    return text("snapshot ", found.name, " (generation ", found.generation, ") of volume ",
                part.volume, " block ", block, " holds ", value_text(value), ", allowed:", may,
                "\n", history(part.volume, block));
  }
  return {};
}

// A cut is there as a whole or not at all, until its snapshots are dropped one by one.
std::string BlockModel::check_parts(std::span<const RecoveredVolume> found,
                                    std::span<const DamagedBlock> damaged) const {
  size_t known_count = 0;
  size_t found_count = 0;
  for (const RecoveredVolume& volume : found) found_count += volume.snapshots.size();
  for (const Cut& cut : cuts_) {
    std::vector<std::vector<BlockValue>> values(cut.parts.size());
    size_t here = 0;
    for (size_t i = 0; i < cut.parts.size(); ++i) {
      const Part& part = cut.parts[i];
      const RecoveredSnapshot* seen = nullptr;
      for (const RecoveredVolume& volume : found)
        for (const RecoveredSnapshot& snapshot : volume.snapshots)
          if (snapshot.name == cut.name && number_of(volume.id, volume.name) == part.volume)
            seen = &snapshot;
      if (seen == nullptr) {
        if (part.state == Part::State::kLive)
          return text("snapshot ", cut.name, " of volume ", part.volume, " is gone");
        continue;
      }
      if (part.state == Part::State::kGone)
        return text("snapshot ", cut.name, " of volume ", part.volume, " is back");
      ++here;
      values[i] = seen->values;
      std::string wrong = check_part(part, *seen, damaged);
      if (!wrong.empty()) return wrong;
    }
    known_count += here;
    const bool creating = cut.ended == 0;
    if (creating && here > 0 && here < cut.parts.size())
      return text("of the cut ", cut.name, " only ", here, " of ", cut.parts.size(),
                  " snapshots are there");
    if (here == cut.parts.size() && !cut.pinned) {
      std::string wrong = check_one_instant(cut, values);
      if (!wrong.empty()) return wrong;
    }
  }
  return known_count == found_count ? std::string() : "there is a snapshot that nobody took";
}

void BlockModel::restart_parts(std::span<const RecoveredVolume> found) {
  for (Cut& cut : cuts_) {
    cut.pinned = true;
    if (cut.ended == 0) cut.ended = now_;
    for (Part& part : cut.parts) {
      part.state = Part::State::kGone;
      for (const RecoveredVolume& volume : found)
        for (const RecoveredSnapshot& snapshot : volume.snapshots) {
          if (snapshot.name != cut.name || number_of(volume.id, volume.name) != part.volume)
            continue;
          part.state = Part::State::kLive;
          part.generation = snapshot.generation;
          for (size_t block = 0; block < snapshot.values.size(); ++block)
            part.allowed[block] = {snapshot.values[block]};
        }
    }
  }
}

}  // namespace varve
