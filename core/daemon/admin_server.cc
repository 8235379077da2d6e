#include "core/daemon/admin_server.h"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/cluster/cluster_record.h"
#include "core/daemon/metrics.h"

namespace varve {
namespace {

using Json = nlohmann::json;

// A silent client holds a thread until it is dropped: so many, and so soon, that 64 of them delay
// an operator by seconds only.
constexpr size_t kThreadCount = 16;
constexpr int kClientSilenceSeconds = 2;
constexpr int kListenQueueLength = 256;
constexpr size_t kRequestBytesMax = 64 * 1024;
constexpr mode_t kUnixSocketMask = 0177;  // the API has no password: for its owner alone

int http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return 200;
    case ErrorCode::kInvalidArgument:
      return 400;
    case ErrorCode::kNotFound:
      return 404;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kBusy:
    case ErrorCode::kNotFormatted:
    case ErrorCode::kNewerFormat:
    case ErrorCode::kStale:
      return 409;
    case ErrorCode::kUnsupported:
      return 501;
    case ErrorCode::kClosed:
    case ErrorCode::kUnknown:
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimedOut:
      return 503;
    case ErrorCode::kNoSpace:
      return 507;
    case ErrorCode::kDamaged:
    case ErrorCode::kIoError:
      return 500;
  }
  return 500;
}

void reply_json(httplib::Response& response, int status, const Json& body) {
  response.status = status;
  // Names come from disk and config: bytes that are no UTF-8 must not stop the answer.
  response.set_content(body.dump(2, ' ', false, Json::error_handler_t::replace) + "\n",
                       "application/json");
}

void reply_error(httplib::Response& response, const Status& status) {
  reply_json(response, http_status(status.code()),
             {{"error", {{"code", error_name(status.code())}, {"message", status.message()}}}});
}

Json to_json(const VolumeStatus& volume) {
  Json json = {{"name", volume.name},
               {"disk_group", volume.disk_group},
               {"size_bytes", volume.size_bytes},
               {"used_bytes", volume.used_bytes},
               {"in_use", volume.in_use}};
  if (volume.copies == 0) return json;
  json["copies"] = volume.copies;
  json["attached_on"] = volume.attached_on;
  return json;
}

Json to_json(const Progress& progress) {
  return {{"done", progress.done}, {"total", progress.total}};
}

Json to_json(const OperationStatus& operation) {
  return {{"id", operation.id},
          {"what", operation.what},
          {"state", operation_state_name(operation.state)},
          {"step", operation.step},
          {"progress", to_json(operation.progress)},
          {"message", operation.message}};
}

Json to_json(const StoreStats& stats) {
  return {{"slot_count", stats.slot_count},
          {"free_slot_count", stats.free_slot_count},
          {"user_blocks_written", stats.user_blocks_written},
          {"relocated_blocks_written", stats.relocated_blocks_written},
          {"header_blocks_written", stats.header_blocks_written},
          {"footer_blocks_written", stats.footer_blocks_written},
          {"group_commit_count", stats.group_commit_count},
          {"device_write_count", stats.device_write_count},
          {"segments_cleaned", stats.segments_cleaned},
          {"map_bytes", stats.map_bytes}};
}

Json to_json(const GroupStatus& group) {
  Json json = {{"name", group.name},
               {"path", group.path},
               {"state", group_state_name(group.state)},
               {"reason", group.reason},
               {"durability", group.durability},
               {"write_cache", group.write_cache}};
  if (group.state == GroupState::kRecovering) json["recovery"] = to_json(group.recovery);
  if (group.state != GroupState::kServing) return json;
  const StoreStats& stats = group.stats;
  json["device_bytes"] = group.device_bytes;
  json["capacity_bytes"] = stats.capacity_blocks * kBlockBytes;
  json["live_bytes"] = stats.live_blocks * kBlockBytes;
  json["dead_bytes"] = group.dead_bytes;
  json["free_bytes"] =
      (stats.capacity_blocks - std::min(stats.capacity_blocks, stats.live_blocks)) * kBlockBytes;
  json["fill_percent"] = fill_basis_points(stats) / 100.0;
  json["create_refused_percent"] = kCreateRefusedPercent;
  json["writes_wait_percent"] = kWritesWaitPercent;
  json["damaged_blocks"] = stats.damaged_blocks;
  json["write_failed"] = stats.failed;
  json["waiting_write_count"] = group.waiting_write_count;
  json["volume_count"] = group.volume_count;
  json["stats"] = to_json(stats);
  return json;
}

