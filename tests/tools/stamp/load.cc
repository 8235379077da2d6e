#include "tests/tools/stamp/load.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "core/base/check.h"
#include "tests/tools/stamp/connections.h"
#include "tests/tools/stamp/history.h"

namespace varve {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kTickMs = 100;
constexpr std::chrono::seconds kProgressEvery{5};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class Load;

// One place for an operation in flight. Its buffer belongs to libnbd until the answer.
struct Slot {
  Load* load = nullptr;
  uint32_t connection = 0;
  std::vector<std::byte> buffer;
  NextOp what;
  uint64_t op = 0;         // writes, trims, zeroes
  uint64_t read_tick = 0;  // reads
  int error_number = 0;
  bool in_flight = false;
};

struct Counts {
  uint64_t by_kind[kOpKindCount] = {};  // acknowledged
  uint64_t written_blocks = 0;
  uint64_t read_blocks = 0;
  uint64_t in_doubt = 0;  // unanswered when a connection died
  uint64_t refused = 0;   // error answers
  uint64_t violations = 0;
  uint64_t sessions = 0;
  double away_ms_max = 0;
  uint64_t acknowledged() const {
    uint64_t sum = 0;
    for (uint64_t count : by_kind) sum += count;
    return sum;
  }
  uint64_t writes() const { return by_kind[static_cast<size_t>(OpKind::kWrite)]; }
};

class Load {
 public:
  explicit Load(const LoadOptions& options)
      : options_(options), connections_(options.uri, options.connections) {}
  ~Load() {
    if (signal_fd_ >= 0) ::close(signal_fd_);
  }
  int run();

 private:
  static int on_answer(void* user, int* error_number);

  Status start();
  Status begin_session();
  void catch_signals();
  bool enough() const;
  void reap();
  void finish_read(Slot& slot);
  void report_violation(uint64_t block, const Finding& finding);
  Status fill();
  void send(Slot& slot);
  Status end_session();
  void limit_mix(const SessionFacts& facts);
  void progress();
  int summary(const Status& status);

  const LoadOptions& options_;
  Connections connections_;
  std::optional<History> history_;
  std::optional<Mix> mix_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::vector<Slot*> answered_;
  std::vector<Slot*> to_send_;
  Counts counts_;
  int signal_fd_ = -1;
  bool stopping_ = false;
  uint64_t in_flight_count_ = 0;
  uint64_t sent_count_ = 0;
  uint64_t announced_ = 0;
  Clock::time_point started_ = Clock::now();
  Clock::time_point last_answer_ = Clock::now();
  Clock::time_point last_progress_ = Clock::now();
};

int Load::on_answer(void* user, int* error_number) {
  Slot* slot = static_cast<Slot*>(user);
  slot->error_number = *error_number;
  slot->load->answered_.push_back(slot);
  return 1;  // libnbd forgets the command
}

void Load::catch_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigprocmask(SIG_BLOCK, &set, nullptr);
  signal_fd_ = signalfd(-1, &set, SFD_CLOEXEC);
  VARVE_CHECK(signal_fd_ >= 0);
}

void Load::limit_mix(const SessionFacts& facts) {
  MixWeights weights = options_.mix;
  if (!facts.can_trim) weights[static_cast<size_t>(OpKind::kTrim)] = 0;
  if (!facts.can_zero) weights[static_cast<size_t>(OpKind::kZero)] = 0;
  if (!facts.can_flush) weights[static_cast<size_t>(OpKind::kFlush)] = 0;
  if (std::ranges::count(weights, 0u) == kOpKindCount) weights[1] = 1;
  mix_.emplace(options_.seed, weights, facts.size_bytes / kBlockBytes, options_.request_blocks_max);
}

Status Load::begin_session() {
  const Clock::time_point lost = Clock::now();
  Result<SessionFacts> facts =
      connections_.connect(std::chrono::milliseconds(options_.reconnect_timeout_ms));
  if (!facts.ok()) return facts.status();
  if (!history_) {
    const uint64_t block_count = facts->size_bytes / kBlockBytes;
    if (block_count == 0) return {ErrorCode::kInvalidArgument, "the volume has no whole block"};
    Result<History> history = History::open(options_.journal, facts->export_name, block_count);
    if (!history.ok()) return history.status();
    history_.emplace(std::move(*history));
    limit_mix(*facts);
  } else if (facts->size_bytes / kBlockBytes != history_->checker().block_count()) {
    return {ErrorCode::kInvalidArgument, "the volume changed its size"};
  }
  history_->session_started(facts->server_pid, facts->server_was_away);
  const double away_ms = seconds_since(lost) * 1000;
  if (++counts_.sessions > 1) counts_.away_ms_max = std::max(counts_.away_ms_max, away_ms);
  last_answer_ = Clock::now();
  if (options_.announce_every > 0 || !options_.quiet) {
    printf("session %" PRIu32 " after %.0f ms\n", history_->session(), away_ms);
    fflush(stdout);
  }
  return {};
}

