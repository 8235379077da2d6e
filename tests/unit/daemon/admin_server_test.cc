#include "core/daemon/admin_server.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <string>

#include "core/base/text.h"
#include "core/cli/http_client.h"
#include "tests/unit/device/temp_folder.h"

namespace varve {
namespace {

// Answers what it was told to and remembers what it was asked.
struct FakeBackend : AdminBackend {
  Status failure;
  NodeStatus node;
  CreateVolume create;
  ResizeVolume resize;
  SetVolumeTier set_tier;
  RewrapVolume rewrap;
  AddDisk add;
  std::string deleted;
  bool existed = false;
  bool in_cluster = false;  // snapshots are shown without their space
  uint32_t copies = 9;
  std::string attached;
  std::string asked;
  std::vector<std::string> snapshots_made;

  Result<NodeStatus> status() override {
    if (!failure.ok()) return failure;
    return node;
  }
  Result<CreatedVolume> create_volume(const CreateVolume& request) override {
    if (!failure.ok()) return failure;
    create = request;
    return CreatedVolume{{.name = request.name, .size_bytes = 4096}, existed};
  }
  Result<ChangedVolume> resize_volume(const ResizeVolume& request) override {
    if (!failure.ok()) return failure;
    resize = request;
    return ChangedVolume{{.name = request.name, .size_bytes = 8192}, !existed};
  }
  Result<ChangedVolume> set_volume_tier(const SetVolumeTier& request) override {
    if (!failure.ok()) return failure;
    set_tier = request;
    return ChangedVolume{{.name = request.name, .tier = request.tier}, !existed};
  }
  Result<VolumeStatus> rewrap_volume(const RewrapVolume& request) override {
    if (!failure.ok()) return failure;
    rewrap = request;
    return VolumeStatus{.name = request.name, .wrapping_key = request.wrapping_key};
  }
  Result<VolumeStatus> delete_volume(const std::string& name,
                                     const std::string& disk_group) override {
    if (!failure.ok()) return failure;
    deleted = name + "@" + disk_group;
    return VolumeStatus{.name = name};
  }
  Result<std::vector<SnapshotStatus>> create_snapshots(
      const std::vector<std::string>& names) override {
    if (!failure.ok()) return failure;
    snapshots_made = names;
    return std::vector<SnapshotStatus>{{.volume = "v", .name = "s"}};
  }
  Result<std::vector<SnapshotStatus>> snapshots(const std::string& volume) override {
    if (!failure.ok()) return failure;
    asked = "list " + volume;
    return std::vector<SnapshotStatus>{{.volume = "v", .name = "s"}};
  }
  Result<SnapshotStatus> snapshot(const std::string& name) override {
    if (!failure.ok()) return failure;
    asked = "show " + name;
    SnapshotStatus shown{.volume = "v", .name = "s"};
    if (in_cluster) return shown;
    shown.disk_group = "d";
    shown.used_bytes = 8192;
    shown.exclusive_bytes = 4096;
    return shown;
  }
  Result<SnapshotStatus> delete_snapshot(const std::string& name) override {
    if (!failure.ok()) return failure;
    asked = "delete " + name;
    return SnapshotStatus{.volume = "v", .name = "s"};
  }
  Result<VolumeStatus> roll_back(const std::string& snapshot) override {
    if (!failure.ok()) return failure;
    asked = "rollback " + snapshot;
    return VolumeStatus{.name = "v"};
  }
  Result<VolumeStatus> clone_volume(const CloneVolume& request) override {
    if (!failure.ok()) return failure;
    asked = text("clone ", request.snapshot, " ", request.name, " ", request.size_bytes);
    return VolumeStatus{.name = request.name};
  }
  Result<ChangesPage> changes(const AskChanges& request) override {
    if (!failure.ok()) return failure;
    asked = text("changes ", request.since, " ", request.until, " ", request.offset);
    return ChangesPage{{{4096, 8192}}, 65536};
  }
  Result<OperationStatus> scrub(const std::string& disk_group, uint64_t rate) override {
    scrubbed = disk_group;
    scrub_rate = rate;
    return OperationStatus{};
  }
  std::string scrubbed;
  uint64_t scrub_rate = 0;
  Result<OperationStatus> add_disk(const AddDisk& request) override {
    if (!failure.ok()) return failure;
    add = request;
    return OperationStatus{.id = 5, .what = "disk add x"};
  }
  Result<OperationStatus> operation(uint64_t id) override {
    if (!failure.ok()) return failure;
    return OperationStatus{.id = id, .state = OperationStatus::State::kDone};
  }
  Result<ClusterInitialised> cluster_init(uint32_t wanted) override {
    if (!failure.ok()) return failure;
    copies = wanted;
    return ClusterInitialised{.id = "ab", .copies = wanted, .existed = existed};
  }
  Result<std::vector<ClusterNodeStatus>> nodes() override {
    if (!failure.ok()) return failure;
    return std::vector<ClusterNodeStatus>{{.id = 3, .name = "node3", .heard = true}};
  }
  Result<AttachmentStatus> attach(const std::string& volume, bool force) override {
    if (!failure.ok()) return failure;
    attached = text("attach ", volume, force ? " by force" : "");
    return AttachmentStatus{.volume = volume, .node = "node3", .generation = 7};
  }
  Result<AttachmentStatus> detach(const std::string& volume, bool force) override {
    if (!failure.ok()) return failure;
    attached = text("detach ", volume, force ? " by force" : "");
    return AttachmentStatus{.volume = volume, .node = "", .generation = 8};
  }
};

// Each status() waits.
struct StuckBackend final : FakeBackend {
  Result<NodeStatus> status() override {
    if (++waiting <= kThreads) stuck.count_down();
    go_on.wait();
    return node;
  }
  static constexpr int kThreads = 8;  // of the server
  std::atomic<int> waiting = 0;
  std::latch stuck{kThreads};
  std::latch go_on{1};
};

// On a free port, which `address` then has.
std::unique_ptr<AdminServer> start_on_tcp(AdminBackend& backend, AdminGate& gate,
                                          ListenAddress& address) {
  address = {.host = "127.0.0.1"};
  for (address.port = 17000; address.port < 17100; ++address.port) {
    auto started = AdminServer::start(address, backend, gate);
    if (started.ok()) return std::move(*started);
  }
  FAIL("no port is free");
  return nullptr;
}

struct Fixture {
  Fixture() {
    address.unix_path = text("/tmp/varve-admin-", getpid(), ".sock");
    auto started = AdminServer::start(address, backend, gate);
    INFO(started.status().message());
    REQUIRE(started.ok());
    server = std::move(*started);
  }
  HttpReply get(const std::string& path) { return reply(HttpClient(address).get(path)); }
  HttpReply post(const std::string& path, const std::string& body) {
    return reply(HttpClient(address).post(path, body));
  }
  HttpReply remove(const std::string& path) { return reply(HttpClient(address).remove(path)); }
  static HttpReply reply(const Result<HttpReply>& result) {
    INFO(result.status().message());
    REQUIRE(result.ok());
    return *result;
  }

