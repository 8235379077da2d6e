// What only metadata_etcd promises, on one etcd that works.
#include <catch2/matchers/catch_matchers_string.hpp>

#include "core/runtime/task_group.h"
#include "tests/conformance/metadata/etcd_bench.h"
#include "tests/conformance/metadata/log_host.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

std::vector<ServiceOption> with_prefix(const EtcdBench& bench, const std::string& prefix) {
  std::vector<ServiceOption> options = bench.plugin.options();
  options.push_back({"prefix", prefix});
  return options;
}

}  // namespace

TEST_CASE("a wrong option is refused in words") {
  const PluginBench bench;
  const ServiceOption good{"endpoints", "http://127.0.0.1:1"};
  CHECK_THAT(refused(bench, {good, {"path", "/x"}}), ContainsSubstring("path: unknown option"));
  CHECK_THAT(refused(bench, {}), ContainsSubstring("endpoints: is missing"));
  for (const char* url : {"127.0.0.1:2379", "ftp://a:1", "http://", "http://a", "http://a:0",
                          "http://a:65536", "http://a:1/v3", "http://:1", "http://a b:1", ""}) {
    CHECK_THAT(refused(bench, {{"endpoints", url}}),
               ContainsSubstring("is not \"http://HOST:PORT\""));
  }
  CHECK_THAT(refused(bench, {good, good}), ContainsSubstring("given twice"));
  CHECK_THAT(refused(bench, {good, {"endpoints", "https://a:1"}}), ContainsSubstring("all with"));
  CHECK_THAT(refused(bench, {good, {"prefix", "varve"}}), ContainsSubstring("must begin and end"));
  CHECK_THAT(refused(bench, {good, {"user", "a"}}), ContainsSubstring("both or neither"));
  CHECK_THAT(refused(bench, {good, {"ca_file", "/x"}}), ContainsSubstring("https://"));
  CHECK_THAT(refused(bench, {good, {"user", "a"}, {"password_file", "x"}}),
             ContainsSubstring("is not the absolute path"));
}

TEST_CASE("an etcd whose release has known faults is used with a loud warning") {
  const EtcdBench bench;
  LogHost host(bench.plugin.library(), bench.plugin.options());
  CHECK(host.start() == "");
  // What the tests run on is older, unless VARVE_ETCD names a newer one.
  const std::string version = etcd_version();
  const bool old = version.starts_with("3.4.") || version == "3.5.16";
  const bool warned = host.log().find("WARNING: etcd at") != std::string::npos;
  INFO(version << ": " << host.log());
  CHECK((warned || !old));
  if (warned) CHECK_THAT(host.log(), ContainsSubstring("is version " + version));
  if (version == "3.6.9") CHECK(host.log().empty());
}

TEST_CASE("two prefixes do not see each other") {
  EtcdBench bench;
  bench.start(0, with_prefix(bench, "/varve/one/"));
  bench.start(1, with_prefix(bench, "/varve/two/"));
  Ear one(bench, "", 0, 0), two(bench, "", 0, 1);
  bench.put("a", "of one", 0);
  const uint64_t last = bench.put("a", "of two", 1);
  CHECK(two.until_heard(last));
  CHECK(two.entries.size() == 1);
  const MetadataRange range = bench.range("", 0);
  REQUIRE(range.entries.size() == 1);
  CHECK(range.entries[0].value == "of one");
  const uint64_t revision = range.entries[0].revision;
  CHECK(bench.commit({{{"a", revision}}, {{"a", "", true}}}, 0).succeeded);
  CHECK(bench.range("", 0).entries.empty());
  CHECK(bench.range("", 1).entries[0].value == "of two");
  // Both changes, or the last alone.
  CHECK(one.until([&one] { return one.keys().ends_with("-a"); }));
  CHECK(one.entries.size() <= 2);
  CHECK_THAT(bench.etcd().control({"get", "/varve/two/a"}), ContainsSubstring("of two"));
}

