// Random histories of a correct register raise no alarm; each way of breaking one is noticed.
#include <catch2/catch_test_macros.hpp>

#include <algorithm>
#include <optional>
#include <random>
#include <vector>

#include "tests/tools/stamp/checker.h"

namespace varve {
namespace {

enum class Fault { kNone, kForgetAcknowledged, kResurrect, kFlipBack, kApplyLate };

// One block on a server with several clients: an operation takes effect at a random moment between
// sending and answer; a crash drops or applies what was unanswered. `fault` breaks it once.
class Server {
 public:
  Server(uint64_t seed, Fault fault) : random_(seed), fault_(fault) {}

  // Whether the checker raised an alarm.
  bool run(int step_count) {
    for (int i = 0; i < step_count && !alarm_; ++i) step(i, step_count);
    settle();
    if (fault_ == Fault::kNone || !broken_) return alarm_;
    probe();
    return alarm_;
  }
  bool broken() const { return broken_; }

 private:
  struct Op {
    uint64_t op = 0;  // 0: a read
    uint64_t value = 0;
    uint64_t sent = 0;
    bool applied = false;
  };

  uint64_t below(uint64_t bound) { return random_() % bound; }

  void step(int i, int step_count) {
    const uint64_t dice = below(100);
    if (dice < 40 && flying_.size() < 4) {
      send();
    } else if (dice < 65) {
      apply(below(4));
    } else if (dice < 96) {
      answer(below(4));
    } else {
      crash();
    }
    if (i == step_count / 2 && fault_ != Fault::kNone) break_it();
  }

  void send() {
    Op op{.sent = ++tick_};
    if (below(2) == 0) {
      op.op = ++last_op_;
      const bool zeroes = below(5) == 0;
      op.value = zeroes ? 0 : op.op;
      checker_.write_sent(op.op, {0, 1}, zeroes ? WriteValue::kZeroes : WriteValue::kStamp, tick_);
    } else {
      checker_.read_sent({0, 1});
    }
    flying_.push_back(op);
  }

  void apply(size_t i) {
    if (i >= flying_.size() || flying_[i].applied) return;
    flying_[i].applied = true;
    if (flying_[i].op != 0) {
      value_ = flying_[i].value;
    } else {
      flying_[i].value = value_;
    }
  }

  void answer(size_t i) {
    if (i >= flying_.size()) return;
    apply(i);
    const Op op = flying_[i];
    flying_.erase(flying_.begin() + static_cast<ptrdiff_t>(i));
    if (op.op != 0) {
      checker_.write_acknowledged(op.op, ++tick_);
    } else {
      alarm_ |= checker_.block_read(0, op.value, op.sent, ++tick_).violation != Violation::kNone;
      checker_.read_ended({0, 1});
    }
  }

  void crash() {
    for (Op& op : flying_) {
      if (op.op == 0) checker_.read_ended({0, 1});
      if (op.op != 0 && !op.applied && below(2) == 0) value_ = op.value;
    }
    flying_.clear();
    checker_.fence(++tick_);
  }

  void settle() {
    while (!flying_.empty()) answer(below(flying_.size()));
  }

  void write_quietly() {
    settle();
    send_write();
    answer(0);
  }
  void send_write() {
    flying_.push_back({.op = ++last_op_, .value = last_op_, .sent = ++tick_});
    checker_.write_sent(last_op_, {0, 1}, WriteValue::kStamp, tick_);
  }

  void break_it() {
    write_quietly();
    const uint64_t older = value_;
    if (fault_ == Fault::kApplyLate) {  // an unanswered write of a dead server comes back to life
      send_write();
      const uint64_t dead = last_op_;
      flying_.clear();
      checker_.fence(++tick_);
      write_quietly();
      value_ = dead;
    } else {
      write_quietly();
      if (fault_ != Fault::kForgetAcknowledged) probe();
      value_ = fault_ == Fault::kResurrect ? 0 : older;
    }
    broken_ = true;
    probe();
  }

  void probe() {
    checker_.read_sent({0, 1});
    const uint64_t sent = ++tick_;
    alarm_ |= checker_.block_read(0, value_, sent, ++tick_).violation != Violation::kNone;
    checker_.read_ended({0, 1});
  }

  std::mt19937_64 random_;
  Fault fault_;
  Checker checker_{1};
  std::vector<Op> flying_;
  uint64_t value_ = 0;
  uint64_t tick_ = 0;
  uint64_t last_op_ = 0;
  bool alarm_ = false;
  bool broken_ = false;
};

}  // namespace

TEST_CASE("10,000 histories of a correct server raise no alarm") {
  for (uint64_t seed = 0; seed < 10000; ++seed) {
    INFO("seed " << seed);
    REQUIRE_FALSE(Server(seed, Fault::kNone).run(80));
  }
}

TEST_CASE("Every broken history is flagged") {
  for (Fault fault :
       {Fault::kForgetAcknowledged, Fault::kResurrect, Fault::kFlipBack, Fault::kApplyLate}) {
    for (uint64_t seed = 0; seed < 1000; ++seed) {
      INFO("fault " << static_cast<int>(fault) << " seed " << seed);
      Server server(seed, fault);
      REQUIRE(server.run(80));
      REQUIRE(server.broken());
    }
  }
}

}  // namespace varve