  FakeBackend backend;
  AdminGate gate;
  ListenAddress address;
  std::unique_ptr<AdminServer> server;
};

bool has(const HttpReply& reply, std::string_view part) {
  UNSCOPED_INFO(reply.status << " " << reply.body);
  return reply.body.find(part) != std::string::npos;
}

// "GET /v1/status", ... of docs/openapi.yaml: paths are indented by 2, methods by 4.
std::vector<std::string> documented_routes() {
  std::vector<std::string> routes;
  std::ifstream file(VARVE_OPENAPI_FILE);
  REQUIRE(file);
  std::string path;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("  /")) path = line.substr(2, line.size() - 3);
    for (const auto& [key, method] : {std::pair("    get:", "GET"),
                                      {"    post:", "POST"},
                                      {"    delete:", "DELETE"},
                                      {"    put:", "PUT"}}) {
      if (line == key) routes.push_back(text(method, " ", path));
    }
  }
  return routes;
}

}  // namespace

TEST_CASE("the OpenAPI file describes exactly the routes that are served") {
  auto documented = documented_routes();
  auto served = AdminServer::routes();
  std::sort(documented.begin(), documented.end());
  std::sort(served.begin(), served.end());
  CHECK(documented == served);
}

TEST_CASE("health, readiness and metrics answer in plain text") {
  Fixture fixture;
  CHECK(fixture.get("/healthz").body == "ok\n");
  CHECK(fixture.get("/readyz").status == 503);
  fixture.backend.node.state = NodeState::kReady;
  CHECK(fixture.get("/readyz").status == 200);
  CHECK(has(fixture.get("/metrics"), "varve_ready 1\n"));
  fixture.backend.failure = {ErrorCode::kBusy, "stuck"};
  CHECK(fixture.get("/healthz").status == 409);
}