Status Load::start() {
  catch_signals();
  VARVE_TRY(begin_session());
  for (uint32_t i = 0; i < options_.depth; ++i) {
    auto slot = std::make_unique<Slot>();
    slot->load = this;
    slot->connection = i % options_.connections;
    slot->buffer.resize(uint64_t{options_.request_blocks_max} * kBlockBytes);
    slots_.push_back(std::move(slot));
  }
  started_ = last_answer_ = last_progress_ = Clock::now();
  return {};
}

bool Load::enough() const {
  return stopping_ || counts_.violations > 0 ||
         (options_.seconds > 0 && seconds_since(started_) >= options_.seconds) ||
         (options_.operations > 0 && sent_count_ >= options_.operations);
}

// All connections are gone with what was in flight on them. In doubt, until a read tells.
Status Load::end_session() {
  connections_.lose();
  answered_.clear();
  for (const auto& slot : slots_) {
    if (!slot->in_flight) continue;
    if (slot->what.kind == OpKind::kRead) history_->read_ended(slot->what.range);
    slot->in_flight = false;
    ++counts_.in_doubt;
  }
  in_flight_count_ = 0;
  VARVE_TRY(history_->flush());
  return begin_session();
}

void Load::report_violation(uint64_t block, const Finding& finding) {
  if (++counts_.violations > 10) return;
  VARVE_CHECK(history_->flush().ok());
  fprintf(stderr, "VIOLATION: block %" PRIu64 " %s: it holds %s, allowed: %s\n%s", block,
          finding.what.c_str(), finding.content.c_str(), history_->checker().allowed(block).c_str(),
          block_history(history_->path(), block, 40).c_str());
}

void Load::finish_read(Slot& slot) {
  const BlockRange range = slot.what.range;
  if (slot.error_number == 0) {
    for (uint64_t i = 0; i < range.count; ++i) {
      const auto bytes = std::span(slot.buffer).subspan(i * kBlockBytes, kBlockBytes);
      const Finding finding = history_->block_read(range.first + i, bytes, slot.read_tick);
      if (!finding.what.empty()) report_violation(range.first + i, finding);
    }
    counts_.read_blocks += range.count;
  }
  history_->read_ended(range);
}

// Answers come from libnbd in a callback; here they are judged, all at one later time.
void Load::reap() {
  for (Slot* slot : answered_) {
    const OpKind kind = slot->what.kind;
    // Without an answer of the server (its connection died) this is end_session's business.
    if (slot->error_number == ENOTCONN) continue;
    slot->in_flight = false;
    --in_flight_count_;
    last_answer_ = Clock::now();
    if (slot->op != 0) history_->write_answered(slot->op, slot->error_number);
    if (kind == OpKind::kRead) finish_read(*slot);
    if (slot->error_number != 0) {
      // A server that shuts down may say so; anything else breaks the contract (C11, C12).
      if (slot->error_number != ESHUTDOWN) {
        ++counts_.refused;
        fprintf(stderr, "ERROR: %s at block %" PRIu64 ", %" PRIu64 " blocks: %s\n",
                op_kind_name(kind), slot->what.range.first, slot->what.range.count,
                strerror(slot->error_number));
      }
      continue;
    }
    ++counts_.by_kind[static_cast<size_t>(kind)];
    if (slot->op != 0) counts_.written_blocks += slot->what.range.count;
  }
  answered_.clear();
}

void Load::send(Slot& slot) {
  nbd_handle* handle = connections_.handle(slot.connection);
  const uint64_t offset = slot.what.range.first * kBlockBytes;
  const uint64_t bytes = slot.what.range.count * kBlockBytes;
  const nbd_completion_callback done{.callback = &Load::on_answer, .user_data = &slot};
  int64_t cookie = -1;
  switch (slot.what.kind) {
    case OpKind::kWrite:
      cookie = nbd_aio_pwrite(handle, slot.buffer.data(), bytes, offset, done, 0);
      break;
    case OpKind::kRead:
      cookie = nbd_aio_pread(handle, slot.buffer.data(), bytes, offset, done, 0);
      break;
    case OpKind::kTrim:
      cookie = nbd_aio_trim(handle, bytes, offset, done, 0);
      break;
    case OpKind::kZero:
      cookie = nbd_aio_zero(handle, bytes, offset, done, 0);
      break;
    case OpKind::kFlush:
      cookie = nbd_aio_flush(handle, done, 0);
      break;
  }
  // Refused because the connection is dying: unanswered, like all that was in flight.
  VARVE_CHECK(cookie >= 0 || !connections_.alive());
}

