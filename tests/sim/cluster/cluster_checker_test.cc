// The checker of cluster histories: good ones pass, and no wrong one does.
#include "tests/sim/cluster/cluster_checker.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <optional>
#include <vector>

#include "core/runtime/random.h"

namespace varve {
namespace {

using WriteEnd = ClusterChecker::WriteEnd;

struct CountingClock final : Clock {
  mutable uint64_t now_ns = 0;
  uint64_t monotonic_ns() const override { return now_ns += 1000; }
  uint64_t wall_seconds() const override { return 0; }
};

// One volume of one block, and a session on it.
struct History {
  CountingClock clock;
  ClusterChecker checker{clock};
  uint32_t volume = checker.add_volume("v", 1);
  uint32_t session = attach();

  uint32_t attach() {
    const uint32_t number = checker.begin_attach(volume);
    checker.end_attach(number, true);
    return number;
  }
  uint32_t begin_write(uint32_t by = 0) {
    return checker.begin_write(by ? by : session, {0, 1}, false);
  }
  std::string end_write(uint32_t op, WriteEnd how = WriteEnd::kDone) {
    return checker.end_write(op, how);
  }
  uint32_t write(uint32_t by = 0) {
    const uint32_t op = begin_write(by);
    CHECK(end_write(op).empty());
    return op;
  }
  uint32_t lost_write(uint32_t by = 0) {
    const uint32_t op = begin_write(by);
    CHECK(end_write(op, WriteEnd::kIndeterminate).empty());
    return op;
  }
  uint32_t trim() {
    const uint32_t op = checker.begin_write(session, {0, 1}, true);
    CHECK(end_write(op).empty());
    return op;
  }
  uint32_t begin_read(uint32_t by = 0) { return checker.begin_read(by ? by : session, {0, 1}); }
  std::string end_read(uint32_t op, BlockValue value) {
    return checker.end_read(op, std::span(&value, 1));
  }
  std::string read(BlockValue value, uint32_t by = 0) { return end_read(begin_read(by), value); }
  bool good(BlockValue value, uint32_t by = 0) { return read(value, by).empty(); }
};

TEST_CASE("the last acknowledged value is right, an older one is stale") {
  History h;
  CHECK(h.good(kZeroValue));
  const uint32_t a = h.write();
  const uint32_t b = h.write();
  CHECK(h.good(b));
  const std::string wrong = h.read(a);
  CHECK(wrong.find("cannot be put in an order") != std::string::npos);
  CHECK(wrong.find("history of v block 0") != std::string::npos);
}

TEST_CASE("an acknowledged write must not be dropped") {
  History h;
  h.write();
  CHECK_FALSE(h.good(kZeroValue));
}

TEST_CASE("a torn, foreign or future value is wrong") {
  History h;
  const uint32_t a = h.write();
  CHECK_FALSE(h.good(kGarbageValue));
  CHECK_FALSE(h.good(kDamagedValue));
  CHECK_FALSE(h.good(a + 100));
  CHECK_FALSE(h.good(h.begin_read()));
}

TEST_CASE("a write without an answer may show at any time, and then stays") {
  History h;
  const uint32_t a = h.write();
  const uint32_t lost = h.lost_write();
  CHECK(h.good(a));
  CHECK(h.good(a));
  CHECK(h.good(lost));
  CHECK(h.good(lost));
  SECTION("the older value does not come back") {
    CHECK_FALSE(h.good(a));
  }
  SECTION("a newer one replaces it, and it does not come back") {
    const uint32_t b = h.write();
    CHECK(h.good(b));
    CHECK_FALSE(h.good(lost));
  }
}

TEST_CASE("a write without an answer that had no effect so far may replace a newer value") {
  History h;
  const uint32_t lost = h.lost_write();
  const uint32_t b = h.write();
  CHECK(h.good(b));
  CHECK(h.good(lost));
  CHECK_FALSE(h.good(b));
}

TEST_CASE("concurrent writes may come in either order, but in one") {
  History h;
  const uint32_t a = h.begin_write();
  const uint32_t b = h.begin_write();
  CHECK(h.end_write(a).empty());
  CHECK(h.end_write(b).empty());
  CHECK(h.good(a));
  CHECK(h.good(a));
  CHECK_FALSE(h.good(b));
}

TEST_CASE("flip-flop: A, B, A") {
  History h;
  const uint32_t a = h.begin_write();
  const uint32_t b = h.begin_write();
  CHECK(h.good(a));
  CHECK(h.good(b));
  CHECK_FALSE(h.good(a));
}

TEST_CASE("a read that overlaps a write may return either value") {
  History h;
  const uint32_t a = h.write();
  const uint32_t first = h.begin_read();
  const uint32_t second = h.begin_read();
  const uint32_t b = h.write();
  CHECK(h.end_read(first, a).empty());
  CHECK(h.end_read(second, b).empty());
  CHECK_FALSE(h.good(a));
}

TEST_CASE("a trimmed block reads as zeroes; a resurrected value is wrong") {
  History h;
  const uint32_t a = h.write();
  h.trim();
  CHECK(h.good(kZeroValue));
  CHECK_FALSE(h.good(a));
}

TEST_CASE("zeroes that only one trim can have made pin it") {
  History h;
  h.write();
  h.trim();
  const uint32_t b = h.write();
  CHECK(h.good(b));
  CHECK_FALSE(h.good(kZeroValue));
}

TEST_CASE("a refused write has no effect") {
  History h;
  const uint32_t a = h.begin_write();
  CHECK(h.end_write(a, WriteEnd::kRefused).empty());
  CHECK(h.good(kZeroValue));
  CHECK_FALSE(h.good(a));
}

TEST_CASE("a write that was read must not be refused afterwards") {
  History h;
  const uint32_t a = h.begin_write();
  CHECK(h.good(a));
  CHECK_FALSE(h.end_write(a, WriteEnd::kRefused).empty());
}

TEST_CASE("after an attach a write of the older session may have had effect, but gets none") {
  History h;
  const uint32_t lost = h.lost_write();
  const uint32_t second = h.attach();
  SECTION("seen at once: it had") {
    CHECK(h.good(lost, second));
    const uint32_t b = h.write(second);
    CHECK(h.good(b, second));
    CHECK_FALSE(h.good(lost, second));
  }
  SECTION("not seen first, seen later: wrong") {
    CHECK(h.good(kZeroValue, second));
    CHECK_FALSE(h.good(lost, second));
  }
  SECTION("over a newer session's write: wrong") {
    const uint32_t b = h.write(second);
    CHECK(h.good(b, second));
    CHECK_FALSE(h.good(lost, second));
  }
  SECTION("over a newer session's write, without a read between: wrong") {
    h.write(second);
    CHECK_FALSE(h.good(lost, second));
  }
}

TEST_CASE("operations of a fenced session do not succeed") {
  History h;
  const uint32_t first = h.session;
  const uint32_t open = h.begin_write(first);
  const uint32_t second = h.attach();
  SECTION("a write that was invoked before may be acknowledged late, but counts as before") {
    CHECK(h.end_write(open).empty());
    const uint32_t b = h.write(second);
    CHECK(h.good(b, second));
    CHECK_FALSE(h.good(open, second));
  }
  SECTION("a write") {
    const uint32_t late = h.begin_write(first);
    CHECK_FALSE(h.end_write(late).empty());
  }
  SECTION("a write without an answer shows") {
    const uint32_t late = h.lost_write(first);
    CHECK_FALSE(h.good(late, second));
  }
  SECTION("a read") {
    CHECK_FALSE(h.good(kZeroValue, first));
  }
}

TEST_CASE("an attach that did not return, or ran beside another, fences nobody") {
  History h;
  const uint32_t unknown = h.checker.begin_attach(h.volume);
  h.checker.end_attach(unknown, false);
  const uint32_t a = h.write();
  CHECK(h.good(a));
  const uint32_t left = h.checker.begin_attach(h.volume);
  const uint32_t right = h.checker.begin_attach(h.volume);
  h.checker.end_attach(left, true);
  h.checker.end_attach(right, true);
  CHECK(h.good(a, left));
  CHECK(h.good(a, right));
  CHECK_FALSE(h.good(a, h.session));
}

TEST_CASE("members that differ, or agree on a wrong value") {
  History h;
  const uint32_t a = h.write();
  const uint32_t b = h.write();
  const BlockValue same[] = {b, b, b};
  const BlockValue differ[] = {b, a, b};
  const BlockValue stale[] = {a, a};
  CHECK(h.checker.check_replicas(h.volume, 0, same).empty());
  CHECK_FALSE(h.checker.check_replicas(h.volume, 0, differ).empty());
  CHECK_FALSE(h.checker.check_replicas(h.volume, 0, stale).empty());
}

TEST_CASE("blocks are judged one by one") {
  CountingClock clock;
  ClusterChecker checker(clock);
  const uint32_t volume = checker.add_volume("v", 4);
  const uint32_t session = checker.begin_attach(volume);
  checker.end_attach(session, true);
  const uint32_t a = checker.begin_write(session, {0, 3}, false);
  CHECK(checker.end_write(a, WriteEnd::kDone).empty());
  const uint32_t b = checker.begin_write(session, {1, 1}, false);
  CHECK(checker.end_write(b, WriteEnd::kDone).empty());
  const BlockValue right[] = {a, b, a, kZeroValue};
  const BlockValue swapped[] = {b, a, a, kZeroValue};
  CHECK(checker.end_read(checker.begin_read(session, {0, 4}), right).empty());
  CHECK_FALSE(checker.end_read(checker.begin_read(session, {0, 4}), swapped).empty());
}

// --- recorded histories of a true register

struct Recorded {
  enum class Kind { kWrite, kTrim, kRead } kind{};
  uint64_t invoked = 0;
  uint64_t completed = 0;  // 0: never answered
  uint32_t value = 0;      // of a read: the index (from 1) of the write it returned, 0: zeroes
};

// Operations of a few clients on one register; each takes effect somewhere inside its interval, one
// without an answer there, later or never.
std::vector<Recorded> record(Random& random, size_t count, bool trims) {
  std::vector<Recorded> ops(count);
  std::vector<std::pair<uint64_t, size_t>> effects;
  uint64_t start = 0;
  for (size_t i = 0; i < count; ++i) {
    start += random.below(60);
    const uint64_t length = 3 + random.below(100);
    const uint64_t kind = random.below(10);
    ops[i].kind = kind < 5            ? Recorded::Kind::kRead
                  : kind < 6 && trims ? Recorded::Kind::kTrim
                                      : Recorded::Kind::kWrite;
    ops[i].invoked = start * 100 + i;
    ops[i].completed = (start + length) * 100 + i;
    uint64_t effect = start * 100 + 99 + random.below((length - 1) * 100);
    if (ops[i].kind != Recorded::Kind::kRead && random.chance(1, 6)) {
      ops[i].completed = 0;
      effect = random.chance(1, 3) ? 0 : effect + random.below(30'000);
    }
    if (effect != 0) effects.emplace_back(effect, i);
  }
  std::sort(effects.begin(), effects.end());
  uint32_t now = 0;
  for (const auto& [time, i] : effects) {
    if (ops[i].kind == Recorded::Kind::kRead) ops[i].value = now;
    if (ops[i].kind == Recorded::Kind::kWrite) now = static_cast<uint32_t>(i + 1);
    if (ops[i].kind == Recorded::Kind::kTrim) now = 0;
  }
  return ops;
}

// True: the checker has no objection.
bool replay(const std::vector<Recorded>& ops) {
  History h;
  struct Event {
    uint64_t time;
    size_t op;
    bool invocation;
  };
  std::vector<Event> events;
  for (size_t i = 0; i < ops.size(); ++i) {
    events.push_back({ops[i].invoked, i, true});
    if (ops[i].completed != 0) events.push_back({ops[i].completed, i, false});
  }
  std::sort(events.begin(), events.end(),
            [](const Event& a, const Event& b) { return a.time < b.time; });
  std::vector<uint32_t> numbers(ops.size());
  for (const Event& event : events) {
    const Recorded& op = ops[event.op];
    uint32_t& number = numbers[event.op];
    if (event.invocation) {
      number = op.kind == Recorded::Kind::kRead
                   ? h.begin_read()
                   : h.checker.begin_write(h.session, {0, 1}, op.kind == Recorded::Kind::kTrim);
      continue;
    }
    std::string wrong;
    if (op.kind == Recorded::Kind::kRead) {
      wrong = h.end_read(number, op.value == 0                ? kZeroValue
                                 : numbers[op.value - 1] == 0 ? kGarbageValue
                                                              : numbers[op.value - 1]);
    } else {
      wrong = h.end_write(number);
    }
    if (!wrong.empty()) return false;
  }
  return true;
}

TEST_CASE("histories of a true register pass") {
  Random random(1);
  for (int i = 0; i < 2000; ++i) CHECK(replay(record(random, 40, true)));
}

// Tries all orders.
bool linearizable(const std::vector<Recorded>& ops, uint32_t done, uint32_t value) {
  bool all = true;
  uint64_t first_end = ~uint64_t{0};
  for (size_t i = 0; i < ops.size(); ++i) {
    if (done >> i & 1 || ops[i].completed == 0) continue;
    all = false;
    first_end = std::min(first_end, ops[i].completed);
  }
  if (all) return true;
  for (size_t i = 0; i < ops.size(); ++i) {
    if (done >> i & 1 || ops[i].invoked > first_end) continue;
    if (ops[i].kind == Recorded::Kind::kRead && ops[i].value != value) continue;
    uint32_t next = value;
    if (ops[i].kind == Recorded::Kind::kWrite) next = static_cast<uint32_t>(i + 1);
    if (ops[i].kind == Recorded::Kind::kTrim) next = 0;
    if (linearizable(ops, done | 1u << i, next)) return true;
  }
  return false;
}

TEST_CASE("the checker agrees with a search through all orders") {
  Random random(2);
  uint64_t bad = 0;
  uint64_t missed = 0;
  for (int i = 0; i < 20'000; ++i) {
    const bool trims = i % 2 != 0;
    std::vector<Recorded> ops = record(random, 8, trims);
    // One read returns something else: a dropped, swapped, stale or resurrected value.
    const size_t at = random.below(ops.size());
    if (ops[at].kind == Recorded::Kind::kRead) {
      const auto other = static_cast<uint32_t>(random.below(ops.size() + 1));
      if (other == 0 || ops[other - 1].kind == Recorded::Kind::kWrite) ops[at].value = other;
    }
    const bool truth = linearizable(ops, 0, 0);
    const bool verdict = replay(ops);
    bad += !truth;
    if (truth) {
      CHECK(verdict);
    } else if (!trims) {
      CHECK_FALSE(verdict);
    } else {
      missed += verdict;  // zeroes are not unique
    }
  }
  CHECK(bad > 1000);
  CHECK(missed * 50 < bad);
}

}  // namespace
}  // namespace varve