TEST_CASE("a range larger than any message comes in pages, as of one revision") {
  EtcdBench bench;
  constexpr int kCommits = 20, kKeys = 50;
  const std::string value(10'000, 'v');
  for (int i = 0; i < kCommits; ++i) {
    MetadataTransaction transaction;
    for (int k = 0; k < kKeys; ++k) {
      transaction.puts.push_back({std::to_string(1000 + i * kKeys + k), value});
    }
    bench.commit(transaction);
  }
  // A writer changes the first key and the last one together, meanwhile.
  std::optional<Result<MetadataRange>> range;
  TaskGroup group(bench.store->runtime().ready);
  group.start(keep(bench.store->client(0).range("1"), &range));
  for (int i = 0; i < 50; ++i) {
    bench.commit({{}, {{"1000", std::to_string(i)}, {"1999", std::to_string(i)}}}, 1);
  }
  bench.store->run(group.done());
  REQUIRE(range->ok());
  const std::vector<MetadataEntry>& entries = (*range)->entries;
  REQUIRE(entries.size() == kCommits * kKeys);
  for (size_t i = 0; i < entries.size(); ++i) CHECK(entries[i].key == std::to_string(1000 + i));
  CHECK((entries.front().value == entries.back().value || entries.front().value == value));
  CHECK(entries.front().revision <= (*range)->revision);
  if (entries.front().value != value) CHECK(entries.front().revision == entries.back().revision);
  CHECK(bench.range("").entries.size() == kCommits * kKeys);
}

TEST_CASE("a commit that etcd does not take is never applied, and the log says why") {
  const EtcdBench bench({.arguments = {"--max-request-bytes=1000000"}});
  LogHost host(bench.plugin.library(), bench.plugin.options());
  REQUIRE(host.start() == "");
  const std::string value(VARVE_VALUE_BYTES_MAX, 'v');
  std::vector<std::string> keys;
  for (int i = 0; i < 64; ++i) keys.push_back("k" + std::to_string(i));
  std::vector<varve_put> puts;
  for (const std::string& key : keys) {
    puts.push_back({{key.data(), key.size()}, {value.data(), value.size()}, 0, 0});
  }
  REQUIRE(host.calls.commit(host.context, nullptr, 0, puts.data(), 64, 1) == VARVE_OK);
  CHECK(host.next().result == VARVE_E_UNAVAILABLE);
  CHECK_THAT(host.log(), ContainsSubstring("larger than max"));
  REQUIRE(host.calls.commit(host.context, nullptr, 0, puts.data(), 16, 2) == VARVE_OK);
  CHECK(host.next().result == VARVE_E_UNAVAILABLE);
  CHECK_THAT(host.log(), ContainsSubstring("request is too large"));
  REQUIRE(host.calls.commit(host.context, nullptr, 0, puts.data(), 4, 3) == VARVE_OK);
  CHECK(host.next().succeeded == 1);
  REQUIRE(host.calls.range(host.context, {"k", 1}, 4) == VARVE_OK);
  CHECK(host.next().count == 4);
}

TEST_CASE("keys that no Varve can have written are left out") {
  EtcdBench bench;
  bench.put("good", "1");
  Ear ear(bench, "", 0);
  CHECK(ear.until_heard(1));
  bench.etcd().control({"put", "/varve/large", std::string(VARVE_VALUE_BYTES_MAX + 1, 'v')});
  bench.etcd().control({"put", "/varve/", "no key"});
  const uint64_t last = bench.put("next", "1");
  CHECK(ear.until_heard(last));
  CHECK(ear.keys() == "good next");
  CHECK(bench.range("").entries.size() == 2);
}

TEST_CASE("an instance may end right after a call, many times in a row") {
  const EtcdBench bench;
  for (uint64_t round = 1; round <= 30; ++round) {
    LogHost host(bench.plugin.library(), bench.plugin.options());
    REQUIRE(host.start() == "");
    if (round % 2 == 0) REQUIRE(host.calls.range(host.context, {"", 0}, round) == VARVE_OK);
    if (round % 3 == 0) REQUIRE(host.calls.watch(host.context, {"", 0}, 0, 1) == VARVE_OK);
  }
}

}  // namespace varve
