// StagingRing: where payloads lie that the peer is to read, given back in the order in which they
// were taken. Counts only; the memory is somebody else's.
//
// Thread rule: a plain object.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

class StagingRing {
 public:
  struct Place {
    size_t offset = 0;
    size_t taken_bytes = 0;  // what give_back() wants
  };

  explicit StagingRing(size_t bytes) : bytes_(bytes) {}

  // Whether `bytes` in one piece would find a place now.
  bool fits(size_t bytes) const { return place(bytes).taken_bytes <= bytes_ - used_; }
  // Only what fits().
  Place take(size_t bytes) {
    const Place found = place(bytes);
    used_ += found.taken_bytes;
    next_ = (found.offset + round(bytes)) % bytes_;
    return found;
  }
  // The oldest.
  void give_back(size_t taken_bytes) { used_ -= taken_bytes; }
  size_t used() const { return used_; }

 private:
  static constexpr size_t kAlign = 64;
  static size_t round(size_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

  // At the next place, or at the beginning when it is too near to the end: then that is lost until
  // the piece is given back.
  Place place(size_t bytes) const {
    const size_t to_end = bytes_ - next_;
    if (round(bytes) <= to_end) return {next_, round(bytes)};
    return {0, to_end + round(bytes)};
  }

  const size_t bytes_;
  size_t next_ = 0;
  size_t used_ = 0;
};

}  // namespace varve