TEST_CASE("volumes are made, listed, shown and deleted") {
  Fixture fixture;
  const HttpReply made = fixture.post("/v1/volumes", R"({"name":"v","size_bytes":1000})");
  CHECK(made.status == 201);
  CHECK(has(made, "created; size rounded up from 1000 to 4096 bytes"));
  CHECK(fixture.backend.create.size_bytes == 1000);
  fixture.backend.existed = true;
  const HttpReply again =
      fixture.post("/v1/volumes", R"({"name":"v","size_bytes":4096,"disk_group":"d"})");
  CHECK(again.status == 200);
  CHECK(has(again, "exists already with this size\""));
  CHECK(fixture.backend.create.disk_group == "d");
  fixture.backend.node.volumes = {{.name = "v", .disk_group = "d", .size_bytes = 4096}};
  CHECK(has(fixture.get("/v1/volumes"), "\"disk_group\": \"d\""));
  CHECK(fixture.get("/v1/volumes/v").status == 200);
  CHECK(fixture.get("/v1/volumes/w").status == 404);
  CHECK(fixture.remove("/v1/volumes/v?disk_group=d").status == 200);
  CHECK(fixture.backend.deleted == "v@d");
}

TEST_CASE("a volume is resized, or has the size already") {
  Fixture fixture;
  const HttpReply grown =
      fixture.post("/v1/volumes/v/resize", R"({"size_bytes":8000,"disk_group":"d"})");
  CHECK(grown.status == 200);
  CHECK(has(grown, "resized; size rounded up from 8000 to 8192 bytes"));
  CHECK(fixture.backend.resize.name == "v");
  CHECK(fixture.backend.resize.size_bytes == 8000);
  CHECK(fixture.backend.resize.disk_group == "d");
  fixture.backend.existed = true;
  CHECK(has(fixture.post("/v1/volumes/v/resize", R"({"size_bytes":8192})"),
            "\"message\": \"has this size already\""));
  CHECK(fixture.post("/v1/volumes/v/resize", "{}").status == 400);
  CHECK(fixture.post("/v1/volumes/v/resize", R"({"size_bytes":-1})").status == 400);
}

