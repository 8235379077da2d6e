#include "core/runtime/uring_loop.h"

#include <liburing.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "core/base/check.h"
#include "core/base/text.h"

namespace varve {
namespace {

constexpr unsigned kSubmissionEntries = 512;
constexpr unsigned kCompletionEntries = 4096;
// Coroutines that wake each other may keep a turn from polling and submitting for this many rounds.
constexpr int kRoundsPerTurn = 16;
// So many requests are handed over without waiting for the end of the turn: the device should not
// idle while a long row of coroutines is resumed. A turn's first group is small, to get it going.
constexpr size_t kFirstSubmissionBatch = 2;
constexpr size_t kSubmissionBatch = 8;

// The fastest set of flags that this kernel knows; 0 or a negative errno.
int open_ring(io_uring& ring) {
  static constexpr unsigned kFlagSets[] = {
      // Completions are worked off only in our own system calls (Linux 6.1).
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
          IORING_SETUP_SUBMIT_ALL,
      IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL,
      0,
  };
  int result = -EINVAL;
  for (unsigned flags : kFlagSets) {
    io_uring_params params{};
    params.flags = flags | IORING_SETUP_CQSIZE;
    params.cq_entries = kCompletionEntries;
    result = io_uring_queue_init_params(kSubmissionEntries, &ring, &params);
    if (result != -EINVAL) break;
  }
  return result;
}

Status no_ring(int error) {
  std::string why = text("io_uring cannot be set up: ", strerror(error));
  if (error == ENOSYS || error == EPERM) {
    why +=
        " (Linux 5.6 or later is needed; sysctl kernel.io_uring_disabled must be 0 and a"
        " container's seccomp profile must allow io_uring)";
  }
  return {ErrorCode::kUnsupported, why};
}

}  // namespace

// Calls from other threads. Its eventfd is readable exactly while calls are waiting.
class UringLoop::Mailbox final : public Poller {
 public:
  Mailbox() : fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  ~Mailbox() override {
    if (fd_ >= 0) close(fd_);
  }

  void post(std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    calls_.push_back(std::move(call));
    if (waiting_.exchange(true)) return;
    const uint64_t one = 1;
    VARVE_CHECK(write(fd_, &one, sizeof one) == sizeof one);
  }

  size_t poll() override {
    if (!waiting_.load()) return 0;
    std::vector<std::function<void()>> calls;
    {
      const std::lock_guard lock(mutex_);
      calls.swap(calls_);
      waiting_ = false;
      uint64_t count = 0;
      VARVE_CHECK(read(fd_, &count, sizeof count) == sizeof count);
    }
    for (const auto& call : calls) call();
    return calls.size();
  }
  bool arm() override { return waiting_.load(); }
  int wait_fd() override { return fd_; }

 private:
  const int fd_;
  std::mutex mutex_;
  std::atomic<bool> waiting_ = false;
  std::vector<std::function<void()>> calls_;  // guarded by mutex_
};

// A poller and the poll request for its descriptor. The request is one-shot and placed only when
// the loop is about to sleep, in the system call that sleeps; one that has not fired stays in
// place.
class UringLoop::Watch {
 public:
  explicit Watch(Poller& poller) : poller_(poller), cancel_(*this) {}

  Poller& poller() { return poller_; }
  // Nothing to poll for: the kernel watches its descriptor, and it says that nothing is pending.
  bool rests() { return request_.pending > 0 && !poller_.arm(); }
  // Requests that the kernel, or the loop's list, still holds.
  size_t pending() const { return request_.pending + cancel_.pending; }

  void place(UringLoop& loop) {
    if (request_.pending > 0) return;
    request_.fd = poller_.wait_fd();
    if (request_.fd < 0) return;
    request_.pending = 1;
    loop.queue(request_);
  }
  void withdraw(UringLoop& loop) {
    cancel_.pending = 1;
    loop.submit(cancel_);
  }

 private:
  struct Request final : UringOperation {
    void prepare(io_uring_sqe& entry) override { io_uring_prep_poll_add(&entry, fd, POLLIN); }
    void complete(int32_t) override { pending = 0; }  // an error shows when the poller polls
    int fd = -1;
    size_t pending = 0;
  };
  struct Cancel final : UringOperation {
    explicit Cancel(Watch& of) : watch(of) {}
    void prepare(io_uring_sqe& entry) override {
      const UringOperation* target = &watch.request_;
      io_uring_prep_poll_remove(&entry, reinterpret_cast<uintptr_t>(target));
    }
    void complete(int32_t) override { pending = 0; }
    Watch& watch;
    size_t pending = 0;
  };

