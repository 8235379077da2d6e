#include "core/net/peer_ways.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/net/limits.h"

namespace varve {
namespace {

bool is_on(const PeerAddress& where, const std::string& transport) {
  return where.transport.empty() || where.transport == transport;
}

}  // namespace

bool PeerWays::set(const std::vector<PeerAddress>& addresses) {
  addresses_ = addresses;
  std::vector<Entry> ways;
  for (size_t i = 0; i < transports_.count(); ++i) {
    if (!transports_.usable(i)) continue;
    const auto where = std::find_if(addresses.begin(), addresses.end(), [&](const auto& one) {
      return is_on(one, transports_.name(i));
    });
    if (where != addresses.end()) ways.push_back({.way = {i, where->address}});
  }
  const bool same = std::equal(ways.begin(), ways.end(), ways_.begin(), ways_.end(),
                               [](const Entry& a, const Entry& b) { return a.way == b.way; });
  if (!same) ways_ = std::move(ways);
  return !same;
}

size_t PeerWays::rank(const Way& way) const {
  const auto found = std::find_if(ways_.begin(), ways_.end(),
                                  [&](const Entry& entry) { return entry.way == way; });
  return static_cast<size_t>(found - ways_.begin());
}

PeerWays::Entry* PeerWays::find(const Way& way) {
  const size_t found = rank(way);
  return found == ways_.size() ? nullptr : &ways_[found];
}

const Way* PeerWays::due(uint64_t now_ns, uint64_t* next_ns) const {
  const auto is_good = [now_ns](const Entry& entry) {
    return entry.failure.empty() && entry.left_alone_until_ns <= now_ns;
  };
  const Entry* best = nullptr;
  *next_ns = UINT64_MAX;
  for (const Entry& entry : ways_) {
    *next_ns = std::min(*next_ns, entry.retry_at_ns);
    if (entry.retry_at_ns > now_ns) continue;
    if (best == nullptr || (is_good(entry) && !is_good(*best))) best = &entry;
  }
  return best == nullptr ? nullptr : &best->way;
}

void PeerWays::failed(const Way& way, std::string_view why, uint64_t now_ns) {
  Entry* entry = find(way);
  if (entry == nullptr) return;
  entry->failure = why;
  entry->pause_ns = entry->pause_ns == 0 ? kReconnectPauseMinNs
                                         : std::min(2 * entry->pause_ns, kReconnectPauseMaxNs);
  entry->retry_at_ns = now_ns + entry->pause_ns;
}

void PeerWays::made(const Way& way) {
  if (Entry* entry = find(way)) entry->failure.clear();
}

void PeerWays::worked(const Way& way) {
  if (Entry* entry = find(way)) entry->pause_ns = 0;
}

void PeerWays::carried(const Way& way, uint32_t bytes) {
  Entry* entry = find(way);
  if (entry != nullptr && bytes >= entry->lost_bytes) entry->lost_count = 0;
}

bool PeerWays::lost_long(const Way& way, uint32_t bytes, uint64_t now_ns) {
  Entry* entry = find(way);
  if (entry == nullptr || bytes <= kShortBytes) return false;
  entry->lost_bytes = entry->lost_count == 0 ? bytes : std::min(entry->lost_bytes, bytes);
  if (++entry->lost_count < kLostLongMax) return false;
  entry->left_alone_until_ns = now_ns + kLeftAloneNs;
  return true;
}

std::string PeerWays::why_not_better(const Way& way) const {
  std::string words;
  for (size_t i = 0; i < way.transport; ++i) {
    std::string why = transports_.problem(i);
    const auto entry = std::find_if(ways_.begin(), ways_.end(),
                                    [i](const Entry& one) { return one.way.transport == i; });
    if (why.empty() && entry == ways_.end()) why = "the other node does not use it";
    if (why.empty()) why = entry->failure.empty() ? "about to be used again" : entry->failure;
    words += text(words.empty() ? "" : "; ", transports_.name(i), ": ", why);
  }
  return words;
}

std::string PeerWays::why_none() const {
  if (!ways_.empty() || addresses_.empty()) return {};
  std::string ours;
  for (size_t i = 0; i < transports_.count(); ++i)
    if (transports_.usable(i)) ours += text(ours.empty() ? "" : ", ", transports_.name(i));
  std::string theirs;
  for (const PeerAddress& one : addresses_)
    theirs += text(theirs.empty() ? "" : ", ", one.transport);
  return text("no transport in common: it has ", theirs, ", this node has ", ours);
}

}  // namespace varve
