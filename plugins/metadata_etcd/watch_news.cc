#include "plugins/metadata_etcd/watch_news.h"

#include <algorithm>
#include <utility>

namespace varve {

void WatchNews::add(std::vector<Entry> changes) {
  for (Entry& entry : changes) {
    if (entry.revision > known_) incomplete_.push_back(std::move(entry));
  }
}

void WatchNews::complete(uint64_t revision) {
  for (Entry& entry : incomplete_) {
    known_ = std::max(known_, entry.revision);
    std::string key = entry.key;
    changes_.insert_or_assign(std::move(key), std::move(entry));
  }
  incomplete_.clear();
  known_ = std::max(known_, revision);
}

void WatchNews::missed(uint64_t revision) {
  incomplete_.clear();
  changes_.clear();
  missed_ = true;
  missed_revision_ = known_ = revision;
}

Letter WatchNews::take(uint64_t op_id) {
  if (missed_) {
    missed_ = false;
    return {VARVE_METADATA_RESYNC, VARVE_OK, op_id, {.revision = missed_revision_}};
  }
  Answer answer{.revision = known_};
  for (auto& [key, entry] : changes_) answer.entries.push_back(std::move(entry));
  changes_.clear();
  std::stable_sort(answer.entries.begin(), answer.entries.end(),
                   [](const Entry& a, const Entry& b) { return a.revision < b.revision; });
  return {VARVE_METADATA_CHANGES, VARVE_OK, op_id, std::move(answer)};
}

}  // namespace varve
