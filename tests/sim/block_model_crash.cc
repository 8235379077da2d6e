// BlockModel's view of a crash: what recovery may bring back, and the new beginning after it.
#include <algorithm>

#include "core/base/text.h"
#include "tests/sim/block_model.h"

namespace varve {

std::string BlockModel::wrong_value(uint32_t number, uint64_t block, BlockValue value) const {
  return text("volume ", number, " block ", block, " holds ", value_text(value),
              ", which is not allowed\n", history(number, block));
}

std::string BlockModel::check_volumes(std::span<const RecoveredVolume> found) const {
  std::vector<uint32_t> numbers;
  for (const RecoveredVolume& seen : found) {
    const uint32_t number = number_of(seen.id, seen.name);
    if (number == 0) {
      return text("volume ", seen.name, " (id ", static_cast<uint32_t>(seen.id),
                  ") is there, but was deleted or never created");
    }
    const uint64_t blocks = seen.values.size();
    if (blocks != volume_blocks(number) &&
        (!growing(number) || blocks != volume(number).grown_blocks))
      return text("volume ", number, " changed size");
    const Volume& known = volume(number);
    if (seen.tier != known.tier && seen.tier != known.asked_tier)
      return text("volume ", number, " has tier ", tier_name(seen.tier), ", not ",
                  tier_name(known.tier));
    numbers.push_back(number);
  }
  for (uint32_t number = 1; number <= volumes_.size(); ++number) {
    const auto times = std::count(numbers.begin(), numbers.end(), number);
    if (times > 1) return text("volume ", number, " is there twice");
    if (volume(number).state == VolumeState::kLive && times == 0) {
      return text("volume ", number, " (", volume(number).name, ") is gone");
    }
  }
  return {};
}

std::string BlockModel::check_blocks(const RecoveredVolume& found, uint32_t number,
                                     std::span<const DamagedBlock> damaged) const {
  uint64_t data_blocks = 0;
  uint64_t damaged_blocks = 0;
  for (uint64_t block = 0; block < found.values.size(); ++block) {
    const BlockValue value = found.values[block];
    damaged_blocks += value == kDamagedValue;
    data_blocks += value != kZeroValue && value != kDamagedValue;
    if (block >= volume_blocks(number) && value == kZeroValue) continue;
    if (block >= volume_blocks(number))
      return text("volume ", number, " block ", block, " is new and holds ", value_text(value));
    if (allows(number, block, value)) continue;
    if (value != kDamagedValue || !excused(number, block, possible(number, block), damaged))
      return wrong_value(number, block, value);
  }
  if (found.used_blocks < data_blocks || found.used_blocks > data_blocks + damaged_blocks) {
    return text("volume ", number, " says that ", found.used_blocks, " blocks hold data, but ",
                data_blocks, " do (and ", damaged_blocks, " are damaged)");
  }
  return {};
}

std::string BlockModel::check_recovered(std::span<const RecoveredVolume> found,
                                        std::span<const DamagedBlock> damaged) const {
  std::string wrong = check_volumes(found);
  for (size_t i = 0; wrong.empty() && i < found.size(); ++i) {
    wrong = check_blocks(found[i], number_of(found[i].id, found[i].name), damaged);
  }
  return wrong.empty() ? check_parts(found, damaged) : wrong;
}

void BlockModel::restart(std::span<const RecoveredVolume> found) {
  std::vector<uint32_t> numbers;
  for (const RecoveredVolume& seen : found) {
    numbers.push_back(number_of(seen.id, seen.name));
  }
  for (const uint32_t write : pending_) op(write).state = OpState::kUnknown;
  pending_.clear();
  reads_.clear();
  restarted_ = ++now_;
  add_op(OpKind::kRestart, 0, {});
  restart_parts(found);
  for (Volume& known : volumes_) known.state = VolumeState::kGone;
  for (size_t i = 0; i < found.size(); ++i) {
    Volume& known = volume(numbers[i]);
    known.state = VolumeState::kLive;
    known.id = found[i].id;
    known.grown_blocks = 0;
    known.tier = found[i].tier;
    known.asked_tier.reset();
    known.blocks.resize(found[i].values.size());
    for (uint64_t block = 0; block < known.blocks.size(); ++block) {
      known.blocks[block].assign(1, {found[i].values[block], restarted_});
    }
  }
}

BlockModel::CrashSummary BlockModel::summarize(std::span<const RecoveredVolume> found) const {
  CrashSummary summary;
  for (const RecoveredVolume& seen : found) {
    const uint32_t number = number_of(seen.id, seen.name);
    for (uint64_t block = 0; block < volume_blocks(number); ++block) {
      const Block& candidates = volume(number).blocks[block];
      summary.trims_remembered += candidates.size() == 1 && seen.values[block] == kZeroValue &&
                                  candidates[0].value == kZeroValue &&
                                  candidates[0].completed > restarted_;
    }
    for (const uint32_t write : pending_) {
      if (op(write).kind != OpKind::kWrite || op(write).volume != number) continue;
      const BlockRange range = op(write).range;
      for (uint64_t block = range.first; block < range.end(); ++block) {
        ++(seen.values[block] == write ? summary.pending_survived : summary.pending_lost);
      }
    }
  }
  return summary;
}

std::string BlockModel::history(uint32_t number, uint64_t block) const {
  static constexpr const char* kKinds[] = {"write", "zero", "read", "crash", "roll-back"};
  static constexpr const char* kStates[] = {"in flight", "done", "refused", "unknown"};
  std::string out = text("  history of volume ", number, " (id ",
                         static_cast<uint32_t>(volume(number).id), ") block ", block, ":\n");
  for (uint32_t i = 1; i <= ops_.size(); ++i) {
    const Op& known = op(i);
    if (known.kind == OpKind::kRestart) {
      out += text("    [", known.invoked, "] crash and recovery\n");
    } else if (pending_on(i, number, block)) {
      out += text("    [", known.invoked, "..", known.completed, "] op ", i, " ",
                  kKinds[static_cast<size_t>(known.kind)], " ", known.range.first, "+",
                  known.range.count, " ", kStates[static_cast<size_t>(known.state)], "\n");
    }
  }
  out += "  allowed now:";
  for (const Candidate& x : volume(number).blocks[block]) out += " " + value_text(x.value);
  for (const uint32_t write : pending_) {
    if (pending_on(write, number, block))
      out += text(" ", value_text(written_by(write, block)), " (in flight)");
  }
  return out + "\n";
}

}  // namespace varve
