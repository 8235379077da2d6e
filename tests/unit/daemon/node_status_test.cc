#include "core/daemon/node_status.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <set>
#include <sstream>

#include "core/daemon/metrics.h"

namespace varve {
namespace {

GroupStatus serving_group(const std::string& name) {
  GroupStatus group;
  group.name = name;
  group.path = "/dev/" + name;
  group.state = GroupState::kServing;
  group.stats.capacity_blocks = 1000;
  group.stats.live_blocks = 100;
  return group;
}

bool contains(const std::vector<std::string>& problems, std::string_view part) {
  return std::any_of(problems.begin(), problems.end(), [&](const std::string& problem) {
    return problem.find(part) != std::string::npos;
  });
}

}  // namespace

TEST_CASE("a node that is well has no problems") {
  NodeStatus node;
  node.disk_groups = {serving_group("a")};
  node.services = {{.plugin = "nbd", .serving = true}};
  CHECK(problems_of(node).empty());
}

TEST_CASE("each thing that is wrong is one sentence that names its disk group") {
  NodeStatus node;
  node.disk_groups = {serving_group("full"),       serving_group("damaged"),
                      serving_group("failed"),     serving_group("waiting"),
                      GroupStatus{.name = "away"}, GroupStatus{.name = "new"}};
  node.disk_groups[0].stats.live_blocks = 800;
  node.disk_groups[1].stats.damaged_blocks = 7;
  node.disk_groups[2].stats.failed = true;
  node.disk_groups[3].stats.live_blocks = 950;
  node.disk_groups[3].waiting_write_count = 3;
  node.disk_groups[4].state = GroupState::kNotServed;
  node.disk_groups[4].reason = "disk /dev/away does not exist";
  node.disk_groups[5].state = GroupState::kNotFormatted;
  node.services = {{.plugin = "nbd", .reason = "poll returned -7"}};
  node.volumes = {{.name = "v", .disk_group = "a"}, {.name = "v", .disk_group = "b"}};
  const auto problems = problems_of(node);
  CHECK(problems.size() == 8);
  CHECK(contains(problems, "disk group full is 80% full: new volumes are refused from 80%"));
  CHECK(contains(problems, "disk group damaged has 7 damaged blocks"));
  CHECK(contains(problems, "disk group failed takes no writes"));
  CHECK(contains(problems, "disk group waiting is full (95%): 3 writes wait"));
  CHECK(contains(problems, "disk group away is not served: disk /dev/away does not exist"));
  CHECK(contains(problems, "disk group new is not formatted: run varve disk add new"));
  CHECK(contains(problems, "service nbd does not serve: poll returned -7"));
  CHECK(contains(problems, "volume v is on disk groups a and b"));
}

TEST_CASE("an HDD that failed, or that is not used, is named") {
  NodeStatus node;
  node.disk_groups = {serving_group("a"), serving_group("b")};
  node.disk_groups[0].devices = {{.path = "/dev/a", .tier = "ssd", .serving = true},
                                 {.path = "/dev/h", .tier = "hdd", .serving = true}};
  node.disk_groups[0].devices[1].stats.failed = true;
  node.disk_groups[0].stats.failed = true;
  node.disk_groups[1].devices = {
      {.path = "/dev/b", .tier = "ssd", .serving = true},
      {.path = "/dev/i", .tier = "hdd", .reason = "it is not formatted"}};
  const std::vector<std::string> problems = problems_of(node);
  REQUIRE(problems.size() == 2);
  CHECK(problems[0].starts_with("disk group a takes no writes: a write to HDD /dev/h failed;"));
  CHECK(problems[1] ==
        "disk group b does not use HDD /dev/i: it is not formatted; varve disk add b adds it");
}

TEST_CASE("an encrypted volume whose wrapping key is not here is told") {
  NodeStatus node;
  node.disk_groups = {serving_group("a")};
  node.volumes = {{.name = "v", .wrapping_key = "k", .key_is_here = false},
                  {.name = "w", .wrapping_key = "k2"}};
  const std::vector<std::string> problems = problems_of(node);
  REQUIRE(problems.size() == 1);
  CHECK(problems[0] ==
        "volume v is not served: this node's key file does not have its wrapping key k");
}

TEST_CASE("transports that are not used are problems, and so are nodes that none reaches") {
  NodeStatus node;
  node.cluster = ClusterStatus{.joined = true};
  node.cluster->transports = {{.name = "fast", .problem = "no device"}, {.name = "slow"}};
  node.cluster->peers = {{.node = "a", .transport = "slow", .fallback = "fast: no device"},
                         {.node = "b", .problem = "no transport in common"}};
  node.cluster->peers[0].fallback_count = 3;
  CHECK(problems_of(node) == std::vector<std::string>{"transport fast is not used: no device",
                                                      "node b: no transport in common"});
  const std::string metrics = metrics_text(node);
  INFO(metrics);
  CHECK(metrics.find("varve_peer_connected{node=\"a\",transport=\"slow\"} 1\n") !=
        std::string::npos);
  CHECK(metrics.find("varve_peer_on_fallback{node=\"a\"} 1\n") != std::string::npos);
  CHECK(metrics.find("varve_peer_fallbacks_total{node=\"a\"} 3\n") != std::string::npos);
}

TEST_CASE("a volume that a node does not keep as its tier says is a problem of that node") {
  NodeStatus node;
  node.cluster.emplace();
  node.cluster->joined = true;
  node.cluster->tier_differences = {{"v", "auto", "ssd", "disk0", "too large"},
                                    {"w", "ssd", "hdd", "disk0", "not done yet"}};
  CHECK(problems_of(node) ==
        std::vector<std::string>{
            "volume v has tier auto on disk group disk0 of this node, not ssd: too large",
            "volume w has tier ssd on disk group disk0 of this node, not hdd: not done yet"});
}

TEST_CASE("fill is exact and knows an empty store") {
  StoreStats stats;
  CHECK(fill_basis_points(stats) == 0);
  stats.capacity_blocks = 3;
  stats.live_blocks = 2;
  CHECK(fill_basis_points(stats) == 6666);
}

TEST_CASE("metrics are in Prometheus' text form") {
  NodeStatus node;
  node.state = NodeState::kReady;
  node.disk_groups = {serving_group("a\"\\\n"), GroupStatus{.name = "away"}};
  node.disk_groups[0].stats.group_commit_count = 42;
  node.disk_groups[0].devices = {{.path = "/s", .tier = "ssd", .serving = true},
                                 {.path = "/h", .tier = "hdd"}};
  node.disk_groups[0].devices[0].stats.live_blocks = 2;
  node.volumes = {{.name = "v", .disk_group = "a", .size_bytes = 4096, .used_bytes = 7}};
  node.services = {{.plugin = "nbd", .serving = true}};
  const std::string metrics = metrics_text(node);
  INFO(metrics);
  CHECK(metrics.find("varve_ready 1\n") != std::string::npos);
  CHECK(metrics.find("varve_disk_group_group_commits_total{disk_group=\"a\\\"\\\\\\n\"} 42\n") !=
        std::string::npos);
  CHECK(metrics.find("varve_disk_group_serving{disk_group=\"away\"} 0\n") != std::string::npos);
  CHECK(metrics.find("varve_volume_used_bytes{volume=\"v\",disk_group=\"a\"} 7\n") !=
        std::string::npos);
  CHECK(metrics.find(
            "varve_device_live_bytes{disk_group=\"a\\\"\\\\\\n\",device=\"/s\",tier=\"ssd\"} "
            "8192\n") != std::string::npos);
  CHECK(metrics.find(",device=\"/h\",tier=\"hdd\"} 0\n") != std::string::npos);
  std::set<std::string> announced;
  std::istringstream lines(metrics);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# TYPE ")) {
      const std::string name = line.substr(7, line.find(' ', 7) - 7);
      CHECK(announced.insert(name).second);
      CHECK(name.ends_with("_total") == line.ends_with(" counter"));
    } else if (!line.starts_with("# HELP ")) {
      CHECK(announced.contains(line.substr(0, line.find_first_of("{ "))));
    }
  }
  CHECK(announced.size() > 20);
}

}  // namespace varve
