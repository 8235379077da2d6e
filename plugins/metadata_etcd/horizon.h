// Horizon: the highest revision that an answer has told. Later questions must be answered with at
// least that; if not, the store is an older one: a backup was put back.
//
// Thread rule: the plugin's thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>

#include "plugins/sdk/host.h"

namespace varve {

class Horizon {
 public:
  explicit Horizon(const HostLog& log) : log_(log) {}
  Horizon(const Horizon&) = delete;
  Horizon& operator=(const Horizon&) = delete;

  uint64_t revision() const { return revision_; }
  // The answer to a question that was asked when revision() was `before`.
  void take(uint64_t before, uint64_t revision) {
    if (revision >= before || before > revision_) {
      revision_ = std::max(revision_, revision);
      return;
    }
    log_.warn(join({"etcd's revision went back from ", std::to_string(before), " to ",
                    std::to_string(revision), ": an older backup was put back"}));
    revision_ = revision;
    ++lives_;
  }
  // How often the store became an older one.
  uint64_t lives() const { return lives_; }

 private:
  const HostLog& log_;
  uint64_t revision_ = 0;
  uint64_t lives_ = 1;
};

}  // namespace varve
