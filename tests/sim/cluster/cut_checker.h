// CutChecker: what snapshots of a cluster's volumes may show (docs/contract.md, C9). All that were
// taken by one request are a cut through the history of all their volumes at one instant between
// its invocation and its answer:
//
//   * no write that was invoked after the answer is in it;
//   * no write that was done before the invocation is missing, unless overwritten;
//   * if a write is in it, every write that was done before that one was invoked is, too, of
//     whatever block and volume, unless overwritten (closure);
//   * whenever it is read, it is the same.
//
// A write counts as done when it was acknowledged, or read, by whoever came first. Zeroes are not
// unique: some write of them must fit.
//
// Functions that judge return what is wrong, or an empty string. Thread rule: one thread. Time is a
// counter of events.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "tests/sim/payload.h"

namespace varve {

class CutChecker {
 public:
  // `op`: its number, the value that it writes.
  void begin_write(uint32_t op, uint32_t volume, BlockRange range, bool zeroes);
  void end_write(uint32_t op, bool done, bool refused);
  // A read of the volume that has ended returned this.
  void saw(uint32_t volume, uint64_t block, BlockValue value);

  // Cuts are numbered 1, 2, ...
  uint32_t begin_cut();
  void end_cut(uint32_t cut);  // it was answered: it is there
  [[nodiscard]] std::string read(uint32_t cut, uint32_t volume, uint64_t block, BlockValue value);

  uint64_t blocks_checked() const { return blocks_checked_; }

 private:
  static constexpr uint64_t kNever = ~uint64_t{0};
  // A write as one block has it.
  struct Write {
    uint32_t op = 0;  // 0: the zeroes of the beginning
    bool zeroes = false;
    bool refused = false;
    uint64_t invoked = 0;
    uint64_t done = kNever;
  };
  using Place = std::pair<uint32_t, uint64_t>;  // volume, block
  struct Cut {
    uint64_t invoked = 0;
    uint64_t answered = kNever;
    uint64_t newest_invoked = 0;  // of all writes that were found in it
    std::map<Place, BlockValue> values;
  };

  std::vector<Write>& writes_of(const Place& place);
  std::string judge(const Cut& cut, const Place& place, BlockValue value);
  // What is wrong with finding this write there.
  std::string judge(const Cut& cut, const std::vector<Write>& writes, const Write& found) const;

  std::map<Place, std::vector<Write>> blocks_;
  std::map<uint32_t, std::pair<uint32_t, BlockRange>> open_;  // op -> volume, range
  std::vector<Cut> cuts_;
  uint64_t now_ = 0;
  uint64_t blocks_checked_ = 0;
};

}  // namespace varve
