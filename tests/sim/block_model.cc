#include "tests/sim/block_model.h"

#include <algorithm>

#include "core/base/text.h"

namespace varve {

uint32_t BlockModel::begin_create(std::string name, uint64_t blocks) {
  Volume volume{.name = std::move(name)};
  volume.blocks.assign(blocks, Block(1));
  volume.family = static_cast<uint32_t>(volumes_.size()) + 1;
  volumes_.push_back(std::move(volume));
  return static_cast<uint32_t>(volumes_.size());
}

void BlockModel::end_create(uint32_t number, bool done, VolumeId id) {
  volume(number).state = done ? VolumeState::kLive : VolumeState::kGone;
  volume(number).id = id;
}

void BlockModel::begin_grow(uint32_t number, uint64_t blocks) {
  volume(number).grown_blocks = blocks;
}

void BlockModel::end_grow(uint32_t number, bool done) {
  Volume& grown = volume(number);
  if (done) grown.blocks.resize(grown.grown_blocks, Block(1));
  grown.grown_blocks = 0;
}

void BlockModel::end_set_tier(uint32_t number, bool done) {
  Volume& set = volume(number);
  if (done) set.tier = *set.asked_tier;
  set.asked_tier.reset();
}

void BlockModel::begin_delete(uint32_t number) {
  volume(number).state = VolumeState::kDeleting;
}

void BlockModel::end_delete(uint32_t number) {
  volume(number).state = VolumeState::kGone;
}

std::vector<uint32_t> BlockModel::volumes_in(VolumeState state) const {
  std::vector<uint32_t> numbers;
  for (uint32_t number = 1; number <= volumes_.size(); ++number) {
    if (volume(number).state == state) numbers.push_back(number);
  }
  return numbers;
}

uint32_t BlockModel::number_of(VolumeId id, std::string_view name) const {
  uint32_t created = 0;
  for (uint32_t number = 1; number <= volumes_.size(); ++number) {
    const Volume& known = volume(number);
    if (known.state == VolumeState::kCreating) {
      if (known.name == name) created = number;
    } else if (known.id == id) {
      return known.state != VolumeState::kGone && known.name == name ? number : 0;
    }
  }
  return created;
}

uint32_t BlockModel::add_op(OpKind kind, uint32_t number, BlockRange range) {
  ops_.push_back({.kind = kind, .volume = number, .range = range, .invoked = ++now_, .values = {}});
  return static_cast<uint32_t>(ops_.size());
}

BlockValue BlockModel::written_by(uint32_t number, uint64_t block) const {
  const Op& write = op(number);
  if (write.kind == OpKind::kRollBack) return write.values[block];
  return write.kind == OpKind::kZero ? kZeroValue : number;
}

bool BlockModel::pending_on(uint32_t pending, uint32_t number, uint64_t block) const {
  const Op& write = op(pending);
  return write.volume == number && block >= write.range.first && block < write.range.end();
}

uint32_t BlockModel::begin_write(uint32_t number, BlockRange range, bool zeroes) {
  const uint32_t write = add_op(zeroes ? OpKind::kZero : OpKind::kWrite, number, range);
  pend(write);
  return write;
}

void BlockModel::pend(uint32_t write) {
  pending_.push_back(write);
  const uint32_t number = op(write).volume;
  const BlockRange range = op(write).range;
  for (OpenRead& read : reads_) {
    const Op& open = op(read.op);
    if (open.volume != number) continue;
    const uint64_t end = std::min(range.end(), open.range.end());
    for (uint64_t block = std::max(range.first, open.range.first); block < end; ++block) {
      read.allowed[block - open.range.first].push_back(written_by(write, block));
      read.overlapped[block - open.range.first] = 1;
    }
  }
  for (Cut& cut : cuts_) {
    if (cut.pinned || cut.ended > 0) continue;
    for (Part& part : cut.parts)
      for (uint64_t block = range.first; part.volume == number && block < range.end(); ++block)
        part.allowed[block].push_back(written_by(write, block));
  }
}

void BlockModel::end_write(uint32_t write, bool done) {
  std::erase(pending_, write);
  Op& ended = op(write);
  ended.state = done ? OpState::kDone : OpState::kRefused;
  ended.completed = ++now_;
  if (!done) return;
  for (uint64_t block = ended.range.first; block < ended.range.end(); ++block) {
    Block& candidates = volume(ended.volume).blocks[block];
    std::erase_if(candidates, [&](const Candidate& x) { return x.completed < ended.invoked; });
    candidates.push_back({written_by(write, block), now_});
  }
}

void BlockModel::abandon_write(uint32_t write) {
  op(write).state = OpState::kUnknown;
  op(write).completed = ++now_;
}

uint64_t BlockModel::blocks_in_flight() const {
  uint64_t blocks = 0;
  for (const uint32_t write : pending_) {
    if (op(write).kind == OpKind::kWrite && op(write).state == OpState::kPending)
      blocks += op(write).range.count;
  }
  return blocks;
}

uint32_t BlockModel::begin_read(uint32_t number, BlockRange range) {
  OpenRead read{.op = add_op(OpKind::kRead, number, range)};
  read.allowed.resize(range.count);
  read.overlapped.resize(range.count);
  for (uint64_t i = 0; i < range.count; ++i) {
    read.allowed[i] = possible(number, range.first + i);
    for (const uint32_t write : pending_)
      if (pending_on(write, number, range.first + i)) read.overlapped[i] = 1;
  }
  reads_.push_back(std::move(read));
  return reads_.back().op;
}

BlockModel::OpenRead BlockModel::take_read(uint32_t read) {
  const auto at = std::find_if(reads_.begin(), reads_.end(),
                               [&](const OpenRead& open) { return open.op == read; });
  OpenRead taken = std::move(*at);
  reads_.erase(at);
  op(read).completed = ++now_;
  return taken;
}

// What was read has taken effect: values that had been acknowledged before it was written are gone,
// and where nothing overlapped it is the only one.
void BlockModel::settle_read(Block& block, BlockValue value, bool overlapped) {
  if (!overlapped) {
    std::erase_if(block, [&](const Candidate& x) { return x.value != value; });
  } else if (value != kZeroValue && value != kDamagedValue) {
    const uint64_t invoked = op(value).invoked;
    std::erase_if(block, [&](const Candidate& x) { return x.completed < invoked; });
  }
}

std::string BlockModel::end_read(uint32_t read, std::span<const BlockValue> values) {
  const OpenRead open = take_read(read);
  op(read).state = OpState::kDone;
  const BlockRange range = op(read).range;
  const uint32_t number = op(read).volume;
  for (uint64_t i = 0; i < range.count; ++i) {
    const auto& allowed = open.allowed[i];
    if (std::find(allowed.begin(), allowed.end(), values[i]) == allowed.end()) {
      return text("read ", read, ": ", wrong_value(number, range.first + i, values[i]));
    }
    settle_read(volume(number).blocks[range.first + i], values[i], open.overlapped[i] != 0);
  }
  return {};
}

std::string BlockModel::end_read_failed(uint32_t read, bool damaged) {
  const OpenRead open = take_read(read);
  op(read).state = OpState::kRefused;
  if (!damaged) {
    const VolumeState state = volume(op(read).volume).state;
    if (state == VolumeState::kDeleting || state == VolumeState::kGone) return {};
    return text("read ", read, " of a volume that exists failed");
  }
  for (const auto& allowed : open.allowed) {
    if (std::find(allowed.begin(), allowed.end(), kDamagedValue) != allowed.end()) return {};
  }
  const Op& failed = op(read);
  return text("read ", read, " says damaged, but nothing was; ",
              wrong_value(failed.volume, failed.range.first, kDamagedValue));
}

std::string BlockModel::check_status(uint32_t number, BlockRange range,
                                     std::span<const BlockStatusRun> runs) const {
  uint64_t block = range.first;
  for (const BlockStatusRun& run : runs) {
    if (run.block_count == 0) return "block status has an empty run";
    for (uint64_t i = 0; i < run.block_count && block < range.end(); ++i, ++block) {
      const Block& candidates = volume(number).blocks[block];
      const auto fits = [&](BlockValue value) {
        return value == kDamagedValue || (value != kZeroValue) == run.data;
      };
      bool right = std::any_of(candidates.begin(), candidates.end(),
                               [&](const Candidate& x) { return fits(x.value); });
      for (const uint32_t write : pending_) {
        right = right || (pending_on(write, number, block) && fits(written_by(write, block)));
      }
      if (right) continue;
      return text("block status says ", run.data ? "data" : "no data", " for volume ", number,
                  " block ", block, "\n", history(number, block));
    }
  }
  uint64_t total = 0;
  for (size_t i = 0; i < runs.size(); ++i) {
    total += runs[i].block_count;
    if (i > 0 && runs[i].data == runs[i - 1].data) return "block status has unmerged neighbours";
  }
  return total == range.count ? std::string() : "block status does not cover its range";
}

std::vector<BlockValue> BlockModel::possible(uint32_t number, uint64_t block) const {
  std::vector<BlockValue> values;
  for (const Candidate& x : volume(number).blocks[block]) values.push_back(x.value);
  for (const uint32_t write : pending_)
    if (pending_on(write, number, block)) values.push_back(written_by(write, block));
  return values;
}

bool BlockModel::allows(uint32_t number, uint64_t block, BlockValue value) const {
  const std::vector<BlockValue> values = possible(number, block);
  return std::find(values.begin(), values.end(), value) != values.end();
}

bool BlockModel::acknowledged(BlockValue value) const {
  return value != kZeroValue && value <= ops_.size() && op(value).state == OpState::kDone;
}

std::pair<uint64_t, uint64_t> BlockModel::data_blocks_bounds() const {
  std::pair<uint64_t, uint64_t> bounds{0, 0};
  for (const Volume& known : volumes_) {
    if (known.state != VolumeState::kLive) continue;
    for (const Block& block : known.blocks) {
      const auto data =
          static_cast<size_t>(std::count_if(block.begin(), block.end(), [](const Candidate& x) {
            return x.value != kZeroValue && x.value != kDamagedValue;
          }));
      // What a clone shows may lie in its base.
      bounds.first += data == block.size() && known.family == number_of(known.id, known.name);
      bounds.second += data > 0;
    }
  }
  for (const Cut& cut : cuts_)
    for (const Part& part : cut.parts)
      if (part.state != Part::State::kGone) bounds.second += part.allowed.size();
  if (cloned_) bounds.second = UINT64_MAX / 2;  // a base may have lost its name
  return bounds;
}

}  // namespace varve