Json to_json(const ServiceStatus& service) {
  return {{"plugin", service.plugin},
          {"version", service.version},
          {"serving", service.serving},
          {"reason", service.reason},
          {"open_volume_count", service.open_volume_count},
          {"in_flight_count", service.in_flight_count}};
}

Json to_json(const ClusterNodeStatus& node) {
  return {{"id", node.id},
          {"name", node.name},
          {"address", node.address},
          {"version", node.version},
          {"heard", node.heard},
          {"disk_group_count", node.disk_group_count},
          {"capacity_bytes", node.capacity_bytes},
          {"group_count", node.group_count},
          {"primary_count", node.primary_count}};
}

Json to_json(const GroupInSync& group) {
  return {{"id", group.id},           {"epoch", group.epoch},
          {"members", group.members}, {"in_sync", group.in_sync},
          {"primary", group.primary}, {"office_here", group.office_here}};
}

Json to_json(const AttachmentStatus& attachment) {
  return {{"volume", attachment.volume},
          {"node", attachment.node},
          {"generation", attachment.generation}};
}

template <typename T>
Json list_json(const std::vector<T>& values) {
  Json list = Json::array();
  for (const T& value : values) list.push_back(to_json(value));
  return list;
}

Json to_json(const ClusterStatus& cluster) {
  return {{"joined", cluster.joined},
          {"state", cluster.state},
          {"id", cluster.id},
          {"node_id", cluster.node_id},
          {"group_count", cluster.group_count},
          {"degraded_group_count", cluster.degraded_group_count},
          {"silent_primary_count", cluster.silent_primary_count},
          {"office_count", cluster.office_count},
          {"silent_nodes", cluster.silent_nodes},
          {"groups", list_json(cluster.groups)}};
}

Json to_json(const NodeStatus& node) {
  Json json = {{"node", node.name},
               {"version", VARVE_VERSION},
               {"state", node_state_name(node.state)},
               {"disk_groups", list_json(node.disk_groups)},
               {"services", list_json(node.services)},
               {"volume_count", node.volumes.size()},
               {"problems", problems_of(node)}};
  if (node.cluster) json["cluster"] = to_json(*node.cluster);
  return json;
}

// The members of a request's body. Every member must be taken; what is wrong is kept for status().
class Body {
 public:
  explicit Body(const std::string& text)
      : json_(Json::parse(text, nullptr, /*allow_exceptions=*/false)) {
    if (!json_.is_object()) fail("the body must be a JSON object");
  }

  std::string take_string(const char* key, bool required) {
    const Json* value = take(key, required);
    if (value == nullptr) return {};
    if (!value->is_string()) fail(text(key, " must be a string"));
    return value->is_string() ? value->get<std::string>() : std::string();
  }
  uint64_t take_number(const char* key, bool required, uint64_t max) {
    const Json* value = take(key, required);
    if (value == nullptr) return 0;
    const bool fits = value->is_number_unsigned() && value->get<uint64_t>() <= max;
    if (!fits) fail(text(key, " must be a whole number from 0 to ", max));
    return fits ? value->get<uint64_t>() : 0;
  }
  bool take_bool(const char* key) {
    const Json* value = take(key, false);
    if (value == nullptr) return false;
    if (!value->is_boolean()) fail(text(key, " must be true or false"));
    return value->is_boolean() && value->get<bool>();
  }
  Status status() const {
    if (!wrong_.empty()) return {ErrorCode::kInvalidArgument, wrong_};
    if (taken_ == json_.size()) return {};
    return {ErrorCode::kInvalidArgument, text("unknown member in the body; known: ", known_)};
  }

