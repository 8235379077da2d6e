#include "plugins/metadata_sqlite/store_thread.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <future>

#include "plugins/metadata_sqlite/limits.h"

namespace varve {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

}  // namespace

StoreThread::StoreThread(const HostLog& log)
    : log_(log), wake_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

StoreThread::~StoreThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t bytes = write(wake_fd_.get(), &one, sizeof one);
  if (thread_.joinable()) thread_.join();
}

std::string StoreThread::start(const SqliteOptions& options) {
  const std::lock_guard lock(start_mutex_);
  if (thread_.joinable()) return {};
  if (!wake_fd_.valid()) return "the kernel gives no descriptor";
  std::promise<std::string> opened;
  std::future<std::string> why = opened.get_future();
  // Signals are the daemon's business.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this, options, opened = std::move(opened)]() mutable {
    std::string wrong;
    database_ = Database::open(options, wrong);
    opened.set_value(wrong);
    if (database_ != nullptr) run();
    database_.reset();
  });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  std::string wrong = why.get();
  if (!wrong.empty()) thread_.join();
  return wrong;
}

void StoreThread::push(Request request) {
  request.accepted = steady_clock::now();
  const std::lock_guard lock(mutex_);
  requests_.push_back(std::move(request));
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t bytes = write(wake_fd_.get(), &one, sizeof one);
}

void StoreThread::run() {
  while (take_requests()) {
    serve_ranges();
    serve_commits();
    if (!watches_.empty() && (look_now_ || steady_clock::now() >= next_look_)) look();
    sleep();
  }
}

bool StoreThread::take_requests() {
  std::deque<Request> taken;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    taken.swap(requests_);
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t bytes = read(wake_fd_.get(), &count, sizeof count);
  }
  for (Request& request : taken) sort_in(std::move(request));
  return true;
}

void StoreThread::sort_in(Request request) {
  switch (request.kind) {
    case Request::Kind::kRange:
      ranges_.push_back(std::move(request));
      break;
    case Request::Kind::kCommit:
      commits_.push_back(std::move(request));
      break;
    case Request::Kind::kWatch:
      watches_.push_back({std::move(request.mailbox), request.op_id, request.watch,
                          std::move(request.prefix), request.revision});
      look_now_ = true;
      break;
    case Request::Kind::kUnwatch:
      std::erase_if(watches_, [&request](const Watch& watch) {
        return watch.mailbox == request.mailbox && watch.number == request.watch;
      });
      break;
    case Request::Kind::kLook:
      look_now_ = true;
      break;
  }
}

void StoreThread::serve_ranges() {
  std::erase_if(ranges_, [this](const Request& request) {
    Answer answer;
    const Outcome outcome = database_->range(request.prefix, answer);
    return finish(request, outcome, std::move(answer));
  });
}

void StoreThread::serve_commits() {
  // One whose context is gone and that was not begun is not begun any more.
  std::erase_if(commits_, [](const Request& request) { return request.mailbox->closed(); });
  if (commits_in_row_ >= kCommitsInRow && !commits_.empty()) {
    commits_in_row_ = 0;
    next_commit_ = steady_clock::now() + milliseconds(kCommitPauseMs);
  }
  if (commits_.empty()) commits_in_row_ = 0;
  while (!commits_.empty() && commits_in_row_ < kCommitsInRow &&
         steady_clock::now() >= next_commit_) {
    Answer answer;
    const Outcome outcome = database_->commit(commits_.front().transaction, answer);
    if (outcome == Outcome::kDone) look_now_ = true;
    if (outcome == Outcome::kBusy) {
      next_commit_ = steady_clock::now() + milliseconds(kLockRetryMs);
      // All that have waited long enough, not only the first.
      std::erase_if(commits_, [this](const Request& request) {
        return finish(request, Outcome::kBusy, Answer());
      });
      return;
    }
    ++commits_in_row_;
    finish(commits_.front(), outcome, std::move(answer));
    commits_.pop_front();
  }
}

bool StoreThread::finish(const Request& request, Outcome outcome, Answer answer) {
  Letter letter{VARVE_METADATA_RESULT, VARVE_OK, request.op_id, {}};
  switch (outcome) {
    case Outcome::kDone:
      letter.answer = std::move(answer);
      note_works(request.kind);
      break;
    case Outcome::kBusy:
      if (steady_clock::now() < request.accepted + milliseconds(kLockPatienceMs)) return false;
      letter.result = VARVE_E_UNAVAILABLE;
      note_trouble(request.kind, "another process holds the store's lock");
      break;
    case Outcome::kFailed:
      letter.result = VARVE_E_UNAVAILABLE;
      note_trouble(request.kind, database_->trouble());
      break;
    case Outcome::kUnknown:
      letter.result = VARVE_E_UNKNOWN;
      note_trouble(request.kind, database_->trouble());
      break;
  }
  request.mailbox->put_result(std::move(letter));
  return true;
}

// The log hears of trouble once, and of its end when what had failed works: ranges may work while
// commits do not.
void StoreThread::note_trouble(Request::Kind kind, const std::string& words) {
  if (words == trouble_) return;
  trouble_ = words;
  trouble_with_ = kind;
  log_.warn(join({"the metadata store does not work: ", words}));
}

void StoreThread::note_works(Request::Kind kind) {
  if (trouble_.empty() || trouble_with_ != kind) return;
  trouble_.clear();
  log_.info("the metadata store works again");
}

void StoreThread::look() {
  look_now_ = false;
  next_look_ = steady_clock::now() + milliseconds(kLookMs);
  std::erase_if(watches_, [](const Watch& watch) { return watch.mailbox->closed(); });
  uint64_t revision = 0;
  if (watches_.empty() || database_->revision(revision) != Outcome::kDone) return;
  for (Watch& watch : watches_) {
    if (watch.known != revision) tell(watch);
  }
}

void StoreThread::tell(Watch& watch) {
  if (watch.mailbox->watch_is_full(watch.number)) {
    watch.mailbox->set_behind();
    return;
  }
  Answer answer;
  if (database_->changes(watch.prefix, watch.known, answer) != Outcome::kDone) return;
  watch.known = answer.revision;
  if (answer.more) watch.mailbox->set_behind();
  if (!answer.forgotten && answer.entries.empty()) return;
  const uint32_t kind = answer.forgotten ? VARVE_METADATA_RESYNC : VARVE_METADATA_CHANGES;
  watch.mailbox->put_of_watch(watch.number, {kind, VARVE_OK, watch.op_id, std::move(answer)});
}

void StoreThread::sleep() {
  // Whatever comes next: a request, the time to look, the time to try again.
  auto until = steady_clock::time_point::max();
  if (!watches_.empty()) until = std::min(until, next_look_);
  if (!commits_.empty()) until = std::min(until, next_commit_);
  if (!ranges_.empty()) until = std::min(until, steady_clock::now() + milliseconds(kLockRetryMs));
  int timeout_ms = -1;
  if (until != steady_clock::time_point::max()) {
    const auto left = std::chrono::ceil<milliseconds>(until - steady_clock::now()).count();
    timeout_ms = static_cast<int>(std::clamp<int64_t>(left, 0, 1000));
  }
  if (look_now_ && !watches_.empty()) timeout_ms = 0;
  pollfd wake{wake_fd_.get(), POLLIN, 0};
  ::poll(&wake, 1, timeout_ms);
}

}  // namespace varve
