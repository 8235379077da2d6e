#include "core/cli/replies.h"

#include <catch2/catch_test_macros.hpp>

#include "core/base/text.h"
#include "core/cli/table.h"

namespace varve {

TEST_CASE("columns are aligned, without blanks at a line's end") {
  CHECK(table_text({{"NAME"}, {"SIZE", Align::kRight}, {"WHERE"}},
                   {{"a", "1GiB", "x"}, {"longer", "10GiB", "yy"}}) ==
        "NAME     SIZE  WHERE\n"
        "a        1GiB  x\n"
        "longer  10GiB  yy\n");
  CHECK(table_text({{"NAME"}, {"N", Align::kRight}}, {}) == "NAME  N\n");
}

TEST_CASE("requests carry what was asked for and nothing else") {
  Command command;
  command.name = "v\"1";
  command.size_bytes = 4096;
  CHECK(create_volume_body(command) == R"({"name":"v\"1","size_bytes":4096})");
  CHECK(resize_volume_body(command) == R"({"size_bytes":4096})");
  command.tier = "hdd";
  CHECK(create_volume_body(command) == R"({"name":"v\"1","size_bytes":4096,"tier":"hdd"})");
  CHECK(set_tier_body(command) == R"({"tier":"hdd"})");
  CHECK(clone_volume_body({.other = "c", .tier = "auto"}) == R"({"name":"c","tier":"auto"})");
  CHECK(add_disk_body(command) == R"({"disk_group":"v\"1","size_bytes":4096,"wipe":false})");
}

TEST_CASE("requests to a cluster carry copies and force") {
  Command command;
  CHECK(cluster_init_body(command) == "{}");
  CHECK(attachment_body(command) == R"({"force":false})");
  command.copies = 2;
  command.force = true;
  CHECK(cluster_init_body(command) == R"({"copies":2})");
  CHECK(attachment_body(command) == R"({"force":true})");
  command.name = "v";
  command.size_bytes = 4096;
  CHECK(create_volume_body(command) == R"({"copies":2,"name":"v","size_bytes":4096})");
}

TEST_CASE("a cluster, its nodes and attachments are shown for people") {
  CHECK(cluster_text(R"({"cluster":{"id":"ab","copies":2},"message":"initialised"})") ==
        "cluster ab (2 copies): initialised\n");
  CHECK(cluster_text(R"({"cluster":{"id":"ab","copies":0},"message":"x"})") ==
        "cluster ab (one copy per node, at most 3): x\n");
  CHECK(nodes_text(R"({"nodes":[{"id":1,"name":"node1","address":"10.0.0.1:7071","version":"1",
    "heard":true,"disk_group_count":2,"capacity_bytes":1073741824,"group_count":48,
    "primary_count":16},{"id":2,"name":"b","address":"x"}]})") ==
        "NODE   ID  STATE   VERSION  DISK GROUPS  CAPACITY  PRIMARY OF  ADDRESS\n"
        "node1   1  up      1                  2      1GiB       16/48  10.0.0.1:7071\n"
        "b       2  silent                     0        0B         0/0  x\n");
  CHECK(attachment_text(R"({"attachment":{"volume":"v","node":"a","generation":3}})") ==
        "volume v: attached on node a, generation 3\n");
  CHECK(attachment_text(R"({"attachment":{"volume":"v","node":"","generation":4}})") ==
        "volume v: detached, generation 4\n");
}

TEST_CASE("volumes are shown with sizes for people") {
  const std::string volume =
      R"({"name":"v1","disk_group":"d","size_bytes":10737418240,"used_bytes":4096,"tier":"hdd",)"
      R"("in_use":true})";
  CHECK(volumes_text(R"({"volumes":[)" + volume + "]}") ==
        "VOLUME   SIZE  USED  TIER  DISK GROUP  IN USE\n"
        "v1      10GiB  4KiB  hdd   d           yes\n");
  CHECK(volume_text(R"({"volume":)" + volume + "}").find("\ntier:        hdd\n") !=
        std::string::npos);
  CHECK(volumes_text(R"({"volumes":[{"name":"v","size_bytes":4096,"copies":3,"tier":"ssd"}]})") ==
        "VOLUME  SIZE  COPIES  TIER  ATTACHED ON\n"
        "v       4KiB       3  ssd   -\n");
  CHECK(volume_text(R"({"volume":)" + volume + "}").find("10GiB (10737418240 bytes)") !=
        std::string::npos);
  CHECK(resized_text(R"({"message":"resized","volume":)" + volume + "}") ==
        "volume v1 (10GiB): resized\n");
  CHECK(created_text(R"({"message":"created","volume":)" + volume + "}") ==
        "volume v1 (10GiB on disk group d): created\n");
}

