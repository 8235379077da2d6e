#include "core/runtime/run_queue.h"

#include <utility>

#include "core/runtime/random.h"

namespace varve {

size_t RunQueue::run_ready() {
  running_.swap(ready_);
  const size_t count = running_.size();
  for (size_t i = 0; i < count; ++i) {
    if (shuffle_ != nullptr) std::swap(running_[i], running_[i + shuffle_->below(count - i)]);
    running_[i].resume();
  }
  running_.clear();
  return count;
}

}  // namespace varve
