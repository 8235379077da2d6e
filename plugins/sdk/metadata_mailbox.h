// Mailbox: what a metadata plugin's thread has for one context.
//
// Thread rule: the plugin's thread puts, the context's thread does the rest; a mutex inside.
// Ownership: shared by both, for either may end first. Once closed it takes nothing more.
#pragma once

#include <sys/eventfd.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "plugins/abi/metadata.h"
#include "plugins/sdk/metadata_calls.h"
#include "plugins/sdk/unique_fd.h"

namespace varve {

class Mailbox {
 public:
  // At most `calls_max` calls are under way.
  explicit Mailbox(uint32_t calls_max)
      : calls_max_(calls_max), wait_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
  bool valid() const { return wait_fd_.valid(); }
  int wait_fd() const { return wait_fd_.get(); }

  // Context's side.
  bool begin_call();                      // false: too many are under way
  uint64_t add_watch(uint64_t op_id);     // a number that is never used again
  uint64_t remove_watch(uint64_t op_id);  // that number; 0: no such watch
  bool empty();
  // Moves out at most `most` letters. `behind`: some watch waits for room to say more.
  std::vector<Letter> take(uint32_t most, bool& behind);
  void close();

  // Plugin's side.
  void put_result(Letter letter);
  // Of the watch with this number; dropped when it was removed.
  void put_of_watch(uint64_t number, Letter letter);
  // The context has not taken this watch's last letter yet, so that later changes can be merged.
  bool watch_is_full(uint64_t number);
  bool closed();
  // The watch has more to say: say so in take().
  void set_behind();

 private:
  struct Watch {
    uint64_t number = 0;
    bool full = false;
  };
  void put(Letter letter);
  Watch* find(uint64_t number);

  const uint32_t calls_max_;
  const UniqueFd wait_fd_;
  std::mutex mutex_;  // guards what follows
  std::deque<Letter> letters_;
  std::map<uint64_t, Watch> watches_;  // by op_id
  uint64_t last_number_ = 0;
  uint32_t calls_ = 0;
  bool signalled_ = false;  // wait_fd_ is readable
  bool behind_ = false;
  bool closed_ = false;
};

inline bool Mailbox::begin_call() {
  const std::lock_guard lock(mutex_);
  if (calls_ >= calls_max_) return false;
  ++calls_;
  return true;
}

inline uint64_t Mailbox::add_watch(uint64_t op_id) {
  const std::lock_guard lock(mutex_);
  if (watches_.contains(op_id)) return 0;
  watches_[op_id] = {++last_number_, false};
  return last_number_;
}

inline uint64_t Mailbox::remove_watch(uint64_t op_id) {
  const std::lock_guard lock(mutex_);
  const auto found = watches_.find(op_id);
  if (found == watches_.end()) return 0;
  const uint64_t number = found->second.number;
  watches_.erase(found);
  std::erase_if(letters_, [op_id](const Letter& letter) {
    return letter.kind != VARVE_METADATA_RESULT && letter.op_id == op_id;
  });
  return number;
}

inline bool Mailbox::empty() {
  const std::lock_guard lock(mutex_);
  return letters_.empty();
}

inline std::vector<Letter> Mailbox::take(uint32_t most, bool& behind) {
  std::vector<Letter> taken;
  const std::lock_guard lock(mutex_);
  if (letters_.empty()) {
    if (!signalled_) return taken;
    // Under the mutex, so that no later letter's sign is lost.
    signalled_ = false;
    uint64_t count = 0;
    [[maybe_unused]] const ssize_t bytes = read(wait_fd_.get(), &count, sizeof count);
    return taken;
  }
  while (!letters_.empty() && taken.size() < most) {
    Letter& letter = letters_.front();
    if (letter.kind == VARVE_METADATA_RESULT) {
      --calls_;
    } else if (const auto watch = watches_.find(letter.op_id); watch != watches_.end()) {
      watch->second.full = false;
      behind |= behind_;
    }
    taken.push_back(std::move(letter));
    letters_.pop_front();
  }
  if (behind) behind_ = false;
  return taken;
}

inline void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  letters_.clear();
  watches_.clear();
}

inline void Mailbox::put(Letter letter) {
  letters_.push_back(std::move(letter));
  if (signalled_) return;
  signalled_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t bytes = write(wait_fd_.get(), &one, sizeof one);
}

inline void Mailbox::put_result(Letter letter) {
  const std::lock_guard lock(mutex_);
  if (!closed_) put(std::move(letter));
}

inline Mailbox::Watch* Mailbox::find(uint64_t number) {
  for (auto& [op_id, watch] : watches_) {
    if (watch.number == number) return &watch;
  }
  return nullptr;
}

inline void Mailbox::put_of_watch(uint64_t number, Letter letter) {
  const std::lock_guard lock(mutex_);
  Watch* watch = find(number);
  if (watch == nullptr) return;
  watch->full = true;
  put(std::move(letter));
}

inline bool Mailbox::watch_is_full(uint64_t number) {
  const std::lock_guard lock(mutex_);
  const Watch* watch = find(number);
  return watch != nullptr && watch->full;
}

inline bool Mailbox::closed() {
  const std::lock_guard lock(mutex_);
  return closed_;
}

inline void Mailbox::set_behind() {
  const std::lock_guard lock(mutex_);
  behind_ = true;
}

}  // namespace varve
