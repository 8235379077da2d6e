// Answers about this node: how it is, its disk groups, long work.
#include <charconv>
#include <limits>

#include "core/base/text.h"
#include "core/daemon/admin_answers.h"
#include "core/daemon/admin_json.h"
#include "core/daemon/metrics.h"

namespace varve {

AdminReply get_healthz(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return {200, "ok\n", "text/plain"};
}

AdminReply get_readyz(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  const int status = node->state == NodeState::kReady ? 200 : 503;
  return {status, text(node_state_name(node->state), "\n"), "text/plain"};
}

AdminReply get_metrics(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return {200, metrics_text(*node), "text/plain; version=0.0.4"};
}

AdminReply get_status(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return node_reply(*node);
}

AdminReply get_disk_groups(AdminBackend& backend, const AdminRequest&) {
  const auto node = backend.status();
  if (!node.ok()) return error_reply(node.status());
  return disk_groups_reply(node->disk_groups);
}

AdminReply post_disk_groups(AdminBackend& backend, const AdminRequest& request) {
  AdminBody body(request.body);
  AddDisk add;
  add.disk_group = body.take_string("disk_group", true);
  add.size_bytes = body.take_number("size_bytes", false, std::numeric_limits<int64_t>::max());
  add.segment_bytes = static_cast<uint32_t>(
      body.take_number("segment_bytes", false, std::numeric_limits<uint32_t>::max()));
  add.wipe = body.take_bool("wipe");
  add.hdd = body.take_string("hdd", false);
  add.hdd_size_bytes =
      body.take_number("hdd_size_bytes", false, std::numeric_limits<int64_t>::max());
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto operation = backend.add_disk(add);
  if (!operation.ok()) return error_reply(operation.status());
  return operation_reply(202, *operation);
}

AdminReply post_scrub(AdminBackend& backend, const AdminRequest& request) {
  constexpr uint64_t kRateMax = uint64_t{1} << 40;
  constexpr uint64_t kRate = 100 << 20;
  AdminBody body(request.body);
  const uint64_t rate = body.take_number("bytes_per_second", false, kRateMax);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto operation = backend.scrub(request.name, rate == 0 ? kRate : rate);
  if (!operation.ok()) return error_reply(operation.status());
  return operation_reply(202, *operation);
}

AdminReply get_operation(AdminBackend& backend, const AdminRequest& request) {
  const std::string digits = request.name;
  uint64_t id = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), id);
  const auto operation = backend.operation(id);
  if (!operation.ok()) return error_reply(operation.status());
  return operation_reply(200, *operation);
}

}  // namespace varve
