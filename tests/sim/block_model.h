// BlockModel: what a store may answer, by the contract (docs/contract.md: C1, C3 to C6, C8, C10 and
// C12), given what was asked of it and when.
//
// Every block is a register. An operation on it is invoked and, later, completes; between the two
// its value may or may not have taken effect. A read may return the last acknowledged value, or
// that of a write that overlaps it in time; once a value was returned, older ones are gone. A crash
// turns writes in flight into possible values; the first read after it pins each block. Values are
// unique (see payload.h), which makes all this cheap and exact.
//
// A cut is a set of snapshots, of several volumes at one instant. What it may hold is known when it
// has been made; reading it in full, once, pins it for ever. Then there must be an instant that
// fits every block: after the beginning of each write that is in it, before the end of each that is
// newer than what is.
//
// Functions that judge return what is wrong as one sentence, or an empty string.
//
// Thread rule: plain values; copyable. Time is a counter of invocations and completions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/store/store.h"
#include "tests/sim/payload.h"

namespace varve {

// A block that damage on the device may have hit: where, and which of its values was lost.
struct DamagedBlock {
  VolumeId volume{};
  uint64_t block = 0;
  BlockValue value = kZeroValue;
};

// What recovery brought back.
struct RecoveredSnapshot {
  std::string name;
  Generation generation = 0;
  std::vector<BlockValue> values;
};
struct RecoveredVolume {
  VolumeId id{};
  std::string name;
  uint64_t used_blocks = 0;
  std::vector<BlockValue> values;
  std::vector<RecoveredSnapshot> snapshots;
  VolumeTier tier = VolumeTier::kAuto;
};

class BlockModel {
 public:
  enum class VolumeState : uint8_t { kCreating, kLive, kDeleting, kGone };

  // Volumes, by number (1, 2, ...); numbers are never reused.
  uint32_t begin_create(std::string name, uint64_t blocks);
  // A clone begins as its base is.
  uint32_t begin_clone(std::string name, uint64_t blocks, uint32_t cut, uint32_t part);
  void end_create(uint32_t number, bool done, VolumeId id);
  // To `blocks`, which are more: what is new reads as zeroes. Not with a cut or a roll-back of the
  // volume in flight.
  void begin_grow(uint32_t number, uint64_t blocks);
  void end_grow(uint32_t number, bool done);
  bool growing(uint32_t number) const { return volume(number).grown_blocks != 0; }
  // One at a time for each volume. `done` false: it was refused.
  void begin_set_tier(uint32_t number, VolumeTier tier) { volume(number).asked_tier = tier; }
  void end_set_tier(uint32_t number, bool done);
  bool setting_tier(uint32_t number) const { return volume(number).asked_tier.has_value(); }
  void begin_delete(uint32_t number);
  void end_delete(uint32_t number);
  VolumeState volume_state(uint32_t number) const { return volume(number).state; }
  VolumeId volume_id(uint32_t number) const { return volume(number).id; }
  uint64_t volume_blocks(uint32_t number) const { return volume(number).blocks.size(); }
  const std::string& volume_name(uint32_t number) const { return volume(number).name; }
  // The volume that the clones of clones began with: stamps name it.
  uint32_t family(uint32_t number) const { return volume(number).family; }
  std::vector<uint32_t> volumes_in(VolumeState state) const;
  // The model's number of a volume that a recovered store shows; 0: it must not be there.
  uint32_t number_of(VolumeId id, std::string_view name) const;

  // Writes. The operation's number is also the value it writes (zeroing writes kZeroValue).
  uint32_t begin_write(uint32_t number, BlockRange range, bool zeroes);
  void end_write(uint32_t op, bool done);  // not done: it was refused and had no effect
  // It ended without an answer that counts (its volume is being deleted): its effect stays
  // possible.
  void abandon_write(uint32_t op);
  uint64_t blocks_in_flight() const;  // that writes, not zeroings, would add at most

  // The volume becomes what the snapshot is; ends like a write.
  uint32_t begin_roll_back(uint32_t cut, uint32_t part);

  // Cuts, by number (1, 2, ...); their parts are one snapshot each.
  struct Part {
    enum class State : uint8_t { kCreating, kLive, kDropping, kGone };
    uint32_t volume = 0;
    State state = State::kCreating;
    Generation generation = 0;
    std::vector<std::vector<BlockValue>> allowed;  // per block
  };
  struct Cut {
    std::string name;
    bool pinned = false;  // every block has one allowed value
    uint64_t begun = 0;
    uint64_t ended = 0;
    std::vector<Part> parts;
  };
  uint32_t begin_cut(std::string name, std::span<const uint32_t> numbers);
  void end_cut(uint32_t cut, std::span<const SnapshotInfo> made);  // none: it was refused
  // What the first read of each part in full has found.
  [[nodiscard]] std::string pin_cut(uint32_t cut,
                                    const std::vector<std::vector<BlockValue>>& values);
  [[nodiscard]] std::string check_snapshot(uint32_t cut, uint32_t part, BlockRange range,
                                           std::span<const BlockValue> values) const;
  void begin_drop(uint32_t cut, uint32_t part);
  void end_drop(uint32_t cut, uint32_t part);
  const Cut& cut(uint32_t number) const { return cuts_[number - 1]; }
  // Live parts of pinned cuts, as (cut, part); `number`: of this volume, 0: of any.
  std::vector<std::pair<uint32_t, uint32_t>> live_parts(uint32_t number = 0) const;
  bool roll_back_in_flight() const;
  bool cut_in_flight() const { return !cuts_.empty() && cuts_.back().ended == 0; }
  // Blocks may be live that no view shows: a clone's base without a name.
  bool cloned() const { return cloned_; }
  bool has_parts(uint32_t number) const;  // of that volume, in whatever state but gone

