// StoreThread: the one thread that talks to SQLite for all contexts of an instance.
//
// Ranges and watches never wait behind a commit that cannot get the write lock. A call that finds
// the store locked is tried again until its patience ends. While somebody watches, the thread looks
// every kLookMs for what other processes have committed: one read of shared memory and a cached
// page; nothing is written.
//
// Thread rule: any thread may start() and push(). The destructor waits for the thread to end.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "plugins/metadata_sqlite/database.h"
#include "plugins/metadata_sqlite/options.h"
#include "plugins/sdk/host.h"
#include "plugins/sdk/metadata_calls.h"
#include "plugins/sdk/metadata_mailbox.h"
#include "plugins/sdk/unique_fd.h"

namespace varve {

class StoreThread final : public MetadataThread {
 public:
  explicit StoreThread(const HostLog& log);
  ~StoreThread() override;
  StoreThread(const StoreThread&) = delete;
  StoreThread& operator=(const StoreThread&) = delete;

  // Opens the store on the first call; returns what went wrong.
  std::string start(const SqliteOptions& options);
  void push(Request request) override;

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct Watch {
    std::shared_ptr<Mailbox> mailbox;
    uint64_t op_id = 0;
    uint64_t number = 0;
    std::string prefix;
    uint64_t known = 0;  // changes up to this revision were told
  };

  void run();
  bool take_requests();  // false: the end
  void sort_in(Request request);
  void serve_ranges();
  void serve_commits();
  void look();
  void tell(Watch& watch);
  // True when the request has got its result.
  bool finish(const Request& request, Outcome outcome, Answer answer);
  void note_trouble(Request::Kind kind, const std::string& words);
  void note_works(Request::Kind kind);
  void sleep();

  const HostLog& log_;
  const UniqueFd wake_fd_;
  std::mutex start_mutex_;
  std::mutex mutex_;  // guards requests_ and ending_
  std::deque<Request> requests_;
  bool ending_ = false;
  std::thread thread_;

  // The thread's own.
  std::unique_ptr<Database> database_;
  std::deque<Request> ranges_;
  std::deque<Request> commits_;
  std::vector<Watch> watches_;
  Time next_look_{};
  Time next_commit_{};
  uint32_t commits_in_row_ = 0;
  bool look_now_ = false;
  Request::Kind trouble_with_ = Request::Kind::kRange;
  std::string trouble_;  // what was last said in the log; empty: it works
};

}  // namespace varve
