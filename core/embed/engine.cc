#include "core/embed/engine.h"

#include <utility>

#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"

namespace varve {
namespace {

Status not_open() {
  return {ErrorCode::kClosed, "the engine is not open: not yet, or it was stopped"};
}

Status would_wait_for_itself() {
  return {ErrorCode::kInvalidArgument,
          "this call waits for the engine's thread and was made on it; submit with a callback"};
}

// `look` stays until the answer: it lives in the request.
Task<Status> run_look(Store* store, const Engine::Look* look) {
  co_return (*look)(*store);
}

}  // namespace

struct Engine::Request {
  const Work work;
  const Done done;
};

// What exists while the store is open. Belongs to the engine's thread.
struct Engine::Serving {
  Store& store;
  TaskGroup requests;
  WaitList stopped;
  bool stop_seen = false;
};

Engine::Engine(Disk disk) : disk_(std::move(disk)) {}
Engine::~Engine() = default;

Status Engine::run() {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kNew)
      return {ErrorCode::kInvalidArgument, "an engine runs once: make another one"};
    state_ = State::kOpening;
    thread_ = std::this_thread::get_id();
  }
  const Status status = open_and_serve();
  const std::lock_guard lock(mutex_);
  if (state_ == State::kOpening && !status.ok()) open_status_ = status;
  state_ = State::kEnded;
  opened_.notify_all();
  return status;
}

Status Engine::open_and_serve() {
  const Result<std::unique_ptr<UringLoop>> loop = UringLoop::create();
  if (!loop.ok()) return loop.status();
  const Result<std::unique_ptr<BlockDevice>> device = open_disk(**loop, disk_);
  if (!device.ok()) return device.status();
  {
    const std::lock_guard lock(mutex_);
    loop_ = loop->get();
  }
  return (*loop)->run(serve(&(*loop)->runtime(), device->get()));
}

Task<Status> Engine::serve(Runtime* runtime, BlockDevice* device) {
  const StoreOptions options;
  const Result<std::unique_ptr<Store>> opened = co_await Store::open(*runtime, *device, options);
  if (!opened.ok()) co_return opened.status();
  Serving serving{**opened, TaskGroup(runtime->ready), WaitList(runtime->ready)};
  if (begin_serving(serving)) {
    while (!serving.stop_seen) co_await serving.stopped.wait();
    co_await serving.requests.done();
  }
  co_return co_await (*opened)->close();
}

bool Engine::begin_serving(Serving& serving) {
  const std::lock_guard lock(mutex_);
  if (stop_asked_) return false;
  serving_ = &serving;
  state_ = State::kServing;
  opened_.notify_all();
  return true;
}

Status Engine::wait_open() {
  std::unique_lock lock(mutex_);
  if (state_ == State::kOpening && on_engine_thread()) return would_wait_for_itself();
  while (!stop_asked_ && (state_ == State::kNew || state_ == State::kOpening)) opened_.wait(lock);
  if (state_ == State::kServing) return {};
  return open_status_.ok() ? not_open() : open_status_;
}

void Engine::stop() {
  const std::lock_guard lock(mutex_);
  if (stop_asked_) return;
  stop_asked_ = true;
  opened_.notify_all();
  if (state_ != State::kServing) return;
  state_ = State::kStopping;
  room_.notify_all();
  // Behind all that was accepted: the mailbox keeps the order.
  loop_->post([this] {
    serving_->stop_seen = true;
    serving_->stopped.wake_all();
  });
}

bool Engine::running() {
  const std::lock_guard lock(mutex_);
  return state_ != State::kNew && state_ != State::kEnded;
}

void Engine::accept(Work work, Done done) {
  ++request_count_;
  auto request = std::make_shared<Request>(std::move(work), std::move(done));
  loop_->post([this, request] { serving_->requests.start(answer(request)); });
}

Task<void> Engine::answer(std::shared_ptr<Request> request) {
  const Status status = co_await request->work(serving_->store);
  {
    const std::lock_guard lock(mutex_);
    --request_count_;
    room_.notify_one();
  }
  request->done(status);
}

Status Engine::call(Work work) {
  struct Answer {
    Status status;
    bool there = false;
    std::condition_variable arrived;
  } answer;
  std::unique_lock lock(mutex_);
  if (state_ == State::kServing && on_engine_thread()) return would_wait_for_itself();
  while (state_ == State::kServing && request_count_ == VARVE_REQUESTS_MAX) room_.wait(lock);
  if (state_ != State::kServing) return not_open();
  accept(std::move(work), [this, &answer](const Status& status) {
    const std::lock_guard answer_lock(mutex_);
    answer.status = status;
    answer.there = true;
    answer.arrived.notify_one();  // with the lock: then it is not gone yet
  });
  while (!answer.there) answer.arrived.wait(lock);
  return answer.status;
}

Status Engine::submit(Work work, Done done) {
  const std::lock_guard lock(mutex_);
  if (state_ != State::kServing) return not_open();
  if (request_count_ == VARVE_REQUESTS_MAX)
    return {ErrorCode::kBusy, "as many requests as are allowed are under way; wait for an answer"};
  accept(std::move(work), std::move(done));
  return {};
}

Status Engine::look(Look look) {
  bool here = false;
  {
    const std::lock_guard lock(mutex_);
    here = state_ == State::kServing && on_engine_thread();
  }
  if (here) return look(serving_->store);
  return call([look = std::move(look)](Store& store) { return run_look(&store, &look); });
}

}  // namespace varve