TEST_CASE("snapshots are shown with their size, age and space") {
  const std::string snapshot =
      R"({"volume":"v","name":"s","disk_group":"d","size_bytes":8192,"created_seconds":86400,)"
      R"("in_use":false,"used_bytes":8192,"exclusive_bytes":4096})";
  CHECK(snapshots_text(R"({"snapshots":[)" + snapshot + "]}") ==
        "SNAPSHOT  SIZE  CREATED               DISK GROUP  IN USE\n"
        "v@s       8KiB  1970-01-02 00:00:00Z  d           no\n");
  CHECK(snapshots_made_text(R"({"snapshots":[)" + snapshot + "]}") == "snapshot v@s: created\n");
  CHECK(snapshot_text(R"({"snapshot":)" + snapshot + "}").find("of its own:  4KiB") !=
        std::string::npos);
  CHECK(snapshot_deleted_text(R"({"snapshot":)" + snapshot + "}") == "snapshot v@s: deleted\n");
  CHECK(rolled_back_text(R"({"volume":{"name":"v"}})") == "volume v: rolled back\n");
  CHECK(cloned_text(R"({"volume":{"name":"c","size_bytes":4096}})") == "volume c (4KiB): cloned\n");
  const std::string changes = R"({"changes":[{"offset":4096,"bytes":8192}],"next_offset":65536})";
  CHECK(changes_text(changes) == "4096 8192\n");
  CHECK(next_offset_of(changes) == 65536);
  CHECK(create_snapshots_body({.names = {"a@s", "b@s"}}) == R"({"snapshots":["a@s","b@s"]})");
  CHECK(clone_volume_body({.other = "c"}) == R"({"name":"c"})");
}

TEST_CASE("the devices of a disk group are shown where it has HDDs") {
  const std::string status = status_text(R"({"disk_groups":[
    {"name":"a","state":"serving","devices":[{"path":"/a","tier":"ssd","serving":true}]},
    {"name":"b","state":"serving","sinking":true,
     "stats":{"demoted_blocks_written":256,"packed_blocks_written":1,"read_cache_hit_blocks":512,
              "read_cache_held_blocks":2},"devices":[
      {"path":"/b","tier":"ssd","serving":true,"live_bytes":4096,"dead_bytes":0,"free_bytes":8192,
       "capacity_bytes":12288,"reserved_bytes":1024,"write_failed":false},
      {"path":"/h1","tier":"hdd","serving":true,"live_bytes":4096,"write_failed":true},
      {"path":"/h2","tier":"hdd","serving":false,"reason":"away"}]}]})");
  INFO(status);
  CHECK(status.find("\n/a ") == std::string::npos);
  CHECK(status.find("/b      b           ssd   4KiB    0B  8KiB     12KiB      1KiB  serving\n") !=
        std::string::npos);
  CHECK(status.find("/h1     b           hdd   4KiB") != std::string::npos);
  CHECK(status.find("  failed\n") != std::string::npos);
  CHECK(status.find("/h2     b           hdd      -") != std::string::npos);
  CHECK(status.find("  not used\n") != std::string::npos);
  CHECK(status.find("disk group b: blocks are sinking; since its start 1MiB have sunk to HDDs and "
                    "4KiB were packed there; of what was read from there 2MiB came from the SSD's "
                    "read cache, which holds 8KiB\n") != std::string::npos);
}

