#include "tests/sim/cluster/cut_checker.h"

#include <algorithm>

#include "core/base/text.h"

namespace varve {

std::vector<CutChecker::Write>& CutChecker::writes_of(const Place& place) {
  std::vector<Write>& writes = blocks_[place];
  if (writes.empty()) writes.push_back({.zeroes = true, .done = 0});
  return writes;
}

void CutChecker::begin_write(uint32_t op, uint32_t volume, BlockRange range, bool zeroes) {
  ++now_;
  open_[op] = {volume, range};
  for (uint64_t block = range.first; block < range.end(); ++block)
    writes_of({volume, block}).push_back({.op = op, .zeroes = zeroes, .invoked = now_});
}

void CutChecker::end_write(uint32_t op, bool done, bool refused) {
  ++now_;
  const auto [volume, range] = open_.at(op);
  open_.erase(op);
  for (uint64_t block = range.first; block < range.end(); ++block) {
    for (Write& write : writes_of({volume, block})) {
      if (write.op != op) continue;
      write.refused = refused;
      if (done) write.done = std::min(write.done, now_);
    }
  }
}

void CutChecker::saw(uint32_t volume, uint64_t block, BlockValue value) {
  ++now_;
  if (value == kZeroValue) return;  // one of them, nobody knows which
  for (Write& write : writes_of({volume, block}))
    if (write.op == value) write.done = std::min(write.done, now_);
}

uint32_t CutChecker::begin_cut() {
  cuts_.push_back({.invoked = ++now_, .values = {}});
  return static_cast<uint32_t>(cuts_.size());
}

void CutChecker::end_cut(uint32_t number) {
  cuts_[number - 1].answered = ++now_;
}

std::string CutChecker::read(uint32_t number, uint32_t volume, uint64_t block, BlockValue value) {
  ++blocks_checked_;
  Cut& cut = cuts_[number - 1];
  const Place place{volume, block};
  const std::string where = text("snapshot ", number, " of volume ", volume, " block ", block);
  const auto [held, fresh] = cut.values.emplace(place, value);
  if (held->second != value)
    return text(where, ": shows ", value_text(value), ", and ", value_text(held->second),
                " before\n");
  if (!fresh) return {};
  std::string wrong = judge(cut, place, value);
  if (!wrong.empty()) return text(where, ": ", wrong);
  uint64_t invoked = 0;
  for (const Write& write : writes_of(place))
    if (write.op == value && !write.zeroes) invoked = write.invoked;
  if (invoked <= cut.newest_invoked) return {};
  cut.newest_invoked = invoked;
  for (const auto& [other, shown] : cut.values) {
    wrong = judge(cut, other, shown);
    if (!wrong.empty())
      return text(where, ": shows ", value_text(value), ", but volume ", other.first, " block ",
                  other.second, ": ", wrong);
  }
  return {};
}

std::string CutChecker::judge(const Cut& cut, const Place& place, BlockValue value) {
  const std::vector<Write>& writes = writes_of(place);
  std::string wrong = text("shows ", value_text(value), ", which nobody wrote there\n");
  for (const Write& write : writes) {
    const bool candidate = value == kZeroValue ? write.zeroes : write.op == value && !write.zeroes;
    if (!candidate) continue;
    wrong = judge(cut, writes, write);
    if (wrong.empty()) return {};
  }
  return wrong;
}

std::string CutChecker::judge(const Cut& cut, const std::vector<Write>& writes,
                              const Write& found) const {
  if (found.refused) return text("shows op ", found.op, ", which was refused\n");
  if (found.invoked > cut.answered)
    return text("shows op ", found.op, ", which was begun after the snapshot was there\n");
  const uint64_t since = std::max(cut.invoked, cut.newest_invoked);
  for (const Write& other : writes)
    if (found.done < other.invoked && other.done < since)
      return text("shows op ", found.op, ", and not op ", other.op, " which came after it and was ",
                  other.done < cut.invoked ? "done before the snapshot was asked for\n"
                                           : "done before another one began that is in\n");
  return {};
}

}  // namespace varve
