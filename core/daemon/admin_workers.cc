#include "core/daemon/admin_workers.h"

#include <utility>

#include "core/daemon/admin_http.h"

namespace varve {
namespace {

constexpr size_t kThreadCount = 8;

}  // namespace

AdminWorkers::AdminWorkers(AdminBackend& backend, std::function<void()> wake)
    : wake_(std::move(wake)) {
  for (size_t i = 0; i < kThreadCount; ++i)
    threads_.emplace_back([this, &backend] { work(backend); });
}

AdminWorkers::~AdminWorkers() {
  {
    const std::lock_guard lock(mutex_);
    ends_ = true;
  }
  news_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void AdminWorkers::give(Request request) {
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(std::move(request));
  }
  news_.notify_one();
}

std::vector<AdminWorkers::Answer> AdminWorkers::take_answers() {
  const std::lock_guard lock(mutex_);
  return std::exchange(answers_, {});
}

void AdminWorkers::work(AdminBackend& backend) {
  AdminHttp http(backend);
  std::unique_lock lock(mutex_);
  while (true) {
    news_.wait(lock, [this] { return ends_ || !requests_.empty(); });
    if (ends_) return;
    const Request request = std::move(requests_.front());
    requests_.pop_front();
    lock.unlock();
    Answer answer{request.id, http.answer(request.bytes)};
    lock.lock();
    answers_.push_back(std::move(answer));
    lock.unlock();
    wake_();
    lock.lock();
  }
}

}  // namespace varve
