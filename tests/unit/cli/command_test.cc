#include "core/cli/command.h"

#include <catch2/catch_test_macros.hpp>
#include <sstream>
#include <vector>

#include "core/base/units.h"
#include "core/cli/http_client.h"
#include "core/cli/run.h"

namespace varve {
namespace {

Result<Command> parse(const std::string& line) {
  std::istringstream stream(line);
  std::vector<std::string> words;
  for (std::string word; stream >> word;) words.push_back(word);
  return parse_command(words);
}

Command good(const std::string& line) {
  const auto command = parse(line);
  INFO(line << ": " << command.status().message());
  REQUIRE(command.ok());
  return *command;
}

// Why the line is wrong usage.
std::string usage_error(const std::string& line) {
  const auto command = parse(line);
  INFO(line);
  REQUIRE_FALSE(command.ok());
  CHECK(command.code() == ErrorCode::kInvalidArgument);
  return std::string(command.status().message());
}

using Action = Command::Action;

}  // namespace

TEST_CASE("every command is parsed with its options") {
  const Command create = good("volume create v1 --size 10GiB --disk-group ssd0");
  CHECK(create.action == Action::kVolumeCreate);
  CHECK(create.name == "v1");
  CHECK(create.size_bytes == 10 * kGiB);
  CHECK(create.disk_group == "ssd0");
  CHECK_FALSE(create.encrypted);
  const Command encrypted = good("volume create v1 --size 1GiB --encrypted --wrapping-key k");
  CHECK(encrypted.encrypted);
  CHECK(encrypted.wrapping_key == "k");
  CHECK_FALSE(usage_error("volume create v1 --size 1GiB --wrapping-key k").empty());
  const Command rewrap = good("volume rewrap v1 --wrapping-key k --disk-group b");
  CHECK(rewrap.action == Action::kVolumeRewrap);
  CHECK(rewrap.wrapping_key == "k");
  CHECK(rewrap.disk_group == "b");
  CHECK(usage_error("volume rewrap v1").find("--wrapping-key is required") != std::string::npos);
  CHECK(good("volume list").action == Action::kVolumeList);
  CHECK(good("volume show v1").name == "v1");
  const Command resize = good("volume resize v1 --size 20GiB --disk-group b");
  CHECK(resize.action == Action::kVolumeResize);
  CHECK(resize.name == "v1");
  CHECK(resize.size_bytes == 20 * kGiB);
  CHECK(resize.disk_group == "b");
  const Command set = good("volume set v1 --tier ssd --disk-group b");
  CHECK(set.action == Action::kVolumeSet);
  CHECK(set.name == "v1");
  CHECK(set.tier == "ssd");
  CHECK(set.disk_group == "b");
  CHECK(create.tier.empty());
  CHECK(good("volume create v1 --size 1GiB --tier hdd").tier == "hdd");
  CHECK(good("volume clone v@s w --tier auto").tier == "auto");
  const Command remove = good("volume delete v1 --disk-group b");
  CHECK(remove.action == Action::kVolumeDelete);
  CHECK(remove.disk_group == "b");
  const Command add = good("disk add /dev/x --wipe --size 1GiB --segment-size 1MiB");
  CHECK(add.action == Action::kDiskAdd);
  CHECK(add.name == "/dev/x");
  CHECK(add.wipe);
  CHECK(add.size_bytes == kGiB);
  CHECK(add.segment_bytes == kMiB);
  const Command hdds = good("disk add ssd0 --hdd /dev/y --hdd-size 2GiB");
  CHECK(hdds.hdd == "/dev/y");
  CHECK(hdds.hdd_size_bytes == 2 * kGiB);
  CHECK(good("disk list").action == Action::kDiskList);
  const Command scrub = good("disk scrub ssd0 --rate 10MiB");
  CHECK(scrub.action == Action::kDiskScrub);
  CHECK(scrub.name == "ssd0");
  CHECK(scrub.size_bytes == 10 * kMiB);
  CHECK(good("status").action == Action::kStatus);
}

TEST_CASE("commands of snapshots are parsed with their options") {
  const Command create = good("snapshot create a@s b@s");
  CHECK(create.action == Action::kSnapshotCreate);
  CHECK(create.names == std::vector<std::string>{"a@s", "b@s"});
  CHECK(good("snapshot list").name.empty());
  CHECK(good("snapshot list a").name == "a");
  CHECK(good("snapshot show a@s").action == Action::kSnapshotShow);
  CHECK(good("snapshot delete a@s").action == Action::kSnapshotDelete);
  CHECK(good("snapshot rollback a@s").action == Action::kSnapshotRollback);
  const Command changes = good("snapshot changes a@s --until a@t");
  CHECK(changes.action == Action::kSnapshotChanges);
  CHECK(changes.name == "a@s");
  CHECK(changes.other == "a@t");
  const Command clone = good("volume clone a@s c --size 2GiB");
  CHECK(clone.action == Action::kVolumeClone);
  CHECK(clone.name == "a@s");
  CHECK(clone.other == "c");
  CHECK(clone.size_bytes == 2 * kGiB);
  CHECK_FALSE(usage_error("snapshot create").empty());
  CHECK_FALSE(usage_error("volume clone a@s").empty());
}

TEST_CASE("commands of a cluster are parsed with their options") {
  CHECK(good("cluster init").action == Action::kClusterInit);
  CHECK(good("cluster init").copies == 0);
  CHECK(good("cluster init --copies 2").copies == 2);
  const Command move = good("cluster move-metadata --config /old.toml --to /new.toml");
  CHECK(move.action == Action::kClusterMoveMetadata);
  CHECK(move.config_path == "/old.toml");
  CHECK(move.new_config_path == "/new.toml");
  CHECK(usage_error("cluster move-metadata").find("--to is required") != std::string::npos);
  CHECK(good("node list").action == Action::kNodeList);
  const Command attach = good("attach v1 --force");
  CHECK(attach.action == Action::kAttach);
  CHECK(attach.name == "v1");
  CHECK(attach.force);
  CHECK(good("detach v1").action == Action::kDetach);
  CHECK_FALSE(good("detach v1").force);
  CHECK(good("volume create v1 --size 1GiB --copies 3").copies == 3);
  for (const char* number : {"0", "4", "two", "-1", "1.0", "+1"}) {
    CHECK(usage_error(std::string("cluster init --copies ") + number).find("is not 1, 2 or 3") !=
          std::string::npos);
  }
  CHECK(usage_error("attach").find("VOLUME") != std::string::npos);
  CHECK_FALSE(usage_error("cluster").empty());
  CHECK_FALSE(usage_error("node").empty());
}

TEST_CASE("options of the whole program may stand anywhere") {
  for (const char* line : {"-o json --config /c status", "status -o json --config /c",
                           "--config=/c status --output=json"}) {
    const Command command = good(line);
    CHECK(command.json);
    CHECK(command.config_path == "/c");
  }
  CHECK(good("volume list --endpoint http://[::1]:7070").endpoint == "http://[::1]:7070");
  CHECK_FALSE(good("status").json);
}

TEST_CASE("a proof is named by files, a certificate with its key, a token instead") {
  const Command command = good("status --ca /a --cert /c --key /k");
  CHECK((command.ca_file == "/a" && command.cert_file == "/c" && command.key_file == "/k"));
  CHECK(good("--token-file /t status").token_file == "/t");
  CHECK(usage_error("status --cert /c").find("--key") != std::string::npos);
  CHECK(usage_error("status --key /k").find("--cert") != std::string::npos);
  CHECK_FALSE(usage_error("status --cert /c --key /k --token-file /t").empty());
  // Refused before anything is sent.
  for (const char* line : {"status --endpoint https://[::1]:1", "status --endpoint https:unix:/a",
                           "status --endpoint http://10.0.0.1:1 --token-file /t",
                           "status --endpoint http://[::1]:1 --cert /c --key /k"})
    CHECK(run_command(good(line)) == kExitRefused);
}

TEST_CASE("wrong usage is told with what is allowed") {
  CHECK(
      usage_error("volume create v --size 10GB").find("\"10GB\" is not a size; allowed: a whole") !=
      std::string::npos);
  CHECK(usage_error("volume create v --size 0").find("is not a size") != std::string::npos);
  CHECK(usage_error("volume create v").find("--size is required") != std::string::npos);
  CHECK(usage_error("volume resize v").find("--size is required") != std::string::npos);
  CHECK(usage_error("volume set v").find("--tier is required") != std::string::npos);
  for (const char* line : {"volume set v --tier nvme", "volume create v --size 1GiB --tier SSD"})
    CHECK(usage_error(line).find("{auto,ssd,hdd}") != std::string::npos);
  CHECK(usage_error("volume create --size 1GiB").find("NAME") != std::string::npos);
  CHECK(usage_error("frobnicate") == "unknown command \"frobnicate\"");
  CHECK(usage_error("volume frobnicate") == "unknown command \"frobnicate\"");
  CHECK_FALSE(usage_error("volume list extra").empty());
  CHECK_FALSE(usage_error("").empty());
  CHECK_FALSE(usage_error("volume").empty());
  CHECK_FALSE(usage_error("status -o xml").empty());
  CHECK_FALSE(usage_error("status --unknown").empty());
}

TEST_CASE("help exists for everything and names its command") {
  for (const char* words : {"",
                            "volume",
                            "volume create",
                            "volume list",
                            "volume show",
                            "volume resize",
                            "volume set",
                            "volume rewrap",
                            "volume delete",
                            "disk",
                            "disk add",
                            "disk list",
                            "status",
                            "cluster",
                            "cluster init",
                            "cluster move-metadata",
                            "node",
                            "node list",
                            "attach",
                            "detach"}) {
    const Command command = good(std::string(words) + " --help");
    CHECK(command.action == Action::kHelp);
    const std::string usage = std::string("Usage: varve") + (*words ? " " : "") + words;
    INFO(command.help);
    CHECK(command.help.find(usage) != std::string::npos);
    CHECK(run_command(good(std::string(words) + " -h")) == kExitDone);
  }
  CHECK(good("--version").action == Action::kVersion);
}

TEST_CASE("what this release does not have says so and is refused") {
  for (const char* words :
       {"node drain n", "node resume n", "top", "disk remove d", "disk replace a b"}) {
    const Command command = good(words);
    INFO(words);
    CHECK(command.action == Action::kNotBuilt);
    CHECK(std::string(words).starts_with(command.not_built));
    CHECK(run_command(command) == kExitRefused);
  }
}

TEST_CASE("a daemon that is not there is refused, not wrong usage") {
  CHECK(run_command(good("status --endpoint unix:/nonexistent/admin.sock")) == kExitRefused);
  CHECK(run_command(good("status --endpoint ftp://x")) == kExitRefused);
  CHECK(run_command(good("status --config /nonexistent/node.toml")) == kExitRefused);
}

TEST_CASE("names are encoded for the path") {
  CHECK(path_segment("a-b.c_d~1") == "a-b.c_d~1");
  CHECK(path_segment("a/b ?#%") == "a%2Fb%20%3F%23%25");
  CHECK(path_segment("\xc3\xa9") == "%C3%A9");
}

}  // namespace varve