 private:
  const Json* take(const char* key, bool required) {
    known_ += text(known_.empty() ? "" : ", ", key);
    if (!json_.is_object()) return nullptr;
    const auto found = json_.find(key);
    if (found != json_.end()) {
      ++taken_;
      return &*found;
    }
    if (required) fail(text(key, " is missing"));
    return nullptr;
  }
  void fail(const std::string& why) {
    if (wrong_.empty()) wrong_ = why;
  }

  Json json_;
  size_t taken_ = 0;
  std::string known_;
  std::string wrong_;
};

using Request = httplib::Request;
using Response = httplib::Response;

void get_healthz(AdminBackend& backend, const Request&, Response& response) {
  const auto node = backend.status();
  if (!node.ok()) return reply_error(response, node.status());
  response.set_content("ok\n", "text/plain");
}

void get_readyz(AdminBackend& backend, const Request&, Response& response) {
  const auto node = backend.status();
  if (!node.ok()) return reply_error(response, node.status());
  response.status = node->state == NodeState::kReady ? 200 : 503;
  response.set_content(text(node_state_name(node->state), "\n"), "text/plain");
}

void get_metrics(AdminBackend& backend, const Request&, Response& response) {
  const auto node = backend.status();
  if (!node.ok()) return reply_error(response, node.status());
  response.set_content(metrics_text(*node), "text/plain; version=0.0.4");
}

void get_status(AdminBackend& backend, const Request&, Response& response) {
  const auto node = backend.status();
  if (!node.ok()) return reply_error(response, node.status());
  reply_json(response, 200, to_json(*node));
}

void get_volumes(AdminBackend& backend, const Request&, Response& response) {
  const auto node = backend.status();
  if (!node.ok()) return reply_error(response, node.status());
  reply_json(response, 200, {{"volumes", list_json(node->volumes)}});
}

void post_volumes(AdminBackend& backend, const Request& request, Response& response) {
  constexpr uint64_t kSizeMax = std::numeric_limits<int64_t>::max();
  Body body(request.body);
  CreateVolume create;
  create.name = body.take_string("name", true);
  create.size_bytes = body.take_number("size_bytes", true, kSizeMax);
  create.disk_group = body.take_string("disk_group", false);
  create.copies = static_cast<uint32_t>(body.take_number("copies", false, kCopiesMax));
  if (Status status = body.status(); !status.ok()) return reply_error(response, status);
  const auto created = backend.create_volume(create);
  if (!created.ok()) return reply_error(response, created.status());
  std::string message = created->existed ? "exists already with this size" : "created";
  if (created->volume.size_bytes != create.size_bytes) {
    message += text("; size rounded up from ", create.size_bytes, " to ",
                    created->volume.size_bytes, " bytes");
  }
  reply_json(
      response, created->existed ? 200 : 201,
      {{"volume", to_json(created->volume)}, {"created", !created->existed}, {"message", message}});
}

void post_resize(AdminBackend& backend, const Request& request, Response& response) {
  Body body(request.body);
  ResizeVolume resize;
  resize.name = request.matches[1];
  resize.size_bytes = body.take_number("size_bytes", true, std::numeric_limits<int64_t>::max());
  resize.disk_group = body.take_string("disk_group", false);
  if (Status status = body.status(); !status.ok()) return reply_error(response, status);
  const auto resized = backend.resize_volume(resize);
  if (!resized.ok()) return reply_error(response, resized.status());
  std::string message = resized->changed ? "resized" : "has this size already";
  if (resized->volume.size_bytes != resize.size_bytes) {
    message += text("; size rounded up from ", resize.size_bytes, " to ",
                    resized->volume.size_bytes, " bytes");
  }
  reply_json(response, 200, {{"volume", to_json(resized->volume)}, {"message", message}});
}

void get_volume(AdminBackend& backend, const Request& request, Response& response) {
  const std::string name = request.matches[1];
  const auto node = backend.status();
  if (!node.ok()) return reply_error(response, node.status());
  for (const VolumeStatus& volume : node->volumes) {
    if (volume.name == name) return reply_json(response, 200, {{"volume", to_json(volume)}});
  }
  reply_error(response, {ErrorCode::kNotFound, text("no volume ", name)});
}