  uint32_t begin_read(uint32_t number, BlockRange range);
  [[nodiscard]] std::string end_read(uint32_t read, std::span<const BlockValue> values);
  // The read ended without values: the volume is gone, or (damaged) a block in the range is.
  [[nodiscard]] std::string end_read_failed(uint32_t read, bool damaged);
  [[nodiscard]] std::string check_status(uint32_t number, BlockRange range,
                                         std::span<const BlockStatusRun> runs) const;

  bool allows(uint32_t number, uint64_t block, BlockValue value) const;
  bool acknowledged(BlockValue value) const;
  // Least and most blocks that may hold data in all live volumes together.
  std::pair<uint64_t, uint64_t> data_blocks_bounds() const;

  // Judges what a crash left behind. `damaged`: blocks that may answer kDamaged instead.
  [[nodiscard]] std::string check_recovered(std::span<const RecoveredVolume> found,
                                            std::span<const DamagedBlock> damaged) const;
  // The recovered state is the truth from now on; nothing is in flight.
  void restart(std::span<const RecoveredVolume> found);

  struct CrashSummary {
    uint64_t pending_survived = 0;
    uint64_t pending_lost = 0;
    uint64_t trims_remembered = 0;
  };
  CrashSummary summarize(std::span<const RecoveredVolume> found) const;

  // The block's operations, one line each with its state, and what may be read now.
  std::string history(uint32_t number, uint64_t block) const;
  uint32_t op_count() const { return static_cast<uint32_t>(ops_.size()); }

 private:
  enum class OpKind : uint8_t { kWrite, kZero, kRead, kRestart, kRollBack };
  enum class OpState : uint8_t { kPending, kDone, kRefused, kUnknown };
  struct Op {
    OpKind kind = OpKind::kWrite;
    OpState state = OpState::kPending;
    uint32_t volume = 0;
    BlockRange range;
    uint64_t invoked = 0;
    uint64_t completed = 0;
    std::vector<BlockValue> values;  // of a roll-back, per block
  };
  struct Candidate {
    BlockValue value = kZeroValue;
    uint64_t completed = 0;
  };
  using Block = std::vector<Candidate>;
  struct Volume {
    std::string name;
    VolumeId id{};
    VolumeState state = VolumeState::kCreating;
    uint32_t family = 0;
    std::vector<Block> blocks;
    uint64_t grown_blocks = 0;  // its size, perhaps; 0: nobody is growing it
    VolumeTier tier = VolumeTier::kAuto;
    std::optional<VolumeTier> asked_tier;  // its tier, perhaps
  };
  struct OpenRead {
    uint32_t op = 0;
    std::vector<std::vector<BlockValue>> allowed;  // per block of its range
    std::vector<uint8_t> overlapped;               // a write was in flight meanwhile
  };

  Volume& volume(uint32_t number) { return volumes_[number - 1]; }
  const Volume& volume(uint32_t number) const { return volumes_[number - 1]; }
  Op& op(uint32_t number) { return ops_[number - 1]; }
  const Op& op(uint32_t number) const { return ops_[number - 1]; }
  uint32_t add_op(OpKind kind, uint32_t number, BlockRange range);
  BlockValue written_by(uint32_t number, uint64_t block) const;
  // A write, zeroing or roll-back has begun.
  void pend(uint32_t write);
  std::vector<BlockValue> possible(uint32_t number, uint64_t block) const;
  std::string check_one_instant(const Cut& cut,
                                const std::vector<std::vector<BlockValue>>& values) const;
  std::string check_parts(std::span<const RecoveredVolume> found,
                          std::span<const DamagedBlock> damaged) const;
  std::string check_part(const Part& part, const RecoveredSnapshot& found,
                         std::span<const DamagedBlock> damaged) const;
  bool excused(uint32_t number, uint64_t block, std::span<const BlockValue> allowed,
               std::span<const DamagedBlock> damaged) const;
  void restart_parts(std::span<const RecoveredVolume> found);
  bool pending_on(uint32_t pending, uint32_t number, uint64_t block) const;
  void settle_read(Block& block, BlockValue value, bool overlapped);
  OpenRead take_read(uint32_t read);
  std::string check_volumes(std::span<const RecoveredVolume> found) const;
  std::string check_blocks(const RecoveredVolume& found, uint32_t number,
                           std::span<const DamagedBlock> damaged) const;
  std::string wrong_value(uint32_t number, uint64_t block, BlockValue value) const;

  std::vector<Volume> volumes_;
  std::vector<Op> ops_;
  std::vector<uint32_t> pending_;  // writes and zeroings in flight
  std::vector<OpenRead> reads_;
  std::vector<Cut> cuts_;
  bool cloned_ = false;  // blocks may be shared between volumes
  uint64_t now_ = 0;
  uint64_t restarted_ = 0;  // when the last crash was
};

}  // namespace varve