// Free places get an operation; all are on file before the first is sent.
Status Load::fill() {
  for (const auto& slot : slots_) {
    if (slot->in_flight || enough()) continue;
    slot->what = mix_->next();
    slot->op = slot->read_tick = 0;
    const BlockRange range = slot->what.range;
    if (slot->what.kind == OpKind::kRead) {
      slot->read_tick = history_->read_sent(range);
    } else if (slot->what.kind != OpKind::kFlush) {
      slot->op = history_->write_sent(slot->what.kind, range);
    }
    if (slot->what.kind == OpKind::kWrite) {
      for (uint64_t i = 0; i < range.count; ++i) {
        stamp_block(std::span(slot->buffer).subspan(i * kBlockBytes, kBlockBytes),
                    history_->owner(),
                    {.block = range.first + i, .op = slot->op, .session = history_->session()});
      }
    }
    slot->in_flight = true;
    ++in_flight_count_;
    ++sent_count_;
    to_send_.push_back(slot.get());
  }
  VARVE_TRY(history_->flush());
  for (Slot* slot : to_send_) send(*slot);
  to_send_.clear();
  return {};
}

void Load::progress() {
  const uint64_t acknowledged = counts_.acknowledged();
  if (options_.announce_every > 0 && acknowledged - announced_ >= options_.announce_every) {
    announced_ = acknowledged;
    printf("acknowledged %" PRIu64 " writes %" PRIu64 "\n", acknowledged, counts_.writes());
    fflush(stdout);
  }
  if (options_.quiet || Clock::now() - last_progress_ < kProgressEvery) return;
  last_progress_ = Clock::now();
  fprintf(stderr,
          "%4.0f s  session %" PRIu32 "  %" PRIu64 " acknowledged  %" PRIu64
          " blocks checked  %" PRIu64 " violations\n",
          seconds_since(started_), history_->session(), acknowledged, counts_.read_blocks,
          counts_.violations);
}

int Load::summary(const Status& status) {
  const double seconds = seconds_since(started_);
  const auto line = [](const char* name, double value) { printf("%-24s %.0f\n", name, value); };
  line("acknowledged_operations", counts_.acknowledged());
  for (size_t i = 0; i < kOpKindCount; ++i) {
    printf("acknowledged_%-11s %" PRIu64 "\n", op_kind_name(static_cast<OpKind>(i)),
           counts_.by_kind[i]);
  }
  line("operations_per_second", seconds > 0 ? counts_.acknowledged() / seconds : 0);
  line("acknowledged_blocks", counts_.written_blocks);
  line("read_blocks", counts_.read_blocks);
  line("sessions", counts_.sessions);
  line("in_doubt", counts_.in_doubt);
  line("away_ms_max", counts_.away_ms_max);
  line("refused", counts_.refused);
  line("violations", counts_.violations);
  if (!status.ok()) {
    fprintf(stderr, "stamp: %s\n", std::string(status.message()).c_str());
    return status.code() == ErrorCode::kInvalidArgument ? kExitUsage : kExitServerGone;
  }
  return counts_.violations + counts_.refused > 0 ? kExitViolation : kExitOk;
}

int Load::run() {
  Status status = start();
  while (status.ok()) {
    reap();
    progress();
    if (!connections_.alive()) {
      if (enough() && in_flight_count_ == 0) break;
      status = end_session();
      continue;
    }
    status = fill();
    if (!status.ok() || (in_flight_count_ == 0 && enough())) break;
    if (connections_.wait(signal_fd_, kTickMs)) stopping_ = true;
    if (in_flight_count_ > 0 &&
        seconds_since(last_answer_) * 1000 > options_.reconnect_timeout_ms) {
      status = {ErrorCode::kClosed, "the server is connected but does not answer"};
    }
  }
  if (history_ && !history_->flush().ok()) status = ErrorCode::kIoError;
  return summary(status);
}

}  // namespace

int run_load(const LoadOptions& options) {
  return Load(options).run();
}

}  // namespace varve