void delete_volume(AdminBackend& backend, const Request& request, Response& response) {
  const auto deleted =
      backend.delete_volume(request.matches[1], request.get_param_value("disk_group"));
  if (!deleted.ok()) return reply_error(response, deleted.status());
  reply_json(response, 200, {{"volume", to_json(*deleted)}, {"message", "deleted"}});
}

void get_disk_groups(AdminBackend& backend, const Request&, Response& response) {
  const auto node = backend.status();
  if (!node.ok()) return reply_error(response, node.status());
  reply_json(response, 200, {{"disk_groups", list_json(node->disk_groups)}});
}

void post_disk_groups(AdminBackend& backend, const Request& request, Response& response) {
  Body body(request.body);
  AddDisk add;
  add.disk_group = body.take_string("disk_group", true);
  add.size_bytes = body.take_number("size_bytes", false, std::numeric_limits<int64_t>::max());
  add.segment_bytes = static_cast<uint32_t>(
      body.take_number("segment_bytes", false, std::numeric_limits<uint32_t>::max()));
  add.wipe = body.take_bool("wipe");
  if (Status status = body.status(); !status.ok()) return reply_error(response, status);
  const auto operation = backend.add_disk(add);
  if (!operation.ok()) return reply_error(response, operation.status());
  reply_json(response, 202, {{"operation", to_json(*operation)}});
}

void get_operation(AdminBackend& backend, const Request& request, Response& response) {
  const std::string digits = request.matches[1];
  uint64_t id = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), id);
  const auto operation = backend.operation(id);
  if (!operation.ok()) return reply_error(response, operation.status());
  reply_json(response, 200, {{"operation", to_json(*operation)}});
}

void post_cluster(AdminBackend& backend, const Request& request, Response& response) {
  Body body(request.body);
  const uint64_t copies = body.take_number("copies", false, kCopiesMax);
  if (Status status = body.status(); !status.ok()) return reply_error(response, status);
  const auto cluster = backend.cluster_init(static_cast<uint32_t>(copies));
  if (!cluster.ok()) return reply_error(response, cluster.status());
  reply_json(response, cluster->existed ? 200 : 201,
             {{"cluster", {{"id", cluster->id}, {"copies", cluster->copies}}},
              {"message", cluster->existed ? "is initialised already" : "initialised"}});
}

void get_nodes(AdminBackend& backend, const Request&, Response& response) {
  const auto nodes = backend.nodes();
  if (!nodes.ok()) return reply_error(response, nodes.status());
  reply_json(response, 200, {{"nodes", list_json(*nodes)}});
}

using Attaching = Result<AttachmentStatus> (AdminBackend::*)(const std::string& volume, bool force);

void post_attachment(AdminBackend& backend, const Request& request, Response& response,
                     Attaching attaching) {
  Body body(request.body);
  const bool force = body.take_bool("force");
  if (Status status = body.status(); !status.ok()) return reply_error(response, status);
  const auto attachment = (backend.*attaching)(request.matches[1], force);
  if (!attachment.ok()) return reply_error(response, attachment.status());
  reply_json(response, 200, {{"attachment", to_json(*attachment)}});
}

void post_attach(AdminBackend& backend, const Request& request, Response& response) {
  post_attachment(backend, request, response, &AdminBackend::attach);
}

void post_detach(AdminBackend& backend, const Request& request, Response& response) {
  post_attachment(backend, request, response, &AdminBackend::detach);
}

struct Route {
  const char* method;
  const char* path;     // as in docs/openapi.yaml
  const char* pattern;  // the same as a regular expression
  void (*handle)(AdminBackend& backend, const Request& request, Response& response);
};