TEST_CASE("a volume is made with a tier, and has another one later") {
  Fixture fixture;
  CHECK(fixture.post("/v1/volumes", R"({"name":"v","size_bytes":4096})").status == 201);
  CHECK_FALSE(fixture.backend.create.tier.has_value());
  CHECK(fixture.post("/v1/volumes", R"({"name":"v","size_bytes":4096,"tier":"hdd"})").status ==
        201);
  CHECK(fixture.backend.create.tier == VolumeTier::kHdd);
  const HttpReply set = fixture.post("/v1/volumes/v/tier", R"({"tier":"ssd","disk_group":"d"})");
  CHECK(set.status == 200);
  CHECK(has(set, "\"message\": \"tier is ssd now\""));
  CHECK(has(set, "\"tier\": \"ssd\""));
  CHECK(fixture.backend.set_tier.name == "v");
  CHECK(fixture.backend.set_tier.tier == VolumeTier::kSsd);
  CHECK(fixture.backend.set_tier.disk_group == "d");
  fixture.backend.existed = true;
  CHECK(has(fixture.post("/v1/volumes/v/tier", R"({"tier":"auto"})"), "has tier auto already"));
  for (const char* bad : {R"({"tier":"nvme"})", R"({"tier":1})", R"({"tier":null})"}) {
    const HttpReply refused = fixture.post("/v1/volumes/v/tier", bad);
    CHECK(refused.status == 400);
    CHECK(has(refused, "tier must be auto, ssd or hdd"));
  }
  CHECK(has(fixture.post("/v1/volumes/v/tier", "{}"), "tier is missing"));
  CHECK(fixture.post("/v1/volumes", R"({"name":"v","size_bytes":4096,"tier":"x"})").status == 400);
}

TEST_CASE("snapshots are taken together, shown, rolled back to, cloned, compared and deleted") {
  Fixture fixture;
  const HttpReply made = fixture.post("/v1/snapshots", R"({"snapshots":["v@s","w@s"]})");
  CHECK(made.status == 201);
  CHECK(fixture.backend.snapshots_made == std::vector<std::string>{"v@s", "w@s"});
  for (const char* bad : {R"({})", R"({"snapshots":[]})", R"({"snapshots":"v@s"})",
                          R"({"snapshots":["v@s",1]})", R"({"snapshots":["v@s"],"x":1})"})
    CHECK(fixture.post("/v1/snapshots", bad).status == 400);
  CHECK(has(fixture.get("/v1/snapshots?volume=v"), "\"created_seconds\": 0"));
  CHECK(fixture.backend.asked == "list v");
  CHECK(has(fixture.get("/v1/snapshots/v%40s"), "\"exclusive_bytes\": 4096"));
  CHECK(fixture.backend.asked == "show v@s");
  fixture.backend.in_cluster = true;
  CHECK_FALSE(has(fixture.get("/v1/snapshots/v%40s"), "used_bytes"));
  CHECK(fixture.post("/v1/snapshots/v%40s/rollback", "{}").status == 200);
  CHECK(fixture.backend.asked == "rollback v@s");
  CHECK(fixture.post("/v1/snapshots/v@s/clone", R"({"name":"c","size_bytes":4096})").status == 201);
  CHECK(fixture.backend.asked == "clone v@s c 4096");
  CHECK(fixture.post("/v1/snapshots/v@s/clone", "{}").status == 400);
  const HttpReply changes = fixture.get("/v1/snapshots/v@s/changes?until=v@t&offset=4096");
  CHECK(fixture.backend.asked == "changes v@s v@t 4096");
  CHECK(has(changes, "\"next_offset\": 65536"));
  CHECK(fixture.remove("/v1/snapshots/v@s").status == 200);
  CHECK(fixture.backend.asked == "delete v@s");
}

