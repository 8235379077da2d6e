// TroubleLog: the log hears of trouble once, and of its end.
//
// Thread rule: the plugin's thread.
#pragma once

#include <string>

#include "plugins/sdk/host.h"

namespace varve {

class TroubleLog {
 public:
  explicit TroubleLog(const HostLog& log) : log_(log) {}
  TroubleLog(const TroubleLog&) = delete;
  TroubleLog& operator=(const TroubleLog&) = delete;

  void trouble(const std::string& words) {
    if (words == words_) return;
    words_ = words;
    log_.warn(join({"the metadata store does not work: ", words}));
  }
  void works() {
    if (words_.empty()) return;
    words_.clear();
    log_.info("the metadata store works again");
  }
  // Keys that no Varve has written are left out of an answer; said once.
  void strange(size_t count) {
    if (count == 0 || told_strange_) return;
    told_strange_ = true;
    log_.warn("etcd has keys under the prefix that Varve did not write; they are left out");
  }

 private:
  const HostLog& log_;
  std::string words_;  // what was last said; empty: it works
  bool told_strange_ = false;
};

}  // namespace varve
