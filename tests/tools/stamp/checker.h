// Checker: decides for each block which values a read may return, from what a client has seen.
//
// Contract (docs/contract.md, C1 and C3 to C6): every block is a register. A write takes effect at
// one instant between its sending and its acknowledgement; a read returns the newest value at one
// instant between its sending and its answer. A write whose answer never came takes effect at most
// once, at any time until a fence (the server that had it is gone), or not at all.
//
// How: each write of a block is kept with the span [sent, latest] in which it took effect. It is
// *over* as soon as something that certainly happened lies wholly behind it: a write sent after
// `latest`, or a read sent after `latest` that returned something else. A read may return every
// write that was not over when the read was sent. What a read returns has happened, by the time of
// the answer at the latest, so a value can neither flip back nor appear late.
//
// The checker never raises a false alarm. It is a little lenient where two equal values (zeroes)
// are possible at once. Time is counted in ticks: the caller gives a larger one with each event.
//
// Thread rule: one thread. No clock, no I/O.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/ids.h"

namespace varve {

enum class WriteValue : uint8_t { kStamp, kZeroes };  // trim and write-zeroes write zeroes

enum class Violation : uint8_t {
  kNone,
  kLost,      // an acknowledged write is missing: something older came back
  kWentBack,  // a read had returned a newer value before
  kForeign,   // nobody wrote this here
};
const char* violation_name(Violation violation);

struct Verdict {
  Violation violation = Violation::kNone;
  bool learned = false;  // the read ruled something out: worth remembering
};

class Checker {
 public:
  // A new volume: every block reads as zeroes.
  explicit Checker(uint64_t block_count);

  uint64_t block_count() const { return blocks_.size(); }

  // `op` is unique, never 0, and grows. Without an answer it stays in doubt.
  void write_sent(uint64_t op, BlockRange range, WriteValue value, uint64_t tick);
  void write_acknowledged(uint64_t op, uint64_t tick);
  // No write sent before can take effect any more, unless it has already.
  void fence(uint64_t tick);

  void read_sent(BlockRange range);
  // One block of a read that was sent at `sent_tick` returned what `op` wrote; 0: zeroes.
  Verdict block_read(uint64_t block, uint64_t op, uint64_t sent_tick, uint64_t tick);
  // After the last block_read of the read, or when it failed.
  void read_ended(BlockRange range);

  // What a read sent now may return, in words: "write 7, write 9 (in doubt) or zeroes".
  std::string allowed(uint64_t block) const;
  // A write to the block was acknowledged or read, so that losing it would show.
  bool holds_known_write(uint64_t block) const;
  uint64_t in_doubt_count() const { return unanswered_.size(); }

 private:
  static constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

  struct Write {
    uint64_t op = 0;
    uint64_t sent = 0;
    uint64_t latest = kNever;      // took effect by then, if ever
    uint64_t over_since = kNever;  // no read sent afterwards may return it
    WriteValue value = WriteValue::kZeroes;
    bool happened = false;  // acknowledged or read
    bool seen = false;      // read
  };
  struct Block {
    std::vector<Write> writes;  // empty: only the zeroes of a new volume
    uint32_t open_read_count = 0;
  };
  static bool matches(const Write& write, uint64_t op);
  static void drop_over(Block& block);
  Violation classify(const Block& block, uint64_t op) const;

  std::vector<Block> blocks_;
  std::unordered_map<uint64_t, BlockRange> unanswered_;  // neither acknowledged nor fenced
  uint64_t op_max_ = 0;
};

}  // namespace varve
