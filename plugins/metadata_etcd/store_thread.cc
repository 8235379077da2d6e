#include "plugins/metadata_etcd/store_thread.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "plugins/metadata_etcd/horizon.h"
#include "plugins/metadata_etcd/limits.h"
#include "plugins/metadata_etcd/login.h"
#include "plugins/metadata_etcd/members.h"
#include "plugins/metadata_etcd/opening.h"
#include "plugins/metadata_etcd/operations.h"
#include "plugins/metadata_etcd/trouble_log.h"
#include "plugins/metadata_etcd/watches.h"

namespace varve {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// What the thread works with while it runs.
class StoreThread::Work {
 public:
  Work(const HostLog& log, const EtcdOptions& options, const Certificates& certificates,
       std::promise<std::string> opened)
      : members_(loop, options, certificates, log),
        login_(members_, options),
        horizon_(log),
        trouble_(log),
        opening_(members_, login_, std::move(opened)),
        operations_(members_, login_, horizon_, trouble_),
        watches_(members_, login_, horizon_, trouble_) {}
  // Whoever is called when a call ends is still there.
  ~Work() { loop.end(); }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  void take(Request request) {
    switch (request.kind) {
      case Request::Kind::kRange:
      case Request::Kind::kCommit:
        operations_.add(std::move(request));
        break;
      case Request::Kind::kWatch:
        watches_.add(request);
        break;
      case Request::Kind::kUnwatch:
        watches_.remove(request);
        break;
      case Request::Kind::kLook:
        break;  // all are looked at
    }
  }
  // False: etcd cannot be used.
  bool look() {
    const Time now = steady_clock::now();
    members_.look(now);
    login_.look(now);
    opening_.look(now);
    operations_.look(now);
    watches_.look(now);
    return !opening_.failed();
  }
  void wait() {
    const bool busy = !opening_.ended() || operations_.waiting() || watches_.waiting();
    Time until = Time::max();
    if (busy) {
      until = steady_clock::now() + milliseconds(kRetryMs);
    } else if (!members_.all_usable()) {
      until = steady_clock::now() + milliseconds(kIdleLookMs);
    }
    loop.wait(until);
  }
  void give_up() { opening_.give_up(); }

  CompletionLoop loop;

 private:
  Members members_;
  Login login_;
  Horizon horizon_;
  TroubleLog trouble_;
  Opening opening_;
  Operations operations_;
  Watches watches_;
};

StoreThread::~StoreThread() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
    if (loop_ != nullptr) loop_->wake();
  }
  if (thread_.joinable()) thread_.join();
}

std::string StoreThread::read_files(const EtcdOptions& options) {
  struct File {
    const std::string& path;
    std::string& into;
  };
  std::string password;
  for (const File& file :
       {File{options.ca_file, certificates_.ca}, File{options.cert_file, certificates_.cert},
        File{options.key_file, certificates_.key}, File{options.password_file, password}}) {
    if (file.path.empty()) continue;
    std::string wrong = read_secret(file.path, file.into);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

std::string StoreThread::start(const EtcdOptions& options) {
  const std::lock_guard lock(start_mutex_);
  if (thread_.joinable()) return {};
  std::string wrong = read_files(options);
  if (!wrong.empty()) return wrong;
  std::promise<std::string> opened;
  std::future<std::string> why = opened.get_future();
  // Signals are the daemon's business, also for the threads that gRPC begins.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread(
      [this, &options, opened = std::move(opened)]() mutable { run(options, std::move(opened)); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  wrong = why.get();
  if (!wrong.empty()) thread_.join();
  return wrong;
}

void StoreThread::push(Request request) {
  request.accepted = steady_clock::now();
  const std::lock_guard lock(mutex_);
  if (loop_ == nullptr) return;
  requests_.push_back(std::move(request));
  loop_->wake();
}

void StoreThread::run(const EtcdOptions& options, std::promise<std::string> opened) {
  Work work(log_, options, certificates_, std::move(opened));
  {
    const std::lock_guard lock(mutex_);
    loop_ = &work.loop;
  }
  while (take_requests(work) && work.look()) work.wait();
  {
    const std::lock_guard lock(mutex_);
    loop_ = nullptr;
    requests_.clear();
  }
  work.give_up();
}

bool StoreThread::take_requests(Work& work) {
  std::deque<Request> taken;
  {
    const std::lock_guard lock(mutex_);
    if (ending_) return false;
    taken.swap(requests_);
  }
  for (Request& request : taken) work.take(std::move(request));
  return true;
}

}  // namespace varve
