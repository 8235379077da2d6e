// Answers about snapshots, and clones of them.
#include <charconv>
#include <limits>

#include "core/daemon/admin_answers.h"
#include "core/daemon/admin_json.h"

namespace varve {

AdminReply get_snapshots(AdminBackend& backend, const AdminRequest& request) {
  const auto snapshots = backend.snapshots(request.parameter("volume"));
  if (!snapshots.ok()) return error_reply(snapshots.status());
  return snapshots_reply(*snapshots);
}

AdminReply post_snapshots(AdminBackend& backend, const AdminRequest& request) {
  AdminBody body(request.body);
  const std::vector<std::string> names = body.take_strings("snapshots");
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto made = backend.create_snapshots(names);
  if (!made.ok()) return error_reply(made.status());
  return snapshots_made_reply(*made);
}

AdminReply get_snapshot(AdminBackend& backend, const AdminRequest& request) {
  const auto snapshot = backend.snapshot(request.name);
  if (!snapshot.ok()) return error_reply(snapshot.status());
  return snapshot_reply(*snapshot);
}

AdminReply delete_snapshot(AdminBackend& backend, const AdminRequest& request) {
  const auto deleted = backend.delete_snapshot(request.name);
  if (!deleted.ok()) return error_reply(deleted.status());
  return snapshot_deleted_reply(*deleted);
}

AdminReply post_rollback(AdminBackend& backend, const AdminRequest& request) {
  const auto volume = backend.roll_back(request.name);
  if (!volume.ok()) return error_reply(volume.status());
  return volume_reply(200, *volume, "rolled back");
}

AdminReply post_clone(AdminBackend& backend, const AdminRequest& request) {
  AdminBody body(request.body);
  CloneVolume clone;
  clone.snapshot = request.name;
  clone.name = body.take_string("name", true);
  clone.size_bytes = body.take_number("size_bytes", false, std::numeric_limits<int64_t>::max());
  clone.tier = body.take_tier(false);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto made = backend.clone_volume(clone);
  if (!made.ok()) return error_reply(made.status());
  return volume_reply(201, *made, "cloned");
}

AdminReply get_changes(AdminBackend& backend, const AdminRequest& request) {
  AskChanges ask;
  ask.since = request.name;
  ask.until = request.parameter("until");
  const std::string offset = request.parameter("offset");
  std::from_chars(offset.data(), offset.data() + offset.size(), ask.offset);
  const auto changes = backend.changes(ask);
  if (!changes.ok()) return error_reply(changes.status());
  return changes_reply(*changes);
}

}  // namespace varve