TEST_CASE("an encrypted volume is made, shown and wrapped anew") {
  Fixture fixture;
  CHECK(fixture
            .post("/v1/volumes",
                  R"({"name":"v","size_bytes":4096,"encrypted":true,"wrapping_key":"k"})")
            .status == 201);
  CHECK(fixture.backend.create.encrypted);
  CHECK(fixture.backend.create.wrapping_key == "k");
  const HttpReply half =
      fixture.post("/v1/volumes", R"({"name":"v","size_bytes":4096,"wrapping_key":"k"})");
  CHECK(half.status == 400);
  CHECK(has(half, "say encrypted, too"));
  fixture.backend.node.volumes = {{.name = "v", .wrapping_key = "k", .key_is_here = false},
                                  {.name = "w"}};
  CHECK(has(fixture.get("/v1/volumes/v"), "\"wrapping_key\": \"k\""));
  CHECK(has(fixture.get("/v1/volumes/v"), "\"key_is_here\": false"));
  CHECK_FALSE(has(fixture.get("/v1/volumes/w"), "key"));
  const HttpReply rewrapped =
      fixture.post("/v1/volumes/v/rewrap", R"({"wrapping_key":"n","disk_group":"d"})");
  CHECK(rewrapped.status == 200);
  CHECK(has(rewrapped, "its data key is wrapped by n now"));
  CHECK(fixture.backend.rewrap.name == "v");
  CHECK(fixture.backend.rewrap.disk_group == "d");
  CHECK(fixture.post("/v1/volumes/v/rewrap", "{}").status == 400);
}

TEST_CASE("a cluster is initialised, its nodes are listed, its volumes attached and detached") {
  Fixture fixture;
  const HttpReply made = fixture.post("/v1/cluster", R"({"copies":2})");
  CHECK(made.status == 201);
  CHECK(has(made, "\"id\": \"ab\""));
  CHECK(fixture.backend.copies == 2);
  fixture.backend.existed = true;
  CHECK(fixture.post("/v1/cluster", "{}").status == 200);
  CHECK(fixture.backend.copies == 0);
  CHECK(fixture.post("/v1/cluster", R"({"copies":4})").status == 400);
  CHECK(has(fixture.get("/v1/nodes"), "\"name\": \"node3\""));
  CHECK(has(fixture.post("/v1/volumes/v/attach", "{}"), "\"generation\": 7"));
  CHECK(fixture.backend.attached == "attach v");
  CHECK(has(fixture.post("/v1/volumes/v/detach", R"({"force":true})"), "\"node\": \"\""));
  CHECK(fixture.backend.attached == "detach v by force");
  CHECK(fixture.post("/v1/volumes/v/attach", R"({"force":1})").status == 400);
  fixture.post("/v1/volumes", R"({"name":"v","size_bytes":4096,"copies":3})");
  CHECK(fixture.backend.create.copies == 3);
  fixture.backend.failure = {ErrorCode::kUnsupported, "this node is in no cluster"};
  for (const char* path : {"/v1/cluster", "/v1/volumes/v/attach", "/v1/volumes/v/detach"}) {
    CHECK(fixture.post(path, "{}").status == 501);
  }
  CHECK(fixture.get("/v1/nodes").status == 501);
}

TEST_CASE("disk groups are added by an operation that can be followed") {
  Fixture fixture;
  const HttpReply begun =
      fixture.post("/v1/disk-groups",
                   R"({"disk_group":"d","size_bytes":8192,"segment_bytes":65536,"wipe":true})");
  CHECK(begun.status == 202);
  CHECK(has(begun, "\"id\": 5"));
  CHECK(fixture.backend.add.segment_bytes == 65536);
  CHECK(fixture.backend.add.wipe);
  CHECK(has(fixture.get("/v1/operations/5"), "\"state\": \"done\""));
  CHECK(has(fixture.post("/v1/disk-groups/a/scrub", "{\"bytes_per_second\":4096}"), "operation"));
  CHECK(fixture.backend.scrubbed == "a");
  CHECK(fixture.backend.scrub_rate == 4096);
  CHECK(has(fixture.post("/v1/disk-groups/b/scrub", "{}"), "operation"));
  CHECK(fixture.backend.scrub_rate == 100 << 20);
  CHECK(has(fixture.get("/v1/disk-groups"), "\"disk_groups\": []"));
}

