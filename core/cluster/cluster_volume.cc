#include "core/cluster/cluster_volume.h"

#include "core/cluster/cluster_record.h"
#include "core/cluster/record_text.h"
#include "core/format/catalog_record.h"

namespace varve {

bool volume_size_allowed(uint64_t size_bytes) {
  return size_bytes > 0 && size_bytes % kBlockBytes == 0 &&
         size_bytes / kBlockBytes <= kVolumeBlocksMax;
}

std::string encode_cluster_volume(const ClusterVolume& volume) {
  RecordWriter writer("volume");
  writer.id("id", volume.id);
  writer.words("name", volume.name);
  writer.number("size_bytes", volume.size_bytes);
  writer.number("copies", volume.copies);
  writer.ids("groups", volume.groups);
  writer.number("generation", volume.generation);
  writer.id("holder", volume.holder);
  writer.words("mode", volume.holder_mode == HolderMode::kReadOnly ? "ro" : "rw");
  writer.flag("deleted", volume.deleted);
  writer.number("token", volume.token);
  if (volume.tier != VolumeTier::kAuto) writer.words("tier", tier_name(volume.tier));
  put_history(writer, volume.history);
  return writer.take();
}

Result<ClusterVolume> decode_cluster_volume(std::string_view text) {
  RecordReader reader("volume", text);
  ClusterVolume volume;
  volume.id = reader.id<VolumeId>("id");
  volume.name = reader.words("name");
  if (!volume_name_allowed(volume.name)) reader.fail("name", "not a name");
  volume.size_bytes = reader.number("size_bytes", 1, UINT64_MAX);
  if (!volume_size_allowed(volume.size_bytes)) reader.fail("size_bytes", "not a volume's size");
  volume.copies = static_cast<uint32_t>(reader.number("copies", 1, kCopiesMax));
  volume.groups = reader.ids<GroupId>("groups", kVolumeGroupsMax);
  if (volume.groups.empty()) reader.fail("groups", "empty");
  volume.generation = reader.number("generation", 0, UINT64_MAX);
  volume.holder = reader.id_or_none<NodeId>("holder");
  const std::string_view mode = reader.words("mode");
  if (mode != "ro" && mode != "rw") reader.fail("mode", "must be ro or rw");
  volume.holder_mode = mode == "ro" ? HolderMode::kReadOnly : HolderMode::kReadWrite;
  volume.deleted = reader.flag("deleted");
  if (volume.deleted && volume.holder != NodeId{}) reader.fail("deleted", "held by a node");
  volume.token = reader.number("token", 0, UINT64_MAX);
  if (reader.next_is("tier")) {
    volume.tier = parse_tier(reader.words("tier")).value_or(VolumeTier::kAuto);
    if (volume.tier == VolumeTier::kAuto) reader.fail("tier", "must be ssd or hdd, or not there");
  }
  volume.history = take_history(reader, volume.id);
  VARVE_TRY(reader.finish());
  return volume;
}

}  // namespace varve
