// The model must pass what a right store answers and flag each single wrong answer.
#include "tests/sim/block_model.h"

#include <catch2/catch_test_macros.hpp>

#include "core/runtime/random.h"

namespace varve {
namespace {

constexpr uint64_t kBlocks = 12;

// One event of a recorded run of a single volume.
struct Event {
  enum class Kind { kBeginWrite, kBeginZero, kEndWrite, kBeginRead, kEndRead, kCrash } kind;
  BlockRange range;
  uint32_t op = 0;                  // as the model numbers them; for ends, of which operation
  std::vector<BlockValue> values;   // reads and crashes
  std::vector<uint8_t> overlapped;  // per block: a write was in flight during the read
};

// A right store: each write takes effect at a moment between its invocation and its completion,
// each read too, and a crash makes each block of a write in flight take effect or not.
class Recorder {
 public:
  explicit Recorder(uint64_t seed) : random_(seed) {
    while (events_.size() < 160) step();
  }
  std::vector<Event> take() { return std::move(events_); }

 private:
  struct Write {
    uint32_t op;
    BlockRange range;
    BlockValue value;
    bool effective = false;
  };
  struct Read {
    uint32_t op;
    BlockRange range;
    std::vector<BlockValue> values;
    std::vector<uint8_t> overlapped;
  };

  void step() {
    switch (random_.below(12)) {
      case 0:
      case 1:
      case 2:
        begin_write(false);
        break;
      case 3:
        begin_write(true);
        break;
      case 4:
      case 5:
      case 6:
        end_write();
        break;
      case 7:
      case 8:
        begin_read();
        break;
      case 9:
      case 10:
        end_read();
        break;
      default:
        if (random_.chance(1, 12)) crash();
    }
  }
  BlockRange draw() {
    const uint64_t first = random_.below(kBlocks);
    return {first, 1 + random_.below(std::min<uint64_t>(3, kBlocks - first))};
  }
  void begin_write(bool zero) {
    const BlockRange range = draw();
    const uint32_t op = ++ops_;
    writes_.push_back({op, range, zero ? kZeroValue : op});
    for (Read& read : reads_) mark(read, range);
    events_.push_back(
        {zero ? Event::Kind::kBeginZero : Event::Kind::kBeginWrite, range, op, {}, {}});
    if (random_.chance(1, 2)) take_effect(writes_.back());
  }
  void take_effect(Write& write) {
    if (std::exchange(write.effective, true)) return;
    for (uint64_t b = write.range.first; b < write.range.end(); ++b) state_[b] = write.value;
  }
  void end_write() {
    if (writes_.empty()) return;
    const size_t i = random_.below(writes_.size());
    take_effect(writes_[i]);
    events_.push_back({Event::Kind::kEndWrite, writes_[i].range, writes_[i].op, {}, {}});
    writes_.erase(writes_.begin() + i);
  }
  void mark(Read& read, BlockRange range) {
    for (uint64_t b = range.first; b < range.end(); ++b) {
      if (b >= read.range.first && b < read.range.end()) read.overlapped[b - read.range.first] = 1;
    }
  }
  void begin_read() {
    Read read{++ops_, draw(), {}, {}};
    read.overlapped.assign(read.range.count, 0);
    for (const Write& write : writes_) mark(read, write.range);
    for (uint64_t b = read.range.first; b < read.range.end(); ++b) read.values.push_back(state_[b]);
    events_.push_back({Event::Kind::kBeginRead, read.range, read.op, {}, {}});
    reads_.push_back(read);
  }
  void end_read() {
    if (reads_.empty()) return;
    const size_t i = random_.below(reads_.size());
    if (random_.chance(1, 2)) {  // it took its values late
      for (uint64_t b = 0; b < reads_[i].range.count; ++b) {
        reads_[i].values[b] = state_[reads_[i].range.first + b];
      }
    }
    events_.push_back({Event::Kind::kEndRead, reads_[i].range, reads_[i].op, reads_[i].values,
                       reads_[i].overlapped});
    reads_.erase(reads_.begin() + i);
  }
  void crash() {
    for (Write& write : writes_) {
      for (uint64_t b = write.range.first; b < write.range.end() && !write.effective; ++b) {
        if (random_.chance(1, 2)) state_[b] = write.value;
      }
    }
    Event event{Event::Kind::kCrash, {0, kBlocks}, ++ops_, state_, {}};
    event.overlapped.assign(kBlocks, 0);
    for (const Write& write : writes_) {
      for (uint64_t b = write.range.first; b < write.range.end(); ++b) event.overlapped[b] = 1;
    }
    writes_.clear();
    reads_.clear();
    events_.push_back(std::move(event));
  }

