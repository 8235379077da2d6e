#include "core/cluster/volume_history.h"

#include <algorithm>
#include <charconv>

#include "core/base/text.h"

namespace varve {
namespace {

constexpr uint64_t kGenerationMax = kHead - 2;
constexpr size_t kSnapshotBytesMax = 4 * 21 + kVolumeNameBytesMax;
constexpr size_t kBranchesBytesMax = size_t{kBranchesMax} * 22;

// The number in front of the next `separator`, which is taken away with it. False: there is none.
bool take_number(std::string_view& rest, char separator, uint64_t max, uint64_t& value) {
  const size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view digits = rest.substr(0, end);
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || stop != digits.data() + digits.size() || value > max) return false;
  if (digits.size() > 1 && digits.front() == '0') return false;
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return true;
}

bool take_snapshot(std::string_view words, ClusterSnapshot& snapshot) {
  uint64_t generation = 0;
  const bool numbers = take_number(words, ' ', kGenerationMax, generation) &&
                       take_number(words, ' ', UINT64_MAX, snapshot.size_bytes) &&
                       take_number(words, ' ', UINT64_MAX, snapshot.created_seconds) &&
                       take_number(words, ' ', UINT64_MAX, snapshot.pending);
  snapshot.generation = static_cast<Generation>(generation);
  snapshot.name = words;
  return numbers && volume_name_allowed(snapshot.name) && snapshot.size_bytes > 0 &&
         snapshot.size_bytes % kBlockBytes == 0 &&
         snapshot.size_bytes / kBlockBytes <= kVolumeBlocksMax;
}

bool take_branches(std::string_view words, Generation newest,
                   std::vector<LineageRecord::Branch>& branches) {
  while (!words.empty()) {
    uint64_t first = 0;
    uint64_t fork = 0;
    if (!take_number(words, ':', newest, first) || !take_number(words, ',', newest, fork))
      return false;
    const bool fits =
        branches.empty() ? first == 0 && fork == 0 : first > branches.back().first && fork < first;
    if (!fits || branches.size() >= kBranchesMax) return false;
    branches.push_back({static_cast<Generation>(first), static_cast<Generation>(fork)});
  }
  return branches.size() != 1;
}

}  // namespace

const ClusterSnapshot* ClusterHistory::find(std::string_view name) const {
  for (const ClusterSnapshot& snapshot : snapshots)
    if (snapshot.name == name && snapshot.pending == 0) return &snapshot;
  return nullptr;
}

const ClusterSnapshot* ClusterHistory::find(Generation generation) const {
  for (const ClusterSnapshot& snapshot : snapshots)
    if (snapshot.generation == generation && snapshot.pending == 0) return &snapshot;
  return nullptr;
}

void ClusterHistory::forget_pending() {
  std::erase_if(snapshots, [](const ClusterSnapshot& held) { return held.pending != 0; });
}

void put_history(RecordWriter& writer, const ClusterHistory& history) {
  if (history.is_plain()) return;
  writer.number("newest", history.newest);
  writer.id("base", history.base);
  writer.number("base_generation", history.base_generation);
  std::string branches;
  for (const LineageRecord::Branch& branch : history.branches)
    branches += text(branches.empty() ? "" : ",", branch.first, ":", branch.fork);
  writer.words("branches", branches);
  writer.number("snapshots", history.snapshots.size());
  for (const ClusterSnapshot& snapshot : history.snapshots)
    writer.words("snapshot",
                 text(snapshot.generation, " ", snapshot.size_bytes, " ", snapshot.created_seconds,
                      " ", snapshot.pending, " ", snapshot.name));
}

ClusterHistory take_history(RecordReader& reader, VolumeId volume) {
  ClusterHistory history;
  if (!reader.has_more()) return history;
  history.newest = static_cast<Generation>(reader.number("newest", 0, kGenerationMax));
  history.base = reader.id_or_none<VolumeId>("base");
  if (history.base >= volume) reader.fail("base", "not an older volume");
  history.base_generation =
      static_cast<Generation>(reader.number("base_generation", 0, kGenerationMax));
  if (!take_branches(reader.words("branches", kBranchesBytesMax), history.newest, history.branches))
    reader.fail("branches", "not how branches are written");
  const uint64_t count = reader.number("snapshots", 0, kVolumeSnapshotsMax);
  for (uint64_t i = 0; i < count && reader.ok(); ++i) {
    ClusterSnapshot& snapshot = history.snapshots.emplace_back();
    if (!take_snapshot(reader.words("snapshot", kSnapshotBytesMax), snapshot))
      reader.fail("snapshot", "not how a snapshot is written");
    const bool ascends = i == 0 || snapshot.generation > history.snapshots[i - 1].generation;
    if (!ascends || snapshot.generation >= history.newest)
      reader.fail("snapshot", "not in the order of its generation");
  }
  if (history.is_plain()) reader.fail("newest", "a history of nothing");
  return history;
}

}  // namespace varve
