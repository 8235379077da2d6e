// Each violation is flagged, and nothing that the contract allows is.
#include <catch2/catch_test_macros.hpp>

#include "tests/tools/stamp/checker.h"

namespace varve {
namespace {

// A checker of 4 blocks with its own count of ticks; all about block 1.
struct Fixture {
  Checker checker{4};
  uint64_t tick = 0;

  void send(uint64_t op, WriteValue value = WriteValue::kStamp) {
    checker.write_sent(op, {1, 1}, value, ++tick);
  }
  void acknowledge(uint64_t op) { checker.write_acknowledged(op, ++tick); }
  void write(uint64_t op, WriteValue value = WriteValue::kStamp) {
    send(op, value);
    acknowledge(op);
  }
  void fence() { checker.fence(++tick); }
  uint64_t read_sent() {
    checker.read_sent({1, 1});
    return ++tick;
  }
  Violation answered(uint64_t sent_tick, uint64_t op) {
    const Verdict verdict = checker.block_read(1, op, sent_tick, ++tick);
    checker.read_ended({1, 1});
    return verdict.violation;
  }
  Violation read(uint64_t op) { return answered(read_sent(), op); }
};

}  // namespace

TEST_CASE("A new volume reads as zeroes only") {
  Fixture f;
  CHECK(f.read(0) == Violation::kNone);
  CHECK(f.read(7) == Violation::kForeign);
}

TEST_CASE("An acknowledged write that is missing is lost") {
  Fixture f;
  f.write(1);
  CHECK(f.read(0) == Violation::kLost);
  f.write(2);
  CHECK(f.read(1) == Violation::kLost);
  CHECK(f.read(2) == Violation::kNone);
}

TEST_CASE("What a newer read has replaced does not come back") {
  Fixture f;
  f.write(1);
  f.write(2);
  CHECK(f.read(2) == Violation::kNone);
  CHECK(f.read(1) == Violation::kWentBack);
  CHECK(f.read(0) == Violation::kWentBack);
}

TEST_CASE("A value that nobody sent is foreign") {
  Fixture f;
  f.write(1);
  CHECK(f.read(9) == Violation::kForeign);
}

TEST_CASE("A trim makes zeroes, and undoing it is a loss") {
  Fixture f;
  f.write(1);
  f.write(2, WriteValue::kZeroes);
  CHECK(f.read(0) == Violation::kNone);
  CHECK(f.read(1) != Violation::kNone);
}

TEST_CASE("A write in flight may be read or not, until it was read") {
  Fixture f;
  f.write(1);
  f.send(2);
  CHECK(f.read(1) == Violation::kNone);
  CHECK(f.read(2) == Violation::kNone);
  CHECK(f.read(1) == Violation::kWentBack);
  f.acknowledge(2);
  CHECK(f.read(2) == Violation::kNone);
}

TEST_CASE("Concurrent writes end in either order, then it stays") {
  Fixture f;
  f.send(1);
  f.send(2);
  f.acknowledge(2);
  f.acknowledge(1);
  CHECK(f.checker.allowed(1) == "write 1 or write 2");
  CHECK(f.read(2) == Violation::kNone);
  CHECK(f.read(1) == Violation::kWentBack);
}

TEST_CASE("A read that overlaps a write may return the value from before or behind it") {
  Fixture f;
  f.write(1);
  const uint64_t early = f.read_sent();
  const uint64_t late = f.read_sent();
  f.write(2);
  CHECK(f.answered(early, 1) == Violation::kNone);
  CHECK(f.answered(late, 2) == Violation::kNone);
  CHECK(f.read(1) != Violation::kNone);
}

TEST_CASE("An unanswered write may appear after a fence, once and for all") {
  Fixture f;
  f.write(1);
  f.send(2);
  f.fence();
  SECTION("it did not take effect: it never will") {
    CHECK(f.read(1) == Violation::kNone);
    CHECK(f.read(2) != Violation::kNone);
  }
  SECTION("it did: it stays") {
    CHECK(f.read(2) == Violation::kNone);
    CHECK(f.read(1) == Violation::kWentBack);
  }
  SECTION("a newer acknowledged write buries it") {
    f.write(3);
    CHECK(f.read(2) == Violation::kLost);
    CHECK(f.read(3) == Violation::kNone);
    CHECK(f.read(2) == Violation::kWentBack);
  }
}

TEST_CASE("Without a fence an unanswered write may still come late") {
  Fixture f;
  f.send(1);
  f.write(2);
  CHECK(f.read(2) == Violation::kNone);
  CHECK(f.read(1) == Violation::kNone);
  CHECK(f.read(2) == Violation::kWentBack);
}

TEST_CASE("A refused write stays in doubt until a fence") {
  Fixture f;
  f.write(1);
  f.send(2);  // its answer was an error: no acknowledgement
  CHECK(f.read(1) == Violation::kNone);
  CHECK(f.checker.in_doubt_count() == 1);
  f.fence();
  CHECK(f.checker.in_doubt_count() == 0);
  CHECK(f.read(1) == Violation::kNone);
  CHECK(f.read(2) != Violation::kNone);
}

TEST_CASE("Blocks of one request are judged each for itself") {
  Checker checker(4);
  checker.write_sent(1, {0, 4}, WriteValue::kStamp, 1);
  checker.fence(2);
  checker.read_sent({0, 4});
  CHECK(checker.block_read(0, 1, 3, 4).violation == Violation::kNone);
  CHECK(checker.block_read(1, 0, 3, 5).violation == Violation::kNone);
  CHECK(checker.block_read(2, 1, 3, 6).violation == Violation::kNone);
  CHECK(checker.block_read(3, 0, 3, 7).violation == Violation::kNone);
  checker.read_ended({0, 4});
  checker.read_sent({0, 2});
  CHECK(checker.block_read(0, 0, 8, 9).violation == Violation::kWentBack);
  CHECK(checker.block_read(1, 1, 8, 10).violation != Violation::kNone);
}

}  // namespace varve
