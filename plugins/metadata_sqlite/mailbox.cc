#include "plugins/metadata_sqlite/mailbox.h"

#include <sys/eventfd.h>

#include <algorithm>

#include "plugins/metadata_sqlite/limits.h"

namespace varve {

Mailbox::Mailbox() : wait_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

bool Mailbox::begin_call() {
  const std::lock_guard lock(mutex_);
  if (calls_ >= kCallsMax) return false;
  ++calls_;
  return true;
}

uint64_t Mailbox::add_watch(uint64_t op_id) {
  const std::lock_guard lock(mutex_);
  if (watches_.contains(op_id)) return 0;
  watches_[op_id] = {++last_number_, false};
  return last_number_;
}

uint64_t Mailbox::remove_watch(uint64_t op_id) {
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

bool Mailbox::empty() {
  const std::lock_guard lock(mutex_);
  return letters_.empty();
}

std::vector<Letter> Mailbox::take(uint32_t most, bool& behind) {
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

void Mailbox::close() {
  const std::lock_guard lock(mutex_);
  closed_ = true;
  letters_.clear();
  watches_.clear();
}

void Mailbox::put(Letter letter) {
  letters_.push_back(std::move(letter));
  if (signalled_) return;
  signalled_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t bytes = write(wait_fd_.get(), &one, sizeof one);
}

void Mailbox::put_result(Letter letter) {
  const std::lock_guard lock(mutex_);
  if (!closed_) put(std::move(letter));
}

Mailbox::Watch* Mailbox::find(uint64_t number) {
  for (auto& [op_id, watch] : watches_) {
    if (watch.number == number) return &watch;
  }
  return nullptr;
}

void Mailbox::put_of_watch(uint64_t number, Letter letter) {
  const std::lock_guard lock(mutex_);
  Watch* watch = find(number);
  if (watch == nullptr) return;
  watch->full = true;
  put(std::move(letter));
}

bool Mailbox::watch_is_full(uint64_t number) {
  const std::lock_guard lock(mutex_);
  const Watch* watch = find(number);
  return watch != nullptr && watch->full;
}

bool Mailbox::closed() {
  const std::lock_guard lock(mutex_);
  return closed_;
}

void Mailbox::set_behind() {
  const std::lock_guard lock(mutex_);
  behind_ = true;
}

}  // namespace varve
