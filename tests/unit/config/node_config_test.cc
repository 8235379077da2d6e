#include "core/config/node_config.h"

#include <catch2/catch_test_macros.hpp>
#include <filesystem>

#include "core/base/text.h"

namespace varve {
namespace {

constexpr const char* kGroup = "[[disk_group]]\nname = \"ssd0\"\npath = \"/dev/ssd0\"\n";

// The errors of `toml` as an operator sees them.
std::vector<std::string> errors_of(std::string_view toml) {
  std::vector<std::string> lines;
  for (const ConfigError& error : read_node_config(toml).errors) {
    lines.push_back(config_error_text("node.toml", error));
  }
  return lines;
}

bool contains(const std::vector<std::string>& lines, std::string_view part) {
  for (const std::string& line : lines) {
    UNSCOPED_INFO(line);
    if (line.find(part) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("every example config is accepted") {
  size_t count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(VARVE_CONF_DIRECTORY)) {
    if (entry.path().extension() != ".toml") continue;
    ++count;
    INFO(entry.path());
    const Result<std::string> content = read_config_file(entry.path());
    REQUIRE(content.ok());
    CHECK(errors_of(*content) == std::vector<std::string>{});
  }
  CHECK(count >= 2);
}

TEST_CASE("memory_max is a size of 64 MiB or more") {
  const auto with = [](const char* size) {
    return std::string(kGroup) + "memory_max = " + size + "\n";
  };
  const ConfigReading reading = read_node_config(with("\"4GiB\""));
  CHECK(reading.errors.empty());
  CHECK(reading.config.disk_groups[0].memory_max_bytes == uint64_t{4} << 30);
  CHECK(read_node_config(kGroup).config.disk_groups[0].memory_max_bytes == 0);
  CHECK(read_node_config(with("\"64MiB\"")).errors.empty());
  for (const char* wrong : {"\"4\"", "\"63MiB\"", "\"\"", "\"4GB\"", "\"-4GiB\"", "\"1.5GiB\""})
    CHECK(contains(errors_of(with(wrong)), "node.toml:4:1: disk_group.memory_max: \""));
  CHECK(contains(errors_of(with("4")), "disk_group.memory_max: "));
}

TEST_CASE("encryption names a key file, absolutely") {
  const auto with = [](const char* section) { return std::string(kGroup) + section; };
  const ConfigReading reading = read_node_config(with("[encryption]\nkey_file = \"/etc/k\"\n"));
  CHECK(reading.errors.empty());
  CHECK(reading.config.key_file == "/etc/k");
  CHECK(reading.config.key_file_place.line == 5);
  CHECK(read_node_config(kGroup).config.key_file.empty());
  CHECK(contains(errors_of(with("[encryption]\n")),
                 "node.toml:4:2: encryption.key_file: missing; must be the absolute path"));
  CHECK(contains(errors_of(with("[encryption]\nkey_file = \"keys\"\n")),
                 "node.toml:5:1: encryption.key_file: must be the absolute path"));
  CHECK(
      contains(errors_of(with("[encryption]\nkeyfile = \"/k\"\n")), "did you mean \"key_file\"?"));
  CHECK(contains(errors_of(text("encryption = 1\n", kGroup)),
                 "node.toml:1:1: encryption: must be written as a section: [encryption]"));
}

TEST_CASE("a full config becomes plain structs") {
  const ConfigReading reading = read_node_config(R"(
[node]
name = "node1"
log_level = "warn"
admin = "unix:/run/varve/admin.sock"

[[disk_group]]
name = "a"
path = "/dev/a"
durability = "plp"
[[disk_group]]
name = "b"
path = "/srv/b"

[[service]]
plugin = "nbd"
listen = ["unix:/run/nbd", "127.0.0.1:10809"]
deep = 7
loud = true
)");
  REQUIRE(reading.errors.empty());
  const NodeConfig& config = reading.config;
  CHECK(config.name == "node1");
  CHECK(config.log_level == LogLevel::kWarn);
  CHECK(config.admin.unix_path == "/run/varve/admin.sock");
  REQUIRE(config.disk_groups.size() == 2);
  CHECK(config.disk_groups[0].power_protected);
  CHECK(config.disk_groups[1].name == "b");
  CHECK_FALSE(config.disk_groups[1].power_protected);
  REQUIRE(config.services.size() == 1);
  std::string options;
  for (const ServiceOption& option : config.services[0].options) {
    options += option.key + "=" + option.value + ";";
  }
  CHECK(options == "deep=7;listen=unix:/run/nbd;listen=127.0.0.1:10809;loud=true;");
}

TEST_CASE("a disk group's HDDs are paths that nothing else has") {
  const ConfigReading reading =
      read_node_config(std::string(kGroup) + "hdd = [\"/dev/a\",\n  \"/dev/b\"]\n");
  REQUIRE(reading.errors.empty());
  const std::vector<HddConfig>& hdds = reading.config.disk_groups[0].hdds;
  REQUIRE(hdds.size() == 2);
  CHECK(hdds[0].path == "/dev/a");
  CHECK(hdds[1].path == "/dev/b");
  CHECK(hdds[1].place.line == 5);
  CHECK(read_node_config(kGroup).config.disk_groups[0].hdds.empty());
  const auto with = [](const std::string& lines) { return errors_of(kGroup + lines); };
  CHECK(contains(with("hdd = \"/dev/a\"\n"), "node.toml:4:1: disk_group.hdd: must be a list"));
  CHECK(contains(with("hdd = [1]\n"), "node.toml:4:1: disk_group.hdd: must be a list"));
  CHECK(
      contains(with("hdd = [\"a\"]\n"), "node.toml:4:8: disk_group.hdd: \"a\": must be the abso"));
  CHECK(contains(with("hdd = [\"/dev/a\", \"/dev/a\"]\n"), "\"/dev/a\" is here already"));
  CHECK(contains(with("hdd = [\"/dev/ssd0\"]\n"), "is the SSD of this disk group already"));
  const std::string other = "hdd = [\"/a\"]\n[[disk_group]]\nname = \"b\"\n";
  CHECK(contains(with(other + "path = \"/a\"\n"),
                 "disk_group.path: \"/a\" is an HDD of disk group \"ssd0\" already"));
  CHECK(contains(with(other + "path = \"/b\"\nhdd = [\"/dev/ssd0\", \"/a\"]\n"),
                 "disk_group.hdd: \"/dev/ssd0\" is disk group \"ssd0\" already"));
}

TEST_CASE("defaults need no words") {
  const ConfigReading reading = read_node_config(kGroup);
  REQUIRE(reading.errors.empty());
  CHECK(reading.config.admin.to_text() == "127.0.0.1:7070");
  CHECK(reading.config.log_level == LogLevel::kInfo);
  CHECK(reading.config.services.empty());
}

TEST_CASE("an error names file, line, column, key, what is wrong and what is allowed") {
  const auto lines = errors_of(std::string(kGroup) + "durability = \"often\"\n");
  CHECK(lines == std::vector<std::string>{
                     "node.toml:4:1: disk_group.durability: \"often\" is not one of \"flush\", "
                     "\"plp\""});
}

TEST_CASE("all errors are told at once, in the file's order") {
  const auto lines = errors_of(
      "[node]\nlog_level = 3\nadmin = \"here\"\n[[disk_group]]\nnme = \"a\"\npath = \"dev\"\n");
  REQUIRE(lines.size() == 5);
  CHECK(lines[0].starts_with("node.toml:2:1: node.log_level: must be one of"));
  CHECK(lines[1].starts_with("node.toml:3:1: node.admin: \"here\" is not \"HOST:PORT\""));
  CHECK(lines[2].starts_with("node.toml:4:1: disk_group.name: missing; must be"));
  CHECK(lines[3] == "node.toml:5:1: disk_group.nme: unknown key; did you mean \"name\"?");
  CHECK(lines[4].starts_with("node.toml:6:1: disk_group.path: must be the absolute path"));
}

TEST_CASE("unknown keys and sections are errors") {
  CHECK(contains(errors_of(std::string("[nod]\n") + kGroup), "nod: unknown key; did you mean"));
  CHECK(contains(errors_of(std::string("[node]\nzzzzzz = 1\n") + kGroup),
                 "node.zzzzzz: unknown key; known here: \"name\", \"log_level\""));
}

TEST_CASE("a node of a cluster says where the metadata is and where others reach it") {
  const ConfigReading reading = read_node_config(std::string(kGroup) + R"(
[metadata]
use = "metadata_sqlite"
path = "/srv/varve/cluster.db"
[transport]
use = "/opt/fast.so"
listen = "10.0.0.1:7071"
allow_plaintext = true
keepalive_s = 5
)");
  REQUIRE(reading.errors.empty());
  REQUIRE(reading.config.metadata);
  CHECK(reading.config.metadata->plugin == "metadata_sqlite");
  CHECK(reading.config.metadata->place.line == 5);
  REQUIRE(reading.config.metadata->options.size() == 1);
  CHECK(reading.config.metadata->options[0].key == "path");
  REQUIRE(reading.config.transports.size() == 1);
  const TransportConfig& transport = reading.config.transports[0];
  CHECK(transport.plugin == "/opt/fast.so");
  CHECK(transport.name == "fast");
  CHECK(transport.listen.to_text() == "10.0.0.1:7071");
  REQUIRE(transport.options.size() == 2);
  CHECK(transport.options[0].key == "allow_plaintext");
  CHECK(transport.options[1].value == "5");
  CHECK_FALSE(read_node_config(kGroup).config.metadata);
}

TEST_CASE("a cluster's sections come together or not at all") {
  const std::string metadata = "[metadata]\nuse = \"metadata_sqlite\"\n";
  const std::string transport = "[transport]\nuse = \"tcp\"\nlisten = \"127.0.0.1:7071\"\n";
  CHECK(errors_of(metadata + transport + kGroup).empty());
  CHECK(contains(errors_of(metadata + kGroup),
                 "node.toml:1:2: metadata: [transport] is missing; a node of a cluster has both"));
  CHECK(contains(errors_of(transport + kGroup),
                 "node.toml:1:2: transport: [metadata] is missing; a node of a cluster has both"));
  CHECK(contains(errors_of("metadata = 1\n" + transport + kGroup),
                 "node.toml:1:1: metadata: must be written as a section: [metadata]"));
}

TEST_CASE("what a cluster's sections must say is told where it is wrong or missing") {
  const auto lines = errors_of(std::string("[metadata]\nuse = \"../x\"\npath = 1.5\n") +
                               "[transport]\nuse = 7\n" + kGroup);
  REQUIRE(lines.size() == 4);
  CHECK(
      lines[0].starts_with("node.toml:2:1: metadata.use: must be the name of a plugin "
                           "(\"metadata_sqlite\")"));
  CHECK(lines[1].starts_with("node.toml:3:1: metadata.path: must be a string, a whole number"));
  CHECK(lines[2].starts_with("node.toml:4:2: transport.listen: missing; must be \"HOST:PORT\""));
  CHECK(lines[3].starts_with("node.toml:5:1: transport.use: must be the name of a plugin"));
}

TEST_CASE("nodes talk beyond loopback only when plaintext is allowed, at an address of theirs") {
  const auto with_listen = [](const std::string& listen, const std::string& more = "") {
    return errors_of("[metadata]\nuse = \"m\"\n[transport]\nuse = \"tcp\"\nlisten = \"" + listen +
                     "\"\n" + more + kGroup);
  };
  const std::string allowed = "allow_plaintext = true\n";
  CHECK(with_listen("[::1]:7071").empty());
  CHECK(with_listen("10.0.0.1:7071", allowed).empty());
  CHECK(contains(with_listen("10.0.0.1:7071"),
                 "node.toml:5:1: transport.listen: \"10.0.0.1:7071\" must be loopback, because "
                 "nothing is encrypted without [tls]; allow_plaintext = true"));
  CHECK(contains(with_listen("127.example.com:7071"), "must be loopback"));
  for (const char* listen : {"0.0.0.0:7071", "[::]:7071", "unix:/run/x", "7071", "node1"}) {
    CHECK(contains(with_listen(listen, allowed), "is not \"HOST:PORT\""));
  }
  CHECK(contains(with_listen("10.0.0.1:1", "allow_plaintext = 1\n"), "must be true or false"));
}

TEST_CASE("a node may be told the network of its address instead of the address") {
  const auto with_listen = [](const std::string& listen, const std::string& more) {
    return "[metadata]\nuse = \"m\"\n[transport]\nuse = \"tcp\"\nlisten = \"" + listen + "\"\n" +
           more + kGroup;
  };
  const std::string allowed = "allow_plaintext = true\n";
  const auto reading = read_node_config(with_listen("10.1.2.3/16:7071", allowed));
  REQUIRE(reading.errors.empty());
  const TransportConfig& transport = reading.config.transports.at(0);
  REQUIRE(transport.network);
  CHECK(transport.network->to_text() == "10.1.0.0/16");
  CHECK(transport.listen.port == 7071);
  CHECK(errors_of(with_listen("[2001:db8::/64]:7071", allowed)).empty());
  CHECK(errors_of(with_listen("127.0.0.0/8:7071", "")).empty());
  CHECK(errors_of(with_listen("[::1/128]:7071", "")).empty());
  CHECK(contains(errors_of(with_listen("10.0.0.0/8:7071", "")), "must be loopback"));
  CHECK(contains(errors_of(with_listen("0.0.0.0/0:7071", "")), "must be loopback"));
  for (const char* listen : {"10.0.0.0/33:7071", "10.0.0.0/:7071", "10.0.0/8:7071", "10.0.0.0/8",
                             "[fe80::/129]:7071", "fe80::/64:7071", "lan/8:7071", "/8:7071"}) {
    CHECK(contains(errors_of(with_listen(listen, allowed)), "is not \"HOST:PORT\""));
  }
}

TEST_CASE("a network has the addresses that begin as it does") {
  const auto ipv4 = IpNetwork::parse("192.0.2.128/25");
  REQUIRE(ipv4);
  CHECK(ipv4->contains("192.0.2.129"));
  CHECK(ipv4->contains("192.0.2.255"));
  for (const char* other : {"192.0.2.127", "193.0.2.129", "::1", "::c000:281", "lan", ""})
    CHECK_FALSE(ipv4->contains(other));
  const auto ipv6 = IpNetwork::parse("2001:db8:0:8000::/49");
  REQUIRE(ipv6);
  CHECK(ipv6->to_text() == "2001:db8:0:8000::/49");
  CHECK(ipv6->contains("2001:db8:0:ffff::1"));
  CHECK_FALSE(ipv6->contains("2001:db8:0:7fff::1"));
  CHECK_FALSE(ipv6->contains("10.0.0.1"));
  CHECK(IpNetwork::parse("0.0.0.0/0")->contains("203.0.113.1"));
  CHECK_FALSE(IpNetwork::parse("0.0.0.0/0")->contains("2001:db8::1"));
  CHECK(IpNetwork::parse("::/0")->contains("2001:db8::1"));
  CHECK_FALSE(IpNetwork::parse("::/0")->contains("10.0.0.1"));
  CHECK_FALSE(IpNetwork::parse("127.0.0.0/7")->is_loopback());
}

TEST_CASE("several transports: what is for all stands above, what is for one in its own table") {
  const std::string head = "[metadata]\nuse = \"m\"\n[transport]\n";
  const std::string all = "listen = \"10.0.0.1:7071\"\nallow_plaintext = true\n";
  const ConfigReading reading =
      read_node_config(head + "use = [\"fast\", \"/opt/slow.so\"]\n" + all +
                       "[transport.fast]\nlisten = \"10.1.0.1:7072\"\ndepth = 5\n[transport.slow]\n"
                       "allow_plaintext = false\nlisten = \"127.0.0.1:7073\"\n" +
                       kGroup);
  REQUIRE(reading.errors.empty());
  REQUIRE(reading.config.transports.size() == 2);
  const TransportConfig& fast = reading.config.transports[0];
  CHECK((fast.plugin == "fast" && fast.name == "fast"));
  CHECK(fast.listen.to_text() == "10.1.0.1:7072");
  REQUIRE(fast.options.size() == 2);
  CHECK((fast.options[0].key == "depth" && fast.options[0].value == "5"));
  CHECK((fast.options[1].key == "allow_plaintext" && fast.options[1].value == "true"));
  const TransportConfig& slow = reading.config.transports[1];
  CHECK((slow.plugin == "/opt/slow.so" && slow.name == "slow"));
  CHECK(slow.listen.to_text() == "127.0.0.1:7073");
  REQUIRE(slow.options.size() == 1);
  CHECK(slow.options[0].value == "false");

  const ConfigReading shared = read_node_config(head + "use = [\"a\", \"b\"]\n" + all + kGroup);
  REQUIRE(shared.errors.empty());
  for (const TransportConfig& one : shared.config.transports)
    CHECK(one.listen.to_text() == "10.0.0.1:7071");
  CHECK(read_node_config(head + "use = [\"a\"]\n" + all + "x = 1\n" + kGroup).errors.empty());
}

TEST_CASE("what is wrong with a list of transports is told where it is") {
  const std::string head = "[metadata]\nuse = \"m\"\n[transport]\n";
  const std::string local = "listen = \"127.0.0.1:7071\"\n";
  const auto with = [&](const std::string& rest) { return errors_of(head + rest + kGroup); };
  CHECK(contains(with("use = []\n" + local), "node.toml:4:1: transport.use: must name 1 to 4"));
  CHECK(contains(with("use = [\"a\", \"b\", \"c\", \"d\", \"e\"]\n" + local),
                 "transport.use: must name 1 to 4 plugins"));
  CHECK(contains(with("use = [\"a\", 7]\n" + local), "transport.use: must be the name of a"));
  CHECK(contains(with("use = [\"a\", \"/x/a.so\"]\n" + local),
                 "transport.use: \"a\" is in the list twice"));
  CHECK(contains(with("use = [\"a\", \"b\"]\n"), "transport.a.listen: missing; must be"));
  CHECK(contains(with("use = [\"a\", \"b\"]\nkeepalive_s = 5\n" + local),
                 "transport.keepalive_s: is for one of several transports: write it in "
                 "[transport.a] or [transport.b]"));
  CHECK(contains(with("use = [\"a\", \"b\"]\nallow_plaintext = true\n" + local +
                      "[tls]\nca_file = \"/c\"\ncert_file = \"/d\"\nkey_file = \"/e\"\n"),
                 "transport.allow_plaintext: with [tls] say for which of the transports"));
  CHECK(contains(with("use = [\"a\", \"b\"]\na = 5\n" + local),
                 "transport.a: must be written as a section: [transport.a]"));
  CHECK(contains(
      with("use = [\"a\", \"b\"]\n" + local + "[transport.b]\nlisten = \"10.0.0.1:7071\"\n"),
      "transport.b.listen: \"10.0.0.1:7071\" must be loopback"));
  CHECK(contains(with("use = [\"a\", \"b\"]\n" + local + "[transport.c]\nlisten = \"x\"\n"),
                 "transport.c: use does not name this transport: remove the section, or add "
                 "\"c\" to use"));
  for (const char* use : {"use = \"/x/a b.so\"\n", "use = [\"/x/a b.so\"]\n"})
    CHECK(contains(with(use + local), "transport.use: \"a b\" is no name for a transport"));
}

TEST_CASE("one transport that is left of several keeps its own table, and the others' are named") {
  const std::string head = "[metadata]\nuse = \"m\"\n[transport]\nuse = \"tcp\"\n";
  const std::string all = "listen = \"10.0.0.1:7071\"\nallow_plaintext = true\n";
  const std::string own = "[transport.tcp]\nlisten = \"10.1.0.1:7072\"\nkeepalive_s = 5\n";
  const ConfigReading reading = read_node_config(head + all + own + kGroup);
  REQUIRE(reading.errors.empty());
  REQUIRE(reading.config.transports.size() == 1);
  const TransportConfig& tcp = reading.config.transports[0];
  CHECK((tcp.plugin == "tcp" && tcp.name == "tcp"));
  CHECK(tcp.listen.to_text() == "10.1.0.1:7072");
  REQUIRE(tcp.options.size() == 2);
  CHECK((tcp.options[0].key == "keepalive_s" && tcp.options[0].value == "5"));
  CHECK((tcp.options[1].key == "allow_plaintext" && tcp.options[1].value == "true"));
  const std::string tls = "[tls]\nca_file = \"/c\"\ncert_file = \"/d\"\nkey_file = \"/e\"\n";
  CHECK(read_node_config(head + all + own + tls + kGroup).errors.empty());
  const auto left = errors_of(head + all + own + "[transport.rdma]\ndevice = \"d\"\n" + kGroup);
  REQUIRE(left.size() == 1);
  CHECK(contains(left,
                 "node.toml:10:12: transport.rdma: use does not name this transport: remove the "
                 "section, or add \"rdma\" to use"));
}

TEST_CASE("certificates come all together, and open listeners to other machines") {
  const std::string tls = "[tls]\nca_file = \"/a\"\ncert_file = \"/b\"\nkey_file = \"/c\"\n";
  const std::string cluster = "[metadata]\nuse = \"m\"\n[transport]\nuse = \"tcp\"\n";
  CHECK(errors_of(tls + kGroup).empty());
  CHECK(errors_of(cluster + "listen = \"10.0.0.1:7071\"\n" + kGroup + tls).empty());
  const TlsConfig read = read_node_config(tls + kGroup).config.tls;
  CHECK((read.ca_file == "/a" && read.cert_file == "/b" && read.key_file == "/c"));
  CHECK_FALSE(read_node_config(kGroup).config.tls.configured());
  CHECK(contains(errors_of(std::string("[tls]\nca_file = \"/a\"\n") + kGroup),
                 "node.toml:1:2: tls.cert_file: missing; must be the absolute path of a PEM file"));
  CHECK(contains(errors_of(std::string("[tls]\nca_file = \"a\"\n") + kGroup),
                 "tls.ca_file: must be the absolute path"));
  CHECK(contains(errors_of(tls + "key = \"/d\"\n" + kGroup), "tls.key: unknown key"));
}

TEST_CASE("names and paths of disk groups are not shared") {
  CHECK(contains(errors_of(std::string(kGroup) + kGroup), "\"ssd0\" is used twice"));
  CHECK(contains(
      errors_of(std::string(kGroup) + "[[disk_group]]\nname = \"b\"\npath = \"/dev/ssd0\"\n"),
      "\"/dev/ssd0\" is disk group \"ssd0\" already"));
}

TEST_CASE("sections of the wrong shape are told apart") {
  CHECK(contains(errors_of("[disk_group]\nname = \"a\"\n"), "must be written as [[disk_group]]"));
  CHECK(contains(errors_of(std::string("[[node]]\n") + kGroup), "must be written as a section"));
  CHECK(contains(errors_of("service = [1]\n"), "must be written as [[service]]"));
  CHECK(contains(errors_of("[node]\n"), "a node needs at least one [[disk_group]]"));
}

TEST_CASE("a service's options are text, numbers, truths or lists of these") {
  const std::string service = std::string(kGroup) + "[[service]]\nplugin = \"nbd\"\n";
  for (const char* value : {"1.5", "{a = 1}", "[[1]]", "1979-05-27"}) {
    INFO(value);
    CHECK(contains(errors_of(service + "x = " + value + "\n"), "service.x: must be a string"));
  }
  CHECK(contains(errors_of(std::string(kGroup) + "[[service]]\nplugin = \"../x\"\n"),
                 "service.plugin: must be the name of a plugin"));
}

TEST_CASE("broken TOML is told with its place") {
  const auto lines = errors_of("[node]\nname = \"half\n");
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].starts_with("node.toml:2:"));
  CHECK(lines[0].find("not TOML: ") != std::string::npos);
  for (const char* broken : {"[= 1", "[\xc3\xa9]\n", "\xc3\xa9 = 1\n", "[\t\xef\xbb\x8aH]\n"}) {
    CHECK(contains(errors_of(broken), "not TOML: "));
  }
}

TEST_CASE("the admin API stays on this machine unless plaintext is allowed") {
  CHECK(contains(errors_of(std::string("[node]\nadmin = \"0.0.0.0:7070\"\n") + kGroup),
                 "must be loopback or a unix socket"));
  CHECK(
      errors_of(std::string("[node]\nallow_plaintext = true\nadmin = \"0.0.0.0:7070\"\n") + kGroup)
          .empty());
}

TEST_CASE("with certificates the admin API goes anywhere, and a token never in the clear") {
  const std::string tls = "[tls]\nca_file = \"/a\"\ncert_file = \"/b\"\nkey_file = \"/c\"\n";
  const std::string remote = "[node]\nadmin = \"10.0.0.1:7070\"\n";
  const std::string token = "admin_token_file = \"/t\"\n";
  const std::string plain = "allow_plaintext = true\n";
  const auto speaks_tls = [](const std::string& toml) {
    return read_node_config(toml + kGroup).config.admin_speaks_tls();
  };
  CHECK(errors_of(remote + token + kGroup + tls).empty());
  CHECK(speaks_tls(remote + tls));
  CHECK(speaks_tls("[node]\n" + tls));
  CHECK_FALSE(speaks_tls(remote + plain + tls));
  CHECK_FALSE(speaks_tls("[node]\nadmin = \"unix:/a\"\n" + tls));
  CHECK_FALSE(speaks_tls("[node]\n"));
  CHECK(errors_of("[node]\n" + token + kGroup).empty());
  for (const std::string& more : {std::string(), tls})
    CHECK(contains(errors_of(remote + plain + token + kGroup + more),
                   "the token would cross the network in the clear"));
  CHECK(contains(errors_of(std::string("[node]\nadmin_token_file = \"t\"\n") + kGroup),
                 "node.admin_token_file: must be the absolute path of a file with a token"));
}

TEST_CASE("listen addresses are parsed strictly") {
  CHECK(parse_listen_address("127.0.0.1:80")->host == "127.0.0.1");
  CHECK(parse_listen_address("[::1]:80")->host == "::1");
  CHECK(parse_listen_address("[::1]:80")->to_text() == "[::1]:80");
  CHECK(parse_listen_address("tcp:127.0.0.1:80")->to_text() == "127.0.0.1:80");
  CHECK(parse_listen_address("unix:/a")->is_local());
  CHECK_FALSE(parse_listen_address("10.0.0.1:80")->is_local());
  for (const char* words : {"", ":", "a", "a:", ":80", "a:0", "a:65536", "a:80x", "::1:80", "[::1]",
                            "[a]:80", "unix:", "unix:a", "a b:80", "http://a:80", "a:-1"}) {
    INFO(words);
    CHECK_FALSE(parse_listen_address(words));
  }
  CHECK_FALSE(parse_listen_address("unix:/" + std::string(200, 'a')));
}

TEST_CASE("a config file that is not there is told with its path") {
  const Result<std::string> content = read_config_file("/nonexistent/node.toml");
  REQUIRE_FALSE(content.ok());
  CHECK(content.code() == ErrorCode::kNotFound);
  CHECK(content.status().message().find("/nonexistent/node.toml: cannot be read") == 0);
}

}  // namespace varve