  Random random_;
  std::vector<BlockValue> state_ = std::vector<BlockValue>(kBlocks, kZeroValue);
  std::vector<Write> writes_;
  std::vector<Read> reads_;
  std::vector<Event> events_;
  uint32_t ops_ = 0;
};

std::string replay(const std::vector<Event>& events) {
  BlockModel model;
  const uint32_t volume = model.begin_create("v", kBlocks);
  model.end_create(volume, true, VolumeId{7});
  std::string wrong;
  for (const Event& event : events) {
    switch (event.kind) {
      case Event::Kind::kBeginWrite:
        model.begin_write(volume, event.range, false);
        break;
      case Event::Kind::kBeginZero:
        model.begin_write(volume, event.range, true);
        break;
      case Event::Kind::kEndWrite:
        model.end_write(event.op, true);
        break;
      case Event::Kind::kBeginRead:
        model.begin_read(volume, event.range);
        break;
      case Event::Kind::kEndRead:
        wrong = model.end_read(event.op, event.values);
        break;
      case Event::Kind::kCrash: {
        RecoveredVolume found{VolumeId{7}, "v", 0, event.values, {}};
        for (const BlockValue value : event.values) found.used_blocks += value != kZeroValue;
        wrong = model.check_recovered({&found, 1}, {});
        if (wrong.empty()) model.restart({&found, 1});
      }
    }
    if (!wrong.empty()) break;
  }
  return wrong;
}

struct Written {
  BlockValue value;
  BlockRange range;
  size_t began;
  size_t ended;
};

// Writes to `block` that had been acknowledged before event `end`.
std::vector<Written> written_before(const std::vector<Event>& events, size_t end, uint64_t block) {
  std::vector<Written> writes;
  for (size_t i = 0; i < end; ++i) {
    if (events[i].kind != Event::Kind::kEndWrite) continue;
    if (block < events[i].range.first || block >= events[i].range.end()) continue;
    size_t began = i;
    while (events[began].op != events[i].op || events[began].kind == Event::Kind::kEndWrite)
      --began;
    const bool zero = events[began].kind == Event::Kind::kBeginZero;
    writes.push_back({zero ? kZeroValue : events[i].op, events[i].range, began, i});
  }
  return writes;
}

// A value that was replaced for good before event `end`; zero if there is none.
BlockValue replaced_value(const std::vector<Event>& events, size_t end, uint64_t block) {
  const auto writes = written_before(events, end, block);
  for (const Written& older : writes) {
    for (const Written& newer : writes) {
      if (older.value != kZeroValue && older.ended < newer.began) return older.value;
    }
  }
  return kZeroValue;
}

size_t beginning_of(const std::vector<Event>& events, size_t at) {
  if (events[at].kind != Event::Kind::kEndRead) return at;
  size_t began = at - 1;
  while (events[began].op != events[at].op) --began;
  return began;
}

bool wrote(const std::vector<Event>& events, BlockValue value, uint64_t block) {
  for (const Event& event : events) {
    if (event.op == value) return block >= event.range.first && block < event.range.end();
  }
  return false;
}

enum class Lie { kDropped, kResurrected, kSwapped, kTorn };

// Makes one result of the history wrong; false when it offers no place for such a lie.
bool tell_lie(std::vector<Event>& events, Lie lie, Random& random) {
  const size_t start = random.below(events.size());
  for (size_t step = 0; step < events.size(); ++step) {
    const size_t at = (start + step) % events.size();
    Event& event = events[at];
    for (size_t i = 0; i < event.values.size(); ++i) {
      BlockValue& value = event.values[i];
      if (event.overlapped[i]) continue;
      const uint64_t block = event.range.first + i;
      if (lie == Lie::kTorn) {
        value = kGarbageValue;
        return true;
      }
      if (lie == Lie::kSwapped) {
        if (i == 0 || value == kZeroValue || wrote(events, value, block - 1)) continue;
        std::swap(event.values[i - 1], value);
        return true;
      }
      const BlockValue older = replaced_value(events, beginning_of(events, at), block);
      if (older == kZeroValue || (lie == Lie::kResurrected) != (value == kZeroValue)) continue;
      value = older;
      return true;
    }
  }
  return false;
}

TEST_CASE("a right store is never accused") {
  for (uint64_t seed = 1; seed <= 1000; ++seed) {
    INFO("seed " << seed);
    REQUIRE(replay(Recorder(seed).take()) == "");
  }
}

TEST_CASE("one wrong result in a thousand good histories is always found") {
  for (const Lie lie : {Lie::kDropped, Lie::kResurrected, Lie::kSwapped, Lie::kTorn}) {
    uint32_t told = 0;
    for (uint64_t seed = 1; seed <= 1000; ++seed) {
      auto events = Recorder(seed).take();
      Random random(seed);
      if (!tell_lie(events, lie, random)) continue;
      ++told;
      INFO("seed " << seed << " lie " << static_cast<int>(lie));
      REQUIRE(replay(events) != "");
    }
    REQUIRE(told > 400);
  }
}

struct OneBlock {
  BlockModel model;
  uint32_t volume = model.begin_create("v", 4);
  OneBlock() { model.end_create(volume, true, VolumeId{1}); }
  uint32_t write(bool zero = false) {
    const uint32_t op = model.begin_write(volume, {0, 1}, zero);
    model.end_write(op, true);
    return op;
  }
  RecoveredVolume found(BlockValue value, uint64_t used) {
    return {VolumeId{1}, "v", used, {value, 0, 0, 0}, {}};
  }
};

TEST_CASE("a refused write must leave no trace") {
  OneBlock block;
  const uint32_t refused = block.model.begin_write(block.volume, {0, 1}, false);
  block.model.end_write(refused, false);
  CHECK_FALSE(block.model.allows(block.volume, 0, refused));
}

TEST_CASE("after a crash a write in flight may be there or not, an acknowledged one must be") {
  OneBlock block;
  const uint32_t old = block.write();
  const uint32_t acknowledged = block.write();
  const uint32_t pending = block.model.begin_write(block.volume, {0, 1}, false);
  for (const uint32_t value : {acknowledged, pending}) {
    const auto found = block.found(value, 1);
    CHECK(block.model.check_recovered({&found, 1}, {}) == "");
  }
  for (const uint32_t value : {old, kZeroValue, kGarbageValue, kDamagedValue}) {
    const auto found = block.found(value, value == kZeroValue ? 0 : 1);
    CHECK(block.model.check_recovered({&found, 1}, {}) != "");
  }
}

TEST_CASE("what was read once does not go back, not even over a crash") {
  OneBlock block;
  const uint32_t old = block.write();
  const uint32_t pending = block.model.begin_write(block.volume, {0, 1}, false);
  const uint32_t read = block.model.begin_read(block.volume, {0, 1});
  const BlockValue seen[] = {pending};
  REQUIRE(block.model.end_read(read, seen) == "");
  const auto found = block.found(old, 1);
  CHECK(block.model.check_recovered({&found, 1}, {}) != "");
}

TEST_CASE("damaged is an answer only where a value that counts was damaged") {
  OneBlock block;
  const uint32_t old = block.write();
  const uint32_t current = block.write();
  const auto found = block.found(kDamagedValue, 1);
  const DamagedBlock stale{VolumeId{1}, 0, old};
  const DamagedBlock hit{VolumeId{1}, 0, current};
  CHECK(block.model.check_recovered({&found, 1}, {&stale, 1}) != "");
  CHECK(block.model.check_recovered({&found, 1}, {&hit, 1}) == "");
}

TEST_CASE("volumes: deleted ones stay gone, created ones stay, in between either") {
  OneBlock block;
  const auto there = block.found(kZeroValue, 0);
  CHECK(block.model.check_recovered({&there, 1}, {}) == "");
  CHECK(block.model.check_recovered({}, {}) != "");
  block.model.begin_delete(block.volume);
  CHECK(block.model.check_recovered({&there, 1}, {}) == "");
  CHECK(block.model.check_recovered({}, {}) == "");
  block.model.end_delete(block.volume);
  CHECK(block.model.check_recovered({&there, 1}, {}) != "");
  CHECK(block.model.check_recovered({}, {}) == "");
}

TEST_CASE("tiers: the last one that was acknowledged, or the one on its way") {
  OneBlock block;
  const auto allows = [&](VolumeTier tier) {
    auto found = block.found(kZeroValue, 0);
    found.tier = tier;
    return block.model.check_recovered({&found, 1}, {}).empty();
  };
  CHECK(allows(VolumeTier::kAuto));
  CHECK_FALSE(allows(VolumeTier::kSsd));
  block.model.begin_set_tier(block.volume, VolumeTier::kSsd);
  CHECK(allows(VolumeTier::kAuto));
  CHECK(allows(VolumeTier::kSsd));
  CHECK_FALSE(allows(VolumeTier::kHdd));
  block.model.end_set_tier(block.volume, true);
  CHECK(allows(VolumeTier::kSsd));
  CHECK_FALSE(allows(VolumeTier::kAuto));
  block.model.begin_set_tier(block.volume, VolumeTier::kHdd);
  block.model.end_set_tier(block.volume, false);
  CHECK_FALSE(allows(VolumeTier::kHdd));
}

TEST_CASE("block status must agree with what may be read, cover its range and merge neighbours") {
  OneBlock block;
  block.write();
  const auto check = [&](std::vector<BlockStatusRun> runs) {
    return block.model.check_status(block.volume, {0, 4}, runs);
  };
  CHECK(check({{1, true}, {3, false}}) == "");
  CHECK(check({{1, false}, {3, false}}) != "");
  CHECK(check({{1, true}, {2, false}}) != "");
  CHECK(check({{1, true}, {2, false}, {1, false}}) != "");
  CHECK(check({{2, true}, {2, false}}) != "");
}

}  // namespace
}  // namespace varve
