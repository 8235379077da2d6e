// NextReader: guesses which connection's socket has woken the shard, so that it can be read without
// asking epoll first. One goes on alone, or two take turns. There is a guess only while guesses
// would have been right, and a few times in a row: the others must not starve.
//
// A right guess leaves nothing for epoll to tell, provided that the sockets are watched for EPOLLIN
// alone: epoll asks a socket again before it says that its own descriptor is readable.
//
// Thread rule: one thread. Ownership: borrows connections until gone().
#pragma once

#include <array>
#include <cstdint>
#include <utility>

namespace varve {

class NextReader {
 public:
  // The likely ones, the likeliest first; null: none.
  std::array<void*, 2> guesses() const {
    if (!right_ || in_a_row_ >= kInARowMax) return {};
    if (same_again_ || other_ == nullptr) return {last_, other_};
    return {other_, last_};
  }
  // Something was read from it.
  void received(void* connection) {
    ++in_a_row_;
    right_ = connection == last_ || connection == other_;
    same_again_ = connection == last_;
    if (same_again_) return;
    other_ = std::exchange(last_, connection);
  }
  void asked_epoll() { in_a_row_ = 0; }
  void gone(const void* connection) {
    if (last_ == connection) last_ = std::exchange(other_, nullptr);
    if (other_ == connection) other_ = nullptr;
  }

 private:
  static constexpr uint32_t kInARowMax = 32;

  void* last_ = nullptr;
  void* other_ = nullptr;  // the last one before that which is not the same
  bool same_again_ = false;
  bool right_ = false;
  uint32_t in_a_row_ = 0;  // receptions since epoll was asked
};

}  // namespace varve
