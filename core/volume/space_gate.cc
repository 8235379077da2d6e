#include "core/volume/space_gate.h"

#include "core/store/store.h"

namespace varve {

SpaceGate::SpaceGate(Runtime& runtime, Store& store)
    : store_(store), waiters_(runtime.ready), listener_(runtime.ready) {}

Task<void> SpaceGate::wait() {
  if (closed_) co_return;
  if (listener_.running() == 0) listener_.start(listen());
  if (listener_.running() == 0) co_return;  // it was told at once
  ++waiting_count_;
  co_await waiters_.wait();
  --waiting_count_;
}

Task<void> SpaceGate::listen() {
  co_await store_.space_freed();
  waiters_.wake_all();
}

void SpaceGate::close() {
  closed_ = true;
  waiters_.wake_all();
}

Task<void> SpaceGate::drained() {
  co_await listener_.done();
}

}  // namespace varve