TEST_CASE("bad requests are refused with a reason") {
  Fixture fixture;
  const auto refused = [&](const std::string& body, std::string_view why) {
    const HttpReply reply = fixture.post("/v1/volumes", body);
    CHECK(reply.status == 400);
    CHECK(has(reply, why));
  };
  refused("{", "the body must be a JSON object");
  refused("[]", "the body must be a JSON object");
  refused(R"({"size_bytes":1})", "name is missing");
  refused(R"({"name":7,"size_bytes":1})", "name must be a string");
  refused(R"({"name":"v"})", "size_bytes is missing");
  refused(R"({"name":"v","size_bytes":-1})", "size_bytes must be a whole number");
  refused(R"({"name":"v","size_bytes":1.5})", "size_bytes must be a whole number");
  refused(R"({"name":"v","size_bytes":18446744073709551615})", "size_bytes must be a whole number");
  refused(R"({"name":"v","size_bytes":1,"sise":1})", "unknown member in the body; known: name,");
  CHECK(fixture.backend.create.name.empty());
  CHECK(has(fixture.get("/nowhere"), "no such resource"));
  CHECK(fixture.get("/v1/operations/x").status == 404);
}

TEST_CASE("the node's refusals keep their reason and get a fitting HTTP status") {
  Fixture fixture;
  const std::pair<ErrorCode, int> kinds[] = {
      {ErrorCode::kInvalidArgument, 400}, {ErrorCode::kNotFound, 404}, {ErrorCode::kBusy, 409},
      {ErrorCode::kAlreadyExists, 409},   {ErrorCode::kNoSpace, 507},  {ErrorCode::kClosed, 503}};
  for (const auto& [code, http_status] : kinds) {
    fixture.backend.failure = {code, "because of \"this\""};
    const HttpReply reply = fixture.post("/v1/volumes", R"({"name":"v","size_bytes":1})");
    CHECK(reply.status == http_status);
    CHECK(has(reply, "because of \\\"this\\\""));
  }
}

TEST_CASE("names that are no UTF-8 do not break the answer") {
  Fixture fixture;
  fixture.backend.node.volumes = {{.name = "a\xff"}};
  CHECK(fixture.get("/v1/volumes").status == 200);
}

TEST_CASE("an address that is in use is refused, one left by a killed daemon is taken") {
  Fixture fixture;
  const auto second = AdminServer::start(fixture.address, fixture.backend, fixture.gate);
  REQUIRE_FALSE(second.ok());
  CHECK(second.code() == ErrorCode::kBusy);
  CHECK(fixture.get("/healthz").status == 200);
  fixture.server->stop();
  CHECK_FALSE(std::filesystem::exists(fixture.address.unix_path));
  fixture.server->stop();
}

TEST_CASE("a TCP port is not shared") {
  FakeBackend backend;
  AdminGate gate;
  ListenAddress address;
  const auto first = start_on_tcp(backend, gate, address);
  CHECK(HttpClient(address).get("/healthz").ok());
  CHECK(AdminServer::start(address, backend, gate).code() == ErrorCode::kBusy);
}

TEST_CASE("who may not ask is told so while all others wait for the node") {
  constexpr int kAskers = 20;  // more than there are threads
  const std::string token = "a-token-of-at-least-sixteen-letters";
  const TempFolder folder;
  std::ofstream(folder.file("token")) << token;
  std::filesystem::permissions(folder.file("token"), std::filesystem::perms::owner_read);
  StuckBackend backend;
  AdminGate gate;
  ListenAddress address;
  REQUIRE(gate.open({.admin_token_file = folder.file("token")}).ok());
  const auto server = start_on_tcp(backend, gate, address);
  std::vector<std::future<int>> replies;
  for (int i = 0; i < kAskers; ++i) {
    replies.push_back(std::async(std::launch::async, [&] {
      const auto reply = HttpClient(Endpoint{address, nullptr, token}).get("/v1/status");
      return reply.ok() ? reply->status : 0;
    }));
  }
  backend.stuck.wait();
  CHECK(HttpClient(address).get("/v1/status")->status == 401);
  backend.go_on.count_down();
  for (std::future<int>& status : replies) CHECK(status.get() == 200);
}

}  // namespace varve
