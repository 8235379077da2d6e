// Answers about volumes.
#include <limits>

#include "core/base/text.h"
#include "core/cluster/cluster_record.h"
#include "core/daemon/admin_answers.h"
#include "core/daemon/admin_json.h"

namespace varve {

AdminReply get_volumes(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return volumes_reply(node->volumes);
}

AdminReply post_volumes(AdminBackend& backend, const AdminRequest& request) {
  constexpr uint64_t kSizeMax = std::numeric_limits<int64_t>::max();
  AdminBody body(request.body);
  CreateVolume create;
  create.name = body.take_string("name", true);
  create.size_bytes = body.take_number("size_bytes", true, kSizeMax);
  create.disk_group = body.take_string("disk_group", false);
  create.copies = static_cast<uint32_t>(body.take_number("copies", false, kCopiesMax));
  create.encrypted = body.take_bool("encrypted");
  create.wrapping_key = body.take_string("wrapping_key", false);
  create.tier = body.take_tier(false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  if (!create.encrypted && !create.wrapping_key.empty())
    return error_reply(
        {ErrorCode::kInvalidArgument, "wrapping_key is for encrypted volumes: say encrypted, too"});
  const auto created = backend.create_volume(create);
  if (!created.ok()) return error_reply(created.status());
  std::string message = created->existed ? "exists already with this size" : "created";
  if (created->volume.size_bytes != create.size_bytes) {
    message += text("; size rounded up from ", create.size_bytes, " to ",
                    created->volume.size_bytes, " bytes");
  }
  return created_reply(*created, message);
}

AdminReply post_resize(AdminBackend& backend, const AdminRequest& request) {
  AdminBody body(request.body);
  ResizeVolume resize;
  resize.name = request.name;
  resize.size_bytes = body.take_number("size_bytes", true, std::numeric_limits<int64_t>::max());
  resize.disk_group = body.take_string("disk_group", false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto resized = backend.resize_volume(resize);
  if (!resized.ok()) return error_reply(resized.status());
  std::string message = resized->changed ? "resized" : "has this size already";
  if (resized->volume.size_bytes != resize.size_bytes) {
    message += text("; size rounded up from ", resize.size_bytes, " to ",
                    resized->volume.size_bytes, " bytes");
  }
  return volume_reply(200, resized->volume, message);
}

AdminReply post_tier(AdminBackend& backend, const AdminRequest& request) {
  AdminBody body(request.body);
  SetVolumeTier set;
  set.name = request.name;
  set.tier = body.take_tier(true).value_or(VolumeTier::kAuto);
  set.disk_group = body.take_string("disk_group", false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto changed = backend.set_volume_tier(set);
  if (!changed.ok()) return error_reply(changed.status());
  const std::string_view name = tier_name(set.tier);
  return volume_reply(
      200, changed->volume,
      changed->changed ? text("tier is ", name, " now") : text("has tier ", name, " already"));
}

AdminReply post_rewrap(AdminBackend& backend, const AdminRequest& request) {
  AdminBody body(request.body);
  RewrapVolume rewrap;
  rewrap.name = request.name;
  rewrap.wrapping_key = body.take_string("wrapping_key", true);
  rewrap.disk_group = body.take_string("disk_group", false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto volume = backend.rewrap_volume(rewrap);
  if (!volume.ok()) return error_reply(volume.status());
  return volume_reply(200, *volume,
                      text("its data key is wrapped by ", volume->wrapping_key, " now"));
}

AdminReply get_volume(AdminBackend& backend, const AdminRequest& request) {
  const std::string name = request.name;
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  for (const VolumeStatus& volume : node->volumes) {
    if (volume.name == name) return volume_reply(volume);
  }
  return error_reply({ErrorCode::kNotFound, text("no volume ", name)});
}

AdminReply delete_volume(AdminBackend& backend, const AdminRequest& request) {
  const auto deleted = backend.delete_volume(request.name, request.parameter("disk_group"));
  if (!deleted.ok()) return error_reply(deleted.status());
  return volume_reply(200, *deleted, "deleted");
}

}  // namespace varve
