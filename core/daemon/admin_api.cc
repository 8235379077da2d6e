#include "core/daemon/admin_api.h"

#include "core/daemon/admin_answers.h"

namespace varve {
namespace {

constexpr AdminRoute kRoutes[] = {
    {"GET", "/healthz", "/healthz", get_healthz},
    {"GET", "/readyz", "/readyz", get_readyz},
    {"GET", "/metrics", "/metrics", get_metrics},
    {"GET", "/v1/status", "/v1/status", get_status},
    {"GET", "/v1/volumes", "/v1/volumes", get_volumes},
    {"POST", "/v1/volumes", "/v1/volumes", post_volumes},
    {"GET", "/v1/volumes/{name}", "/v1/volumes/([^/]+)", get_volume},
    {"DELETE", "/v1/volumes/{name}", "/v1/volumes/([^/]+)", delete_volume},
    {"POST", "/v1/volumes/{name}/resize", "/v1/volumes/([^/]+)/resize", post_resize},
    {"POST", "/v1/volumes/{name}/tier", "/v1/volumes/([^/]+)/tier", post_tier},
    {"POST", "/v1/volumes/{name}/rewrap", "/v1/volumes/([^/]+)/rewrap", post_rewrap},
    {"POST", "/v1/volumes/{name}/attach", "/v1/volumes/([^/]+)/attach", post_attach},
    {"POST", "/v1/volumes/{name}/detach", "/v1/volumes/([^/]+)/detach", post_detach},
    {"GET", "/v1/snapshots", "/v1/snapshots", get_snapshots},
    {"POST", "/v1/snapshots", "/v1/snapshots", post_snapshots},
    {"GET", "/v1/snapshots/{name}", "/v1/snapshots/([^/]+)", get_snapshot},
    {"DELETE", "/v1/snapshots/{name}", "/v1/snapshots/([^/]+)", delete_snapshot},
    {"POST", "/v1/snapshots/{name}/rollback", "/v1/snapshots/([^/]+)/rollback", post_rollback},
    {"POST", "/v1/snapshots/{name}/clone", "/v1/snapshots/([^/]+)/clone", post_clone},
    {"GET", "/v1/snapshots/{name}/changes", "/v1/snapshots/([^/]+)/changes", get_changes},
    {"POST", "/v1/cluster", "/v1/cluster", post_cluster},
    {"GET", "/v1/nodes", "/v1/nodes", get_nodes},
    {"GET", "/v1/disk-groups", "/v1/disk-groups", get_disk_groups},
    {"POST", "/v1/disk-groups", "/v1/disk-groups", post_disk_groups},
    {"POST", "/v1/disk-groups/{name}/scrub", "/v1/disk-groups/([^/]+)/scrub", post_scrub},
    {"GET", "/v1/operations/{id}", "/v1/operations/([0-9]+)", get_operation},
};

}  // namespace

std::span<const AdminRoute> admin_routes() {
  return kRoutes;
}

}  // namespace varve
