#include "tests/tools/stamp/checker.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/text.h"

namespace varve {

const char* violation_name(Violation violation) {
  switch (violation) {
    case Violation::kNone:
      return "none";
    case Violation::kLost:
      return "lost";
    case Violation::kWentBack:
      return "went back";
    case Violation::kForeign:
      return "foreign";
  }
  return "unknown";
}

Checker::Checker(uint64_t block_count) : blocks_(block_count) {}

void Checker::write_sent(uint64_t op, BlockRange range, WriteValue value, uint64_t tick) {
  VARVE_CHECK(op > op_max_ && range.end() <= blocks_.size());
  op_max_ = op;
  unanswered_.emplace(op, range);
  for (uint64_t i = range.first; i < range.end(); ++i) {
    std::vector<Write>& writes = blocks_[i].writes;
    if (writes.empty()) writes.push_back({.latest = 0, .happened = true});
    writes.push_back({.op = op, .sent = tick, .value = value});
  }
}

void Checker::write_acknowledged(uint64_t op, uint64_t tick) {
  const auto found = unanswered_.find(op);
  if (found == unanswered_.end()) return;  // a late answer, after the fence: worth nothing
  const BlockRange range = found->second;
  unanswered_.erase(found);
  for (uint64_t i = range.first; i < range.end(); ++i) {
    Block& block = blocks_[i];
    const auto write = std::ranges::find(block.writes, op, &Write::op);
    if (write == block.writes.end()) continue;  // read, overwritten and over before its answer
    write->happened = true;
    write->latest = std::min(write->latest, tick);
    const uint64_t sent = write->sent;
    for (Write& other : block.writes) {
      if (other.latest < sent) other.over_since = std::min(other.over_since, tick);
    }
    drop_over(block);
  }
}

void Checker::fence(uint64_t tick) {
  for (const auto& [op, range] : unanswered_) {
    for (uint64_t i = range.first; i < range.end(); ++i) {
      for (Write& write : blocks_[i].writes) {
        if (write.op == op) write.latest = std::min(write.latest, tick);
      }
    }
  }
  unanswered_.clear();
}

void Checker::read_sent(BlockRange range) {
  VARVE_CHECK(range.end() <= blocks_.size());
  for (uint64_t i = range.first; i < range.end(); ++i) ++blocks_[i].open_read_count;
}

void Checker::read_ended(BlockRange range) {
  for (uint64_t i = range.first; i < range.end(); ++i) {
    VARVE_CHECK(blocks_[i].open_read_count > 0);
    --blocks_[i].open_read_count;
    drop_over(blocks_[i]);
  }
}

bool Checker::matches(const Write& write, uint64_t op) {
  return op == 0 ? write.value == WriteValue::kZeroes
                 : write.op == op && write.value == WriteValue::kStamp;
}

Verdict Checker::block_read(uint64_t block_index, uint64_t op, uint64_t sent_tick, uint64_t tick) {
  VARVE_CHECK(block_index < blocks_.size());
  Block& block = blocks_[block_index];
  if (block.writes.empty()) return {.violation = op == 0 ? Violation::kNone : classify(block, op)};

  Write* only = nullptr;
  uint32_t candidate_count = 0;
  uint64_t earliest_sent = kNever;
  for (Write& write : block.writes) {
    if (!matches(write, op) || write.over_since <= sent_tick) continue;
    // Overwritten while the read was under way: allowed, and says nothing about what is there now.
    if (write.over_since != kNever) return {};
    only = &write;
    ++candidate_count;
    earliest_sent = std::min(earliest_sent, write.sent);
  }
  if (candidate_count == 0) return {.violation = classify(block, op)};

  Verdict verdict;
  if (candidate_count == 1) {
    verdict.learned = !only->happened || only->latest > tick;
    only->happened = true;
    only->seen = true;
    only->latest = std::min(only->latest, tick);
  }
  const uint64_t behind = std::max(sent_tick, earliest_sent);
  for (Write& other : block.writes) {
    if (matches(other, op) || other.latest >= behind || other.over_since != kNever) continue;
    other.over_since = tick;
    verdict.learned = true;
  }
  drop_over(block);
  return verdict;
}

// Reads that are under way may still return what was overwritten since they were sent.
void Checker::drop_over(Block& block) {
  if (block.open_read_count > 0) return;
  std::erase_if(block.writes, [](const Write& write) { return write.over_since != kNever; });
}

Violation Checker::classify(const Block& block, uint64_t op) const {
  if (op > op_max_ || block.writes.empty()) return Violation::kForeign;
  const bool newer_seen = std::ranges::any_of(
      block.writes, [](const Write& write) { return write.seen && write.over_since == kNever; });
  return newer_seen ? Violation::kWentBack : Violation::kLost;
}

std::string Checker::allowed(uint64_t block) const {
  std::string out;
  for (const Write& write : blocks_[block].writes) {
    if (write.over_since != kNever) continue;
    if (!out.empty()) out += " or ";
    out += write.value == WriteValue::kZeroes ? "zeroes" : "write";
    if (write.op != 0) out += text(" ", write.op, write.happened ? "" : " (in doubt)");
  }
  return out.empty() ? "zeroes (never written)" : out;
}

bool Checker::holds_known_write(uint64_t block) const {
  return std::ranges::any_of(blocks_[block].writes, [](const Write& write) {
    return write.op != 0 && write.happened && write.over_since == kNever;
  });
}

}  // namespace varve