TEST_CASE("status shows every disk group and one line per problem") {
  const std::string status = status_text(R"({"node":"n","state":"ready","version":"1",
    "volume_count":2,"services":[{"plugin":"nbd","version":"1","serving":true}],
    "disk_groups":[
      {"name":"a","path":"/a","state":"serving","durability":"flush","fill_percent":81.26,
       "live_bytes":4096,"dead_bytes":0,"free_bytes":1024,"capacity_bytes":8192,"damaged_blocks":3,
       "create_refused_percent":80,"writes_wait_percent":95},
      {"name":"b","path":"/b","state":"recovering","durability":"plp",
       "recovery":{"done":5,"total":9}},
      {"name":"c","path":"/c","state":"not served","durability":"plp","reason":"gone"}],
    "problems":["disk group c is not served: gone"]})");
  INFO(status);
  CHECK(status.find("node n: ready, version 1, 2 volumes\n") == 0);
  CHECK(status.find("a           serving         81.3%  4KiB") != std::string::npos);
  CHECK(status.find("b           recovering 5/9      -") != std::string::npos);
  CHECK(status.find("From 80% full new volumes are refused, from 95% writes wait.") !=
        std::string::npos);
  CHECK(status.find("PROBLEM: disk group c is not served: gone\n") != std::string::npos);
  CHECK(status.find("nbd") != std::string::npos);
}

TEST_CASE("status says how each other node is reached, and why not better") {
  const std::string status = status_text(R"({"node":"n","state":"ready","version":"1",
    "volume_count":0,"services":[],"disk_groups":[],"problems":[],
    "cluster":{"joined":true,"state":"fine","peers":[
      {"node":"a","transport":"fast","address":"10.1.0.1:1","fallback":""},
      {"node":"b","transport":"slow","address":"10.0.0.2:1","fallback":"fast: no device"},
      {"node":"c","transport":"","address":"","fallback":"","problem":"nothing in common"}]}})");
  INFO(status);
  for (const char* line :
       {"PEER  TRANSPORT      ADDRESS     NOTE\n", "a     fast           10.1.0.1:1",
        "b     slow           10.0.0.2:1  fallback: fast: no device\n",
        "c     no connection              nothing in common\n"})
    CHECK(status.find(line) != std::string::npos);
}

TEST_CASE("encryption is asked for and shown by the name of the wrapping key") {
  Command command;
  command.name = "v";
  command.size_bytes = 4096;
  command.encrypted = true;
  CHECK(create_volume_body(command) == R"({"encrypted":true,"name":"v","size_bytes":4096})");
  command.wrapping_key = "k";
  command.disk_group = "d";
  CHECK(rewrap_volume_body(command) == R"({"disk_group":"d","wrapping_key":"k"})");
  const auto shown = [](const char* members) {
    return volume_text(text(R"({"volume":{"name":"v")", members, "}}"));
  };
  CHECK(shown("").find("encrypted:   no\n") != std::string::npos);
  CHECK(shown(R"(,"wrapping_key":"k","key_is_here":true)").find("encrypted:   wrapping key k\n") !=
        std::string::npos);
  CHECK(shown(R"(,"wrapping_key":"k","key_is_here":false)")
            .find("wrapping key k, which the node's key file does not have\n") !=
        std::string::npos);
}

TEST_CASE("an error's reason is shown, or else what came") {
  CHECK(error_text(R"({"error":{"code":"busy","message":"in use"}})") == "in use");
  CHECK(error_text("<html>") == "<html>");
}

TEST_CASE("replies of another shape do no harm") {
  for (const char* body : {"", "[]", "null", "7", "{", R"({"volumes":7,"volume":[1],"error":"x"})",
                           R"({"volumes":[7,"x",null,{"name":7,"size_bytes":-1,"in_use":"x"}]})",
                           R"({"disk_groups":[[1],{"state":"serving","fill_percent":"x"}]})",
                           R"({"operation":{"id":"x","progress":5},"problems":[1,{}]})"}) {
    INFO(body);
    CHECK_FALSE(volumes_text(body).empty());
    CHECK_FALSE(status_text(body).empty());
    CHECK_FALSE(disk_groups_text(body).empty());
    CHECK_FALSE(volume_text(body).empty());
    CHECK_FALSE(created_text(body).empty());
    CHECK_FALSE(deleted_text(body).empty());
    CHECK(operation_view(body).state.empty());
    CHECK(error_text(body) == body);
  }
}

TEST_CASE("an operation is followed by its numbers") {
  const OperationView view =
      operation_view(R"({"operation":{"id":3,"state":"running","step":"writing",)"
                     R"("progress":{"done":1,"total":2}}})");
  CHECK(view.id == 3);
  CHECK(view.state == "running");
  CHECK(view.step == "writing");
  CHECK(view.done == 1);
  CHECK(view.total == 2);
}

}  // namespace varve
