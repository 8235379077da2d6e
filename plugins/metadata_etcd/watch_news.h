// WatchNews: what one watch has to tell and its context has not taken yet. Changes of a key are
// merged meanwhile, so that it never grows beyond the keys that there are.
//
// Thread rule: the plugin's thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "plugins/sdk/metadata_calls.h"

namespace varve {

class WatchNews {
 public:
  explicit WatchNews(uint64_t known) : known_(known) {}

  // All changes up to this revision are here, or were told.
  uint64_t known() const { return known_; }
  // Changes in the order of their revisions; the last revision may go on in a later call.
  void add(std::vector<Entry> changes);
  // The last revision is complete; all up to `revision` are here.
  void complete(uint64_t revision);
  // The revision that was not complete will come again.
  void interrupted() { incomplete_.clear(); }
  // Changes up to `revision` may have been missed.
  void missed(uint64_t revision);

  bool any() const { return missed_ || !changes_.empty(); }
  Letter take(uint64_t op_id);

 private:
  uint64_t known_;
  bool missed_ = false;
  uint64_t missed_revision_ = 0;
  std::map<std::string, Entry> changes_;  // of complete revisions, by key
  std::vector<Entry> incomplete_;
};

}  // namespace varve