  Poller& poller_;
  Request request_;
  Cancel cancel_;
};

Result<std::unique_ptr<UringLoop>> UringLoop::create() {
  uint64_t seed = 0;
  if (getrandom(&seed, sizeof seed, 0) != sizeof seed) {
    return Status(ErrorCode::kIoError, text("no random numbers: ", strerror(errno)));
  }
  auto mailbox = std::make_unique<Mailbox>();
  if (mailbox->wait_fd() < 0) {
    return Status(ErrorCode::kIoError, text("no event descriptor: ", strerror(errno)));
  }
  auto ring = std::make_unique<io_uring>();
  if (const int result = open_ring(*ring); result < 0) return no_ring(-result);
  return std::unique_ptr<UringLoop>(new UringLoop(std::move(ring), std::move(mailbox), seed));
}

UringLoop::UringLoop(std::unique_ptr<io_uring> ring, std::unique_ptr<Mailbox> mailbox,
                     uint64_t seed)
    : ring_(std::move(ring)),
      random_(seed),
      runtime_{ready_, clock_, random_, timers_},
      completion_room_(ring_->cq.ring_entries),
      mailbox_(std::move(mailbox)) {
  add_poller(*mailbox_);
}

UringLoop::~UringLoop() {
  VARVE_CHECK(ready_.empty());
  VARVE_CHECK(watches_.size() == 1);
  // What is left may only be poll requests; closing the ring ends them.
  size_t left = in_ring_count_;
  for (const UringOperation* queued = queue_head_; queued != nullptr; queued = queued->next_)
    ++left;
  for (const auto& watch : watches_) left -= watch->pending();
  for (const auto& watch : retired_) left -= watch->pending();
  VARVE_CHECK(left == 0);
  io_uring_queue_exit(ring_.get());
}

void UringLoop::run_until(const std::function<bool()>& ended) {
  while (!ended()) turn();
}

void UringLoop::post(std::function<void()> call) {
  mailbox_->post(std::move(call));
}

void UringLoop::add_poller(Poller& poller) {
  watches_.push_back(std::make_unique<Watch>(poller));
}

void UringLoop::remove_poller(Poller& poller) {
  const auto found = std::find_if(watches_.begin(), watches_.end(),
                                  [&](const auto& watch) { return &watch->poller() == &poller; });
  VARVE_CHECK(found != watches_.end());
  if ((*found)->pending() > 0) {
    (*found)->withdraw(*this);
    retired_.push_back(std::move(*found));
  }
  watches_.erase(found);
}

void UringLoop::submit(UringOperation& operation) {
  queue(operation);
  if (queued_count_ < (device_started_ ? kSubmissionBatch : kFirstSubmissionBatch)) return;
  device_started_ = true;
  enter(Wait::kNoEvents);
}

void UringLoop::queue(UringOperation& operation) {
  operation.next_ = nullptr;
  (queue_head_ == nullptr ? queue_head_ : queue_tail_->next_) = &operation;
  queue_tail_ = &operation;
  ++queued_count_;
}

void UringLoop::turn() {
  device_started_ = false;
  const bool progress = run_and_poll();
  if (!progress && ready_.empty() && arm_to_sleep()) {
    held_back_ = false;
    enter(Wait::kSleep);
  } else if (!held_back_ && (queue_head_ != nullptr || kernel_wants_enter())) {
    // The next turn is likely to have more to submit, or nothing to do: then one call does it all.
    held_back_ = true;
  } else if (queue_head_ != nullptr || kernel_wants_enter() || io_uring_sq_ready(ring_.get()) > 0) {
    held_back_ = false;
    enter(Wait::kNone);
  }
  reap();
}

bool UringLoop::run_and_poll() {
  bool progress = false;
  timers_.fire();
  for (int round = 0; round < kRoundsPerTurn && !ready_.empty(); ++round) {
    ready_.run_ready();
    progress = true;
  }
  for (size_t i = 0; i < watches_.size(); ++i)
    if (!watches_[i]->rests()) progress |= watches_[i]->poller().poll() > 0;
  return progress;
}

bool UringLoop::arm_to_sleep() {
  if (io_uring_cq_ready(ring_.get()) > 0) return false;
  for (const auto& watch : watches_) {
    if (watch->poller().arm()) return false;
  }
  for (const auto& watch : watches_) watch->place(*this);
  return true;
}

void UringLoop::fill_ring() {
  while (queue_head_ != nullptr && in_ring_count_ < completion_room_) {
    io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
    if (entry == nullptr) return;
    UringOperation* operation = queue_head_;
    queue_head_ = operation->next_;
    --queued_count_;
    operation->prepare(*entry);
    io_uring_sqe_set_data(entry, operation);
    ++in_ring_count_;
  }
}

void UringLoop::enter(Wait wait) {
  fill_ring();
  int result = 0;
  if (wait == Wait::kNoEvents) {
    result = io_uring_submit(ring_.get());
  } else if (wait == Wait::kSleep &&
             (queue_head_ == nullptr || in_ring_count_ == completion_room_)) {
    result = wait_for_events();
  } else {  // what did not fit into the ring needs another turn, not a sleep
    result = io_uring_submit_and_get_events(ring_.get());
  }
  ++counters_.enter_count;
  if (result >= 0) {
    counters_.submission_count += static_cast<unsigned>(result);
    return;
  }
  // The kernel is short of memory or a signal came: entries stay in the ring for the next turn.
  VARVE_CHECK(result == -EINTR || result == -EAGAIN || result == -EBUSY || result == -ENOMEM);
}

int UringLoop::wait_for_events() {
  const uint64_t deadline_ns = timers_.next_deadline_ns();
  if (deadline_ns == kNever) return io_uring_submit_and_wait(ring_.get(), 1);
  const uint64_t now_ns = clock_.monotonic_ns();
  const uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
  __kernel_timespec timeout{.tv_sec = static_cast<int64_t>(left_ns / 1'000'000'000),
                            .tv_nsec = static_cast<long long>(left_ns % 1'000'000'000)};
  io_uring_cqe* first = nullptr;
  const int result = io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, &timeout, nullptr);
  return result == -ETIME ? 0 : result;
}

bool UringLoop::kernel_wants_enter() const {
  const unsigned flags = __atomic_load_n(ring_->sq.kflags, __ATOMIC_RELAXED);
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

void UringLoop::reap() {
  unsigned head = 0;
  unsigned count = 0;
  io_uring_cqe* entry = nullptr;
  io_uring_for_each_cqe(ring_.get(), head, entry) {
    ++count;
    static_cast<UringOperation*>(io_uring_cqe_get_data(entry))->complete(entry->res);
  }
  if (count == 0) return;
  io_uring_cq_advance(ring_.get(), count);
  in_ring_count_ -= count;
  counters_.completion_count += count;
  std::erase_if(retired_, [](const auto& watch) { return watch->pending() == 0; });
}

}  // namespace varve
