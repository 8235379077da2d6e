#include "core/daemon/node.h"

#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/base/text.h"
#include "core/base/units.h"
#include "core/daemon/cluster_member.h"

namespace varve {
namespace {

// A folder on a real disk that goes away again.
class Folder {
 public:
  Folder() : path_(text(VARVE_TEST_FOLDER, "/node-", getpid())) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

NodeConfig config_of(const Folder& folder, std::vector<std::string> groups) {
  NodeConfig config;
  config.name = "test";
  for (const std::string& group : groups) {
    config.disk_groups.push_back({.name = group, .path = folder.file(group)});
  }
  return config;
}

using Steps = std::function<Task<void>(Node& node)>;

Task<void> run_node(Node* node) {
  const Status status = co_await node->run([] {});
  CHECK(status.ok());
}

Task<void> run_steps(Node* node, WaitList* ended, TaskGroup* serving, Steps steps) {
  serving->start(run_node(node));
  while (node->status().state != NodeState::kReady) co_await node->changed();
  co_await steps(*node);
  node->stop();
  co_await serving->done();
  ended->wake_all();
}

// One life of a node: starts it, takes the steps, stops it.
void with_node(const NodeConfig& config, Steps steps) {
  auto loop = UringLoop::create();
  REQUIRE(loop.ok());
  Node node(**loop, config, {}, nullptr);
  WaitList ended((*loop)->runtime().ready);
  TaskGroup serving((*loop)->runtime().ready);
  (*loop)->run(run_steps(&node, &ended, &serving, std::move(steps)));
  CHECK_FALSE(node.work_left());
}

// Follows the operation to its end, which an event of the loop brings about.
Task<OperationStatus> end_of(Node* node, uint64_t id) {
  for (;;) {
    const auto operation = co_await node->operation(id);
    VARVE_CHECK(operation.ok());
    if (operation->state != OperationStatus::State::kRunning) co_return *operation;
    co_await node->changed();
  }
}

Task<OperationStatus> add(Node* node, AddDisk request) {
  const auto begun = co_await node->add_disk(std::move(request));
  if (!begun.ok()) {
    OperationStatus refused;
    refused.state = OperationStatus::State::kFailed;
    refused.code = begun.code();
    refused.message = begun.status().message();
    co_return refused;
  }
  co_return co_await end_of(node, begun->id);
}

// By functions: g++ 12 destroys an aggregate twice that is written inside a co_await.
CreateVolume volume_of(const std::string& name, uint64_t size_bytes,
                       const std::string& disk_group = "") {
  return {.name = name, .size_bytes = size_bytes, .disk_group = disk_group};
}

AddDisk wiped(const std::string& group) {
  return {.disk_group = group, .wipe = true};
}

AddDisk file_of(const std::string& group, uint64_t bytes) {
  return {.disk_group = group, .size_bytes = bytes};
}

// Named coroutines: a lambda's captures do not live as long as its coroutine.
Task<void> format_and_create(Node& node, std::string group) {
  const OperationStatus added = co_await add(&node, file_of(group, 16 * kMiB));
  CHECK(added.message.ends_with(" is serving"));
  const auto made = co_await node.create_volume(volume_of("v", 5000));
  REQUIRE(made.ok());
  CHECK_FALSE(made->existed);
  CHECK(made->volume.size_bytes == 8192);
  CHECK(made->volume.disk_group == group);
}

Task<void> check_create_again(Node& node) {
  const auto same = co_await node.create_volume(volume_of("v", 8192));
  REQUIRE(same.ok());
  CHECK(same->existed);
  const auto other = co_await node.create_volume(volume_of("v", 8193));
  CHECK(other.code() == ErrorCode::kAlreadyExists);
  const auto elsewhere = co_await node.create_volume(volume_of("v", 8192, "b"));
  CHECK(elsewhere.code() == ErrorCode::kAlreadyExists);
  const auto unknown = co_await node.create_volume(volume_of("w", 8192, "x"));
  CHECK(unknown.code() == ErrorCode::kNotFound);
  const auto bad_name = co_await node.create_volume(volume_of("-w", 8192));
  CHECK(bad_name.code() == ErrorCode::kInvalidArgument);
  const auto absent = co_await node.delete_volume("w", "");
  CHECK(absent.code() == ErrorCode::kNotFound);
  const auto deleted = co_await node.delete_volume("v", "");
  CHECK(deleted.ok());
  const auto deleted_again = co_await node.delete_volume("v", "");
  CHECK(deleted_again.code() == ErrorCode::kNotFound);
}

Task<void> check_refused_adds(Node& node, std::string held_file) {
  const auto not_in_config = co_await add(&node, file_of("nowhere", 0));
  CHECK(not_in_config.code == ErrorCode::kNotFound);
  const auto without_size = co_await add(&node, file_of("a", 0));
  CHECK(without_size.code == ErrorCode::kNotFound);
  const auto too_small = co_await add(&node, file_of("a", 64 * kKiB));
  CHECK(too_small.code == ErrorCode::kInvalidArgument);
  CHECK_FALSE(std::filesystem::exists(node.status().disk_groups[0].path));
  const auto over_data = co_await add(&node, file_of("held", 16 * kMiB));
  CHECK(over_data.code == ErrorCode::kAlreadyExists);
  CHECK(std::filesystem::file_size(held_file) == 100'000);
  AddDisk odd = file_of("a", 16 * kMiB);
  odd.segment_bytes = 100'000;
  const auto odd_segments = co_await add(&node, odd);
  CHECK(odd_segments.code == ErrorCode::kInvalidArgument);
  CHECK(node.status().disk_groups[0].state == GroupState::kNotServed);
}

Task<void> check_twins(Node& node) {
  CHECK(node.status().volumes.size() == 2);
  CHECK(problems_of(node.status()).size() == 1);
  const auto ambiguous = co_await node.delete_volume("v", "");
  CHECK(ambiguous.code() == ErrorCode::kInvalidArgument);
  const auto deleted = co_await node.delete_volume("v", "b");
  CHECK(deleted.ok());
  CHECK(problems_of(node.status()).empty());
  const NodeStatus status = node.status();
  REQUIRE(status.volumes.size() == 1);
  CHECK(status.volumes[0].disk_group == "a");
}

Task<void> check_spread(Node& node) {
  const auto small = co_await add(&node, file_of("small", 8 * kMiB));
  CHECK(small.code == ErrorCode::kOk);
  const auto large = co_await add(&node, file_of("large", 32 * kMiB));
  CHECK(large.code == ErrorCode::kOk);
  const auto made = co_await node.create_volume(volume_of("v", 4096));
  REQUIRE(made.ok());
  CHECK(made->volume.disk_group == "large");
  const auto asked = co_await node.create_volume(volume_of("w", 4096, "small"));
  REQUIRE(asked.ok());
  CHECK(asked->volume.disk_group == "small");
  const auto in_service = co_await add(&node, wiped("small"));
  CHECK(in_service.code == ErrorCode::kAlreadyExists);
}

Task<void> check_spread_with_tier(Node& node) {
  const auto small = co_await add(&node, file_of("small", 16 * kMiB));
  CHECK(small.code == ErrorCode::kOk);
  AddDisk with_hdd = file_of("large", 32 * kMiB);
  with_hdd.hdd_size_bytes = 64 * kMiB;
  const auto large = co_await add(&node, with_hdd);
  CHECK(large.code == ErrorCode::kOk);
  // The large one keeps less on its SSD than it has, for its HDD; the small one has none.
  CreateVolume wanted = volume_of("kept", 30 * kMiB);
  wanted.tier = VolumeTier::kSsd;
  const auto kept = co_await node.create_volume(wanted);
  REQUIRE(kept.ok());
  CHECK(kept->volume.disk_group == "small");
  wanted.name = "refused";
  wanted.disk_group = "large";
  const auto refused = co_await node.create_volume(wanted);
  CHECK(refused.code() == ErrorCode::kInvalidArgument);
  wanted = volume_of("fits", 4 * kMiB);
  wanted.tier = VolumeTier::kSsd;
  const auto fits = co_await node.create_volume(wanted);
  REQUIRE(fits.ok());
  CHECK(fits->volume.disk_group == "large");
  const auto any = co_await node.create_volume(volume_of("any", 30 * kMiB));
  REQUIRE(any.ok());
  CHECK(any->volume.disk_group == "large");
}

}  // namespace

TEST_CASE("a disk group is formatted by a running node and is there after a restart") {
  const Folder folder;
  const NodeConfig config = config_of(folder, {"a", "b"});
  with_node(config, [](Node& node) { return format_and_create(node, "a"); });
  with_node(config, [](Node& node) { return check_create_again(node); });
}

TEST_CASE("what cannot be formatted is left as it was") {
  const Folder folder;
  const std::string held_file = folder.file("held");
  std::ofstream(held_file) << std::string(100'000, 'x');
  with_node(config_of(folder, {"a", "held"}),
            [&](Node& node) { return check_refused_adds(node, held_file); });
}

TEST_CASE("a name that two disk groups hold is not served until one volume is deleted") {
  const Folder folder;
  for (const std::string group : {"a", "b"}) {
    with_node(config_of(folder, {group}),
              [&](Node& node) { return format_and_create(node, group); });
  }
  with_node(config_of(folder, {"a", "b"}), [](Node& node) { return check_twins(node); });
}

TEST_CASE("a volume goes where most space is free, or where it was asked to") {
  const Folder folder;
  with_node(config_of(folder, {"small", "large"}), [](Node& node) { return check_spread(node); });
}

TEST_CASE("a volume with tier ssd goes where most space is free of those that can keep it") {
  const Folder folder;
  NodeConfig config = config_of(folder, {"small", "large"});
  config.disk_groups[1].hdds = {{.path = folder.file("hdd")}};
  with_node(config, [](Node& node) { return check_spread_with_tier(node); });
}

TEST_CASE("segments are large on large devices and many on small ones") {
  CHECK(default_segment_bytes(uint64_t{1} << 40) == 64 * kMiB);
  CHECK(default_segment_bytes(8 * kGiB) == 64 * kMiB);
  CHECK(default_segment_bytes(kGiB) == 8 * kMiB);
  CHECK(default_segment_bytes(kMiB) == 64 * kKiB);
}

}  // namespace varve
