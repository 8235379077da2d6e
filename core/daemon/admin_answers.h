// What the admin API answers, route by route; admin_api.cc has the routes. Private to its files.
//
// Thread rule: as AdminBackend, which is asked.
#pragma once

#include "core/daemon/admin_api.h"

namespace varve {

// admin_node.cc
AdminReply get_healthz(AdminBackend& backend, const AdminRequest& request);
AdminReply get_readyz(AdminBackend& backend, const AdminRequest& request);
AdminReply get_metrics(AdminBackend& backend, const AdminRequest& request);
AdminReply get_status(AdminBackend& backend, const AdminRequest& request);
AdminReply get_disk_groups(AdminBackend& backend, const AdminRequest& request);
AdminReply post_disk_groups(AdminBackend& backend, const AdminRequest& request);
AdminReply post_scrub(AdminBackend& backend, const AdminRequest& request);
AdminReply get_operation(AdminBackend& backend, const AdminRequest& request);

// admin_volumes.cc
AdminReply get_volumes(AdminBackend& backend, const AdminRequest& request);
AdminReply post_volumes(AdminBackend& backend, const AdminRequest& request);
AdminReply post_resize(AdminBackend& backend, const AdminRequest& request);
AdminReply post_tier(AdminBackend& backend, const AdminRequest& request);
AdminReply post_rewrap(AdminBackend& backend, const AdminRequest& request);
AdminReply get_volume(AdminBackend& backend, const AdminRequest& request);
AdminReply delete_volume(AdminBackend& backend, const AdminRequest& request);

// admin_snapshots.cc
AdminReply get_snapshots(AdminBackend& backend, const AdminRequest& request);
AdminReply post_snapshots(AdminBackend& backend, const AdminRequest& request);
AdminReply get_snapshot(AdminBackend& backend, const AdminRequest& request);
AdminReply delete_snapshot(AdminBackend& backend, const AdminRequest& request);
AdminReply post_rollback(AdminBackend& backend, const AdminRequest& request);
AdminReply post_clone(AdminBackend& backend, const AdminRequest& request);
AdminReply get_changes(AdminBackend& backend, const AdminRequest& request);

// admin_cluster.cc
AdminReply post_cluster(AdminBackend& backend, const AdminRequest& request);
AdminReply get_nodes(AdminBackend& backend, const AdminRequest& request);
AdminReply post_attach(AdminBackend& backend, const AdminRequest& request);
AdminReply post_detach(AdminBackend& backend, const AdminRequest& request);

}  // namespace varve
