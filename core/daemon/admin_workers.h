// AdminWorkers: the threads that make answers; a call on the backend blocks one of them.
//
// Thread rule: give() and take_answers() from one thread; `wake` is called from theirs.
// Ownership: borrows the backend.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/daemon/admin_backend.h"

namespace varve {

class AdminWorkers {
 public:
  struct Request {
    uint64_t id;
    std::string bytes;
  };
  struct Answer {
    uint64_t id;
    std::string bytes;
  };

  // `wake`: there is an answer to take.
  AdminWorkers(AdminBackend& backend, std::function<void()> wake);
  // Makes the answers that have begun; forgets the rest.
  ~AdminWorkers();
  AdminWorkers(const AdminWorkers&) = delete;
  AdminWorkers& operator=(const AdminWorkers&) = delete;

  void give(Request request);
  std::vector<Answer> take_answers();

 private:
  void work(AdminBackend& backend);

  const std::function<void()> wake_;
  std::mutex mutex_;
  std::condition_variable news_;
  std::deque<Request> requests_;
  std::vector<Answer> answers_;
  bool ends_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace varve
