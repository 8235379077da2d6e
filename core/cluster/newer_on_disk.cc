#include "core/cluster/newer_on_disk.h"

#include "core/base/size_text.h"
#include "core/base/text.h"

namespace varve {
namespace {

std::string newer(const MemberState& member, const ClusterView& view) {
  const auto* const known = view.group(member.id);
  const Epoch epoch = known == nullptr ? 0 : known->record.epoch;
  if (member.epoch <= epoch) return {};
  return text("group ", static_cast<uint32_t>(member.id), " is in epoch ", member.epoch,
              " on the disk and ", epoch, " in the records");
}

std::string newer(const AttachFence& fence, const ClusterView& view) {
  const auto* const known = view.volume(fence.volume);
  if (known == nullptr || fence.generation <= known->record.generation) return {};
  return text("volume ", static_cast<uint32_t>(fence.volume), " has attach generation ",
              fence.generation, " on the disk and ", known->record.generation, " in the records");
}

std::string newer(const VolumeRecord& volume, const ClusterView& view) {
  if (static_cast<uint32_t>(volume.id) >= view.cluster().record.next_volume) {
    return text("volume ", static_cast<uint32_t>(volume.id),
                " is on the disk and was never made according to the records");
  }
  const auto* const known = view.volume(volume.id);
  const uint64_t size_bytes = volume.blocks * kBlockBytes;
  if (known == nullptr || size_bytes <= known->record.size_bytes) return {};
  return text("volume ", static_cast<uint32_t>(volume.id), " has ", size_text(size_bytes),
              " on the disk and ", size_text(known->record.size_bytes), " in the records");
}

std::string newer(const LineageRecord& lineage, const ClusterView& view) {
  const auto* const known = view.volume(lineage.volume);
  if (known == nullptr || lineage.newest <= known->record.history.newest) return {};
  return text("volume ", static_cast<uint32_t>(lineage.volume), " has a snapshot ",
              lineage.newest - 1, " on the disk and is not that far in the records");
}

template <typename List>
void look(const List& list, const ClusterView& view, std::string& words) {
  for (const auto& one : list)
    if (words.empty()) words = newer(one, view);
}

}  // namespace

std::string newer_on_disk(const DiskKnowledge& disk, const ClusterView& view) {
  std::string words;
  look(disk.groups, view, words);
  look(disk.fences, view, words);
  look(disk.volumes, view, words);
  look(disk.lineages, view, words);
  return words;
}

}  // namespace varve
