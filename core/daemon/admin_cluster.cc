// Answers about the cluster: its nodes, and who may use a volume.
#include "core/cluster/cluster_record.h"
#include "core/daemon/admin_answers.h"
#include "core/daemon/admin_json.h"

namespace varve {

AdminReply post_cluster(AdminBackend& backend, const AdminRequest& request) {
  AdminBody body(request.body);
  const uint64_t copies = body.take_number("copies", false, kCopiesMax);
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto cluster = backend.cluster_init(static_cast<uint32_t>(copies));
  if (!cluster.ok()) return error_reply(cluster.status());
  return cluster_reply(*cluster);
}

AdminReply get_nodes(AdminBackend& backend, const AdminRequest&) {
  const auto nodes = backend.nodes();
  if (!nodes.ok()) return error_reply(nodes.status());
  return nodes_reply(*nodes);
}

namespace {

using Attaching = Result<AttachmentStatus> (AdminBackend::*)(const std::string& volume, bool force);

AdminReply post_attachment(AdminBackend& backend, const AdminRequest& request,
                           Attaching attaching) {
  AdminBody body(request.body);
  const bool force = body.take_bool("force");
  if (Status status = body.status(); !status.ok()) return error_reply(status);
  const auto attachment = (backend.*attaching)(request.name, force);
  if (!attachment.ok()) return error_reply(attachment.status());
  return attachment_reply(*attachment);
}

}  // namespace

AdminReply post_attach(AdminBackend& backend, const AdminRequest& request) {
  return post_attachment(backend, request, &AdminBackend::attach);
}

AdminReply post_detach(AdminBackend& backend, const AdminRequest& request) {
  return post_attachment(backend, request, &AdminBackend::detach);
}

}  // namespace varve