constexpr Route kRoutes[] = {
    {"GET", "/healthz", "/healthz", get_healthz},
    {"GET", "/readyz", "/readyz", get_readyz},
    {"GET", "/metrics", "/metrics", get_metrics},
    {"GET", "/v1/status", "/v1/status", get_status},
    {"GET", "/v1/volumes", "/v1/volumes", get_volumes},
    {"POST", "/v1/volumes", "/v1/volumes", post_volumes},
    {"GET", "/v1/volumes/{name}", "/v1/volumes/([^/]+)", get_volume},
    {"DELETE", "/v1/volumes/{name}", "/v1/volumes/([^/]+)", delete_volume},
    {"POST", "/v1/volumes/{name}/resize", "/v1/volumes/([^/]+)/resize", post_resize},
    {"POST", "/v1/volumes/{name}/attach", "/v1/volumes/([^/]+)/attach", post_attach},
    {"POST", "/v1/volumes/{name}/detach", "/v1/volumes/([^/]+)/detach", post_detach},
    {"POST", "/v1/cluster", "/v1/cluster", post_cluster},
    {"GET", "/v1/nodes", "/v1/nodes", get_nodes},
    {"GET", "/v1/disk-groups", "/v1/disk-groups", get_disk_groups},
    {"POST", "/v1/disk-groups", "/v1/disk-groups", post_disk_groups},
    {"GET", "/v1/operations/{id}", "/v1/operations/([0-9]+)", get_operation},
};

// A socket file that nobody listens on any more: its owner was killed.
bool is_stale_socket(const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool refused =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  close(probe);
  return refused;
}

}  // namespace

class AdminServer::Impl {
 public:
  Impl(const ListenAddress& address, AdminBackend& backend) : address_(address) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreadCount); };
    server_.set_payload_max_length(kRequestBytesMax);
    server_.set_read_timeout(kClientSilenceSeconds);
    server_.set_write_timeout(kClientSilenceSeconds);
    server_.set_keep_alive_max_count(1);  // an idle client must not delay the end
    server_.set_exception_handler(
        [](const Request&, Response& response, const std::exception_ptr&) {
          reply_error(response, {ErrorCode::kInvalidArgument, "the request cannot be understood"});
        });
    server_.set_error_handler([](const Request&, Response& response) {
      if (!response.body.empty()) return;
      const int status = response.status;
      reply_error(response, {ErrorCode::kNotFound, "no such resource; see docs/openapi.yaml"});
      response.status = status;
    });
    for (const Route& route : kRoutes) add(route, backend);
  }

  Status listen() {
    if (address_.is_unix()) {
      if (is_stale_socket(address_.unix_path)) unlink(address_.unix_path.c_str());
      server_.set_address_family(AF_UNIX);
    }
    // Not httplib's own options: with SO_REUSEPORT two daemons could share a port unnoticed.
    int listener = -1;
    server_.set_socket_options([&listener](int descriptor) {
      const int yes = 1;
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      listener = descriptor;
    });
    const mode_t old_mask = umask(kUnixSocketMask);  // no other thread makes files yet
    const bool bound = address_.is_unix() ? server_.bind_to_port(address_.unix_path, 1)
                                          : server_.bind_to_port(address_.host, address_.port);
    umask(old_mask);
    if (!bound) {
      return {ErrorCode::kBusy, text("cannot listen on ", address_.to_text(),
                                     ": the address is in use or not of this machine")};
    }
    ::listen(listener, kListenQueueLength);  // httplib's own queue is 5 long
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    return {};
  }

  void stop() {
    if (!thread_.joinable()) return;
    // stop() before the thread has begun to listen would be forgotten.
    while (!server_.is_running() && !ended_) std::this_thread::yield();
    server_.stop();
    thread_.join();
    if (address_.is_unix()) unlink(address_.unix_path.c_str());
  }

 private:
  void add(const Route& route, AdminBackend& backend) {
    const auto handler = [&backend, handle = route.handle](const Request& request,
                                                           Response& response) {
      handle(backend, request, response);
    };
    const std::string_view method = route.method;
    if (method == "GET") server_.Get(route.pattern, handler);
    if (method == "POST") server_.Post(route.pattern, handler);
    if (method == "DELETE") server_.Delete(route.pattern, handler);
  }

  const ListenAddress address_;
  httplib::Server server_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() {
  impl_->stop();
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(const ListenAddress& address,
                                                        AdminBackend& backend) {
  auto impl = std::make_unique<Impl>(address, backend);
  VARVE_TRY(impl->listen());
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

void AdminServer::stop() {
  impl_->stop();
}

std::vector<std::string> AdminServer::routes() {
  std::vector<std::string> routes;
  for (const Route& route : kRoutes) routes.push_back(text(route.method, " ", route.path));
  return routes;
}

}  // namespace varve
