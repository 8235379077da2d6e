#include "tests/sim/cluster/cluster_checker.h"

#include <algorithm>

#include "core/base/check.h"
#include "core/base/text.h"

namespace varve {

namespace {
constexpr size_t kLinesMax = 40;
constexpr size_t kSessionsShown = 8;

std::string ms_text(uint64_t time_ns) {
  std::string fraction = std::to_string(time_ns / 1000 % 1000);
  return text(time_ns / 1'000'000, ".", std::string(3 - fraction.size(), '0'), fraction, " ms");
}
}  // namespace

uint32_t ClusterChecker::add_volume(std::string name, uint64_t blocks) {
  Volume volume{.name = std::move(name)};
  volume.blocks.resize(blocks);
  for (Block& block : volume.blocks) {
    block.values.push_back({.certain = true, .first_completion = 0});
  }
  volumes_.push_back(std::move(volume));
  return static_cast<uint32_t>(volumes_.size());
}

// --- sessions

uint32_t ClusterChecker::begin_attach(uint32_t volume) {
  sessions_.push_back({.volume = volume, .invoked = ++now_});
  return static_cast<uint32_t>(sessions_.size());
}

void ClusterChecker::end_attach(uint32_t number, bool attached) {
  ++now_;
  if (!attached) return;
  Session& ended = session(number);
  ended.attached = now_;
  ended.attached_ns = clock_.monotonic_ns();
  fence(ended.volume, ended.invoked);
}

void ClusterChecker::fence(uint32_t volume, uint64_t attach_invoked) {
  for (Session& older : sessions_) {
    if (older.volume != volume || older.attached >= attach_invoked || older.fenced != kForever)
      continue;
    older.fenced = now_;
    older.fenced_ns = clock_.monotonic_ns();
  }
  std::erase_if(loose_, [this](uint32_t number) {
    const Op& write = op(number);
    const Session& owner = session(write.session);
    if (owner.fenced != now_) return false;
    for (uint64_t block = write.range.first; block < write.range.end(); ++block) {
      for (Value& value : volumes_[owner.volume - 1].blocks[block].values) {
        if (value.op == number) value.deadline = now_;
      }
    }
    return true;
  });
}

// --- operations

uint32_t ClusterChecker::begin(OpKind kind, uint32_t session_number, BlockRange range) {
  ops_.push_back({.kind = kind,
                  .session = session_number,
                  .range = range,
                  .invoked = ++now_,
                  .invoked_ns = clock_.monotonic_ns()});
  ++open_ops_;
  const auto number = static_cast<uint32_t>(ops_.size());
  for (uint64_t block = range.first; block < range.end(); ++block) {
    std::deque<Line>& lines = block_of(number, block).lines;
    if (lines.size() == kLinesMax) lines.pop_front();
    lines.push_back({.op = number});
  }
  return number;
}

ClusterChecker::Block& ClusterChecker::block_of(uint32_t op_number, uint64_t block) {
  return volumes_[session(op(op_number).session).volume - 1].blocks[block];
}

void ClusterChecker::end(Op& ended, const char* outcome) {
  VARVE_CHECK(ended.open);
  ended.open = false;
  ended.completed_ns = clock_.monotonic_ns();
  ended.outcome = outcome;
  --open_ops_;
}

uint32_t ClusterChecker::begin_write(uint32_t session_number, BlockRange range, bool zeroes) {
  const uint32_t number = begin(zeroes ? OpKind::kZero : OpKind::kWrite, session_number, range);
  const bool fenced = session(session_number).fenced != kForever;
  for (uint64_t block = range.first; block < range.end(); ++block) {
    Block& where = block_of(number, block);
    forget_what_is_over(where);
    where.values.push_back(
        {.op = number, .invoked = now_, .impossible = fenced, .last_invocation = now_});
  }
  if (!fenced) loose_.push_back(number);
  return number;
}

std::string ClusterChecker::end_write(uint32_t number, WriteEnd how) {
  ++now_;
  Op& ended = op(number);
  const Session& owner = session(ended.session);
  end(ended, how == WriteEnd::kDone ? "ok" : how == WriteEnd::kRefused ? "refused" : "unknown");
  if (how == WriteEnd::kIndeterminate) return {};
  ended.completed = now_;
  std::erase(loose_, number);
  if (how == WriteEnd::kDone && owner.fenced < ended.invoked) {
    return wrong(owner.volume, ended.range.first,
                 text("write op ", number, " succeeded though its session was fenced before"));
  }
  for (uint64_t block = ended.range.first; block < ended.range.end(); ++block) {
    for (Value& value : block_of(number, block).values) {
      if (value.op != number) continue;
      if (how == WriteEnd::kRefused) {
        value.impossible = true;
        if (!value.certain) continue;
        return wrong(owner.volume, block, text("op ", number, " was refused, and has been read"));
      }
      value.certain = true;
      value.first_completion = std::min(value.first_completion, now_);
      std::string found = judge(owner.volume, block, value);
      if (!found.empty()) return found;
    }
  }
  return {};
}

uint32_t ClusterChecker::begin_read(uint32_t session_number, BlockRange range) {
  const uint32_t number = begin(OpKind::kRead, session_number, range);
  open_reads_.insert(now_);
  return number;
}

void ClusterChecker::end_read_failed(uint32_t number) {
  ++now_;
  end(op(number), "failed");
  open_reads_.erase(op(number).invoked);
}

std::string ClusterChecker::end_read(uint32_t number, std::span<const BlockValue> values) {
  ++now_;
  Op& ended = op(number);
  const Session& owner = session(ended.session);
  end(ended, "ok");
  ended.completed = now_;
  open_reads_.erase(ended.invoked);
  for (uint64_t i = 0; i < ended.range.count; ++i) {
    for (Line& line : block_of(number, ended.range.first + i).lines) {
      if (line.op == number) line = {number, values[i], true};
    }
  }
  if (owner.fenced < ended.invoked) {
    return wrong(owner.volume, ended.range.first,
                 text("read op ", number, " succeeded though its session was fenced before"));
  }
  // It cannot have been served after the fence.
  const uint64_t completed = std::min(now_, owner.fenced);
  for (uint64_t i = 0; i < ended.range.count; ++i) {
    std::string found =
        count_read(owner.volume, ended.range.first + i, values[i], ended.invoked, completed);
    if (!found.empty()) return text("read op ", number, ": ", found);
  }
  return {};
}

std::string ClusterChecker::check_replicas(uint32_t volume, uint64_t block,
                                           std::span<const BlockValue> values) {
  for (const BlockValue value : values) {
    if (value == values[0]) continue;
    std::string all;
    for (const BlockValue each : values) all += text(all.empty() ? "" : ", ", value_text(each));
    return wrong(volume, block, text("in-sync members differ: ", all));
  }
  if (values.empty()) return {};
  const uint64_t invoked = ++now_;
  ++now_;
  std::string found = count_read(volume, block, values[0], invoked, now_);
  return found.empty() ? found : text("the in-sync members: ", found);
}

// --- zones

ClusterChecker::Zone ClusterChecker::zone_of(const Value& value) {
  return {std::min(value.first_completion, value.deadline), value.last_invocation};
}

ClusterChecker::Zone ClusterChecker::zone_with_read(const Value& value, uint64_t invoked,
                                                    uint64_t completed) {
  const Zone zone = zone_of(value);
  return {std::min(zone.first_completion, completed), std::max(zone.last_invocation, invoked)};
}

// A forward zone is time through which the value must have stood. Another's must not overlap it;
// and a backward zone, a span in which the value must have stood at least for a moment, must not
// lie inside it.
bool ClusterChecker::contradict(const Zone& a, const Zone& b) {
  if (!a.forward() && !b.forward()) return false;
  return a.first_completion < b.last_invocation && b.first_completion < a.last_invocation;
}

const ClusterChecker::Value* ClusterChecker::contradiction(const Block& block, const Value& value,
                                                           const Zone& zone) const {
  for (const Value& other : block.values) {
    if (other.op == value.op || !other.certain) continue;
    if (contradict(zone, zone_of(other))) return &other;
  }
  return nullptr;
}

// Drops values that contradict another whenever they are read from now on. The other, the one with
// the latest invocation among those that were complete before any open read, also contradicts all
// that they do.
void ClusterChecker::forget_what_is_over(Block& block) const {
  const uint64_t oldest = open_reads_.empty() ? now_ : *open_reads_.begin();
  const Value* newest = nullptr;
  for (const Value& value : block.values) {
    if (!value.certain || zone_of(value).first_completion >= oldest) continue;
    if (newest == nullptr || value.last_invocation > newest->last_invocation) newest = &value;
  }
  if (newest == nullptr) return;
  const Value last = *newest;
  std::erase_if(block.values, [&](const Value& value) {
    if (value.op == last.op || (value.op != 0 && op(value.op).open)) return false;
    if (value.impossible && !value.certain) return true;
    return value.last_invocation <= last.last_invocation &&
           last.last_invocation > zone_of(value).first_completion;
  });
}

std::string ClusterChecker::judge(uint32_t volume, uint64_t block, const Value& value) const {
  const Value* other = contradiction(volumes_[volume - 1].blocks[block], value, zone_of(value));
  if (other == nullptr) return {};
  return wrong(volume, block,
               text(value_name(value), " and ", value_name(*other), " cannot be put in an order"));
}

bool ClusterChecker::may_be_read(const Block& block, const Value& value, uint64_t invoked,
                                 uint64_t completed) const {
  if (value.impossible || value.invoked >= completed) return false;
  return contradiction(block, value, zone_with_read(value, invoked, completed)) == nullptr;
}

std::string ClusterChecker::count_read(uint32_t volume, uint64_t block, BlockValue read,
                                       uint64_t invoked, uint64_t completed) {
  ++reads_checked_;
  if (read == kZeroValue) return count_zero_read(volume, block, invoked, completed);
  Block& where = volumes_[volume - 1].blocks[block];
  const auto found = std::find_if(
      where.values.begin(), where.values.end(),
      [&](const Value& value) { return value.op == read && op(read).kind == OpKind::kWrite; });
  if (found == where.values.end()) {
    const bool known = read <= ops_.size() && op(read).kind == OpKind::kWrite &&
                       session(op(read).session).volume == volume &&
                       block >= op(read).range.first && block < op(read).range.end();
    return wrong(volume, block,
                 text(value_text(read), known ? " was read, which is long over"
                                              : " was read, which nobody wrote there"));
  }
  if (found->impossible) {
    return wrong(volume, block, text(value_text(read), " was read, which must have no effect"));
  }
  if (found->invoked >= completed) {
    return wrong(volume, block, text(value_text(read), " was read before it was written"));
  }
  const Zone zone = zone_with_read(*found, invoked, completed);
  found->certain = true;
  found->first_completion = zone.first_completion;
  found->last_invocation = zone.last_invocation;
  return judge(volume, block, *found);
}

std::string ClusterChecker::count_zero_read(uint32_t volume, uint64_t block, uint64_t invoked,
                                            uint64_t completed) {
  Block& where = volumes_[volume - 1].blocks[block];
  Value* only = nullptr;
  size_t possible = 0;
  for (Value& value : where.values) {
    if (value.op != 0 && op(value.op).kind != OpKind::kZero) continue;
    if (!may_be_read(where, value, invoked, completed)) continue;
    only = &value;
    ++possible;
  }
  if (possible == 0) {
    return wrong(volume, block, "zeroes were read, which cannot have been there");
  }
  if (possible > 1) return {};
  const Zone zone = zone_with_read(*only, invoked, completed);
  only->certain = true;
  only->first_completion = zone.first_completion;
  only->last_invocation = zone.last_invocation;
  return {};
}

// --- words

std::string ClusterChecker::value_name(const Value& value) const {
  if (value.op == 0) return "the zeroes of the beginning";
  return text(op(value.op).kind == OpKind::kZero ? "the zeroes of op " : "op ", value.op);
}

std::string ClusterChecker::wrong(uint32_t volume, uint64_t block, const std::string& what) const {
  return text("volume ", volume, " block ", block, ": ", what, "\n", history(volume, block));
}

std::string ClusterChecker::line_text(const Line& line) const {
  const Op& known = op(line.op);
  static constexpr const char* kKinds[] = {"write", "zero", "read"};
  std::string out = text("  op ", line.op, " session ", known.session, " ",
                         kKinds[static_cast<size_t>(known.kind)], " ", known.range.first, "+",
                         known.range.count, ": ", ms_text(known.invoked_ns), " to ",
                         known.open ? "..." : ms_text(known.completed_ns), " ", known.outcome);
  if (line.ended) out += text(" -> ", value_text(line.value));
  return out + "\n";
}

std::string ClusterChecker::history(uint32_t volume, uint64_t block) const {
  const Block& where = volumes_[volume - 1].blocks[block];
  std::string out = text("  history of ", volumes_[volume - 1].name, " block ", block, ":\n");
  for (const Line& line : where.lines) out += line_text(line);
  std::vector<std::string> sessions;
  for (uint32_t number = 1; number <= sessions_.size(); ++number) {
    const Session& each = session(number);
    if (each.volume != volume || each.attached == kForever) continue;
    std::string line = text("  session ", number, " attached at ", ms_text(each.attached_ns));
    if (each.fenced != kForever) line += text(", fenced at ", ms_text(each.fenced_ns));
    sessions.push_back(line + "\n");
  }
  const size_t first = sessions.size() - std::min(sessions.size(), kSessionsShown);
  for (size_t i = first; i < sessions.size(); ++i) out += sessions[i];
  return out;
}

}  // namespace varve
