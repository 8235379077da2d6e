// ClusterChecker: what the clients of a cluster may see, by the contract (docs/contract.md): every
// 4 KiB block is a linearizable register, across crashes, partitions, pauses and takeovers; a write
// without an answer takes effect at most once, at any time until its session is fenced; after an
// attach has returned nothing of an older session takes effect or succeeds.
//
// Values are unique: a block names volume, block and operation (payload.h), and the operation is
// known to its session here. So the check is exact and cheap (Gibbons and Korach, 1997): all
// that is known of one value spans a zone, from the first completion to the last invocation of what
// wrote or read it. Zones that cannot be put in an order are a violation. Zeroes are not unique: a
// read of them counts for a trim as soon as only one can have been meant.
//
// Functions that judge return what is wrong: one sentence, and behind it the block's history; or an
// empty string.
//
// Thread rule: one thread. Time is a counter of invocations and completions; the clock is for the
// history only.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "core/base/ids.h"
#include "core/runtime/clock.h"
#include "tests/sim/payload.h"

namespace varve {

class ClusterChecker {
 public:
  explicit ClusterChecker(const Clock& clock) : clock_(clock) {}

  // Volumes are numbered 1, 2, ...; a new one reads as zeroes.
  uint32_t add_volume(std::string name, uint64_t blocks);
  uint64_t volume_blocks(uint32_t volume) const { return volumes_[volume - 1].blocks.size(); }
  const std::string& volume_name(uint32_t volume) const { return volumes_[volume - 1].name; }

  // Sessions: an attach and what is done under it. Once it has returned, every session of the
  // volume that had been attached before it was invoked is fenced.
  uint32_t begin_attach(uint32_t volume);
  void end_attach(uint32_t session, bool attached);

  enum class WriteEnd : uint8_t {
    kDone,
    kIndeterminate,  // an error, a time-out, a lost connection
    kRefused,        // an answer that promises that nothing was done
  };
  // The operation's number is the value that it writes; zeroing writes kZeroValue.
  uint32_t begin_write(uint32_t session, BlockRange range, bool zeroes);
  [[nodiscard]] std::string end_write(uint32_t op, WriteEnd end);
  uint32_t begin_read(uint32_t session, BlockRange range);
  [[nodiscard]] std::string end_read(uint32_t op, std::span<const BlockValue> values);
  void end_read_failed(uint32_t op);

  // When nothing is under way: what each in-sync member holds of a block.
  [[nodiscard]] std::string check_replicas(uint32_t volume, uint64_t block,
                                           std::span<const BlockValue> values);

  std::string history(uint32_t volume, uint64_t block) const;
  uint32_t op_count() const { return static_cast<uint32_t>(ops_.size()); }
  uint64_t reads_checked() const { return reads_checked_; }  // in blocks
  uint64_t open_ops() const { return open_ops_; }

 private:
  static constexpr uint64_t kForever = ~uint64_t{0};
  enum class OpKind : uint8_t { kWrite, kZero, kRead };
  struct Op {
    OpKind kind = OpKind::kWrite;
    uint32_t session = 0;
    BlockRange range;
    uint64_t invoked = 0;
    uint64_t completed = kForever;  // of one that has an answer
    uint64_t invoked_ns = 0;
    uint64_t completed_ns = 0;
    const char* outcome = "open";
    bool open = true;
  };
  struct Session {
    uint32_t volume = 0;
    uint64_t invoked = 0;
    uint64_t attached = kForever;
    uint64_t attached_ns = 0;
    uint64_t fenced = kForever;
    uint64_t fenced_ns = 0;
  };
  // What is known of one write, and with it of its value.
  struct Value {
    uint32_t op = 0;  // 0: the zeroes of the beginning
    uint64_t invoked = 0;
    uint64_t deadline = kForever;  // the fence: it cannot take effect after that
    bool certain = false;          // it took effect
    bool impossible = false;       // it must not have
    uint64_t first_completion = kForever;
    uint64_t last_invocation = 0;
  };
  struct Zone {
    uint64_t first_completion;
    uint64_t last_invocation;
    bool forward() const { return first_completion < last_invocation; }
  };
  struct Line {
    uint32_t op = 0;
    BlockValue value = kZeroValue;  // of a read
    bool ended = false;
  };
  struct Block {
    std::vector<Value> values;
    std::deque<Line> lines;  // the last of its history
  };
  struct Volume {
    std::string name;
    std::vector<Block> blocks;
  };

  Op& op(uint32_t number) { return ops_[number - 1]; }
  const Op& op(uint32_t number) const { return ops_[number - 1]; }
  Session& session(uint32_t number) { return sessions_[number - 1]; }
  const Session& session(uint32_t number) const { return sessions_[number - 1]; }
  Block& block_of(uint32_t op_number, uint64_t block);
  uint32_t begin(OpKind kind, uint32_t session, BlockRange range);
  void end(Op& ended, const char* outcome);
  static bool contradict(const Zone& a, const Zone& b);
  static Zone zone_of(const Value& value);
  static Zone zone_with_read(const Value& value, uint64_t invoked, uint64_t completed);
  const Value* contradiction(const Block& block, const Value& value, const Zone& zone) const;
  std::string judge(uint32_t volume, uint64_t block, const Value& value) const;
  bool may_be_read(const Block& block, const Value& value, uint64_t invoked,
                   uint64_t completed) const;
  std::string count_read(uint32_t volume, uint64_t block, BlockValue read, uint64_t invoked,
                         uint64_t completed);
  std::string count_zero_read(uint32_t volume, uint64_t block, uint64_t invoked,
                              uint64_t completed);
  void forget_what_is_over(Block& block) const;
  std::string wrong(uint32_t volume, uint64_t block, const std::string& what) const;
  std::string value_name(const Value& value) const;
  std::string line_text(const Line& line) const;
  void fence(uint32_t volume, uint64_t attach_invoked);

  const Clock& clock_;
  std::vector<Volume> volumes_;
  std::vector<Session> sessions_;
  std::vector<Op> ops_;
  std::vector<uint32_t> loose_;    // writes that are open or indeterminate, of sessions not fenced
  std::set<uint64_t> open_reads_;  // when they were invoked
  uint64_t now_ = 0;
  uint64_t open_ops_ = 0;
  uint64_t reads_checked_ = 0;
};

}  // namespace varve
