// What only metadata_sqlite promises.
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <barrier>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>
#include <thread>

#include "core/runtime/task_group.h"
#include "tests/conformance/metadata/child.h"
#include "tests/conformance/metadata/plugin_bench.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// Places in the header of an SQLite file.
constexpr std::streamoff kWriteVersionAt = 18, kUserVersionAt = 60, kApplicationIdAt = 68;

struct SqliteBench : PluginBench {
  std::string file() const { return plugin.folder() + "metadata.db"; }
  std::string why_not() {
    const Status status = plugin.start_client(0);
    CHECK_FALSE(status.ok());
    return std::string(status.message());
  }
  void set_byte(std::streamoff place, char byte) const {
    std::fstream stream(file(), std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(place).put(byte);
    REQUIRE(stream.good());
  }
  std::string bytes() const {
    std::ifstream stream(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
};

uint64_t cpu_us() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto microseconds = [](const timeval& time) {
    return static_cast<uint64_t>(time.tv_sec) * 1'000'000 + static_cast<uint64_t>(time.tv_usec);
  };
  return microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
}

// When and how large; changes with every write.
std::string trace_of(const std::string& file) {
  struct stat info{};
  REQUIRE(stat(file.c_str(), &info) == 0);
  return std::to_string(info.st_mtim.tv_sec) + "." + std::to_string(info.st_mtim.tv_nsec) + " " +
         std::to_string(info.st_size);
}

// A client that begins, reads, and ends with a commit under way, while the store is locked.
void come_and_go(SqliteBench& bench) {
  constexpr size_t kClient = 1;
  const uint64_t begin_ns = bench.now_ns();
  CHECK(bench.range("mine", kClient).entries.size() == 1);
  std::optional<Result<MetadataCommit>> commit;
  TaskGroup group(bench.store->runtime().ready);
  MetadataTransaction transaction;
  transaction.puts.push_back({"other", "1"});
  group.start(keep(bench.store->client(kClient).commit(std::move(transaction)), &commit));
  bench.plugin.end_client(kClient);
  bench.store->run(group.done());
  CHECK(commit->code() == ErrorCode::kUnknown);
  CHECK(bench.now_ns() - begin_ns < 1000 * kMillisecond);
}

// Starts a client on a loop of its own and ends it; returns why it could not.
std::string open_and_close(const PluginLibrary& library, std::span<const ServiceOption> options) {
  auto loop = UringLoop::create();
  if (!loop.ok()) return std::string(loop.status().message());
  auto started = PluginMetadata::start((*loop)->runtime(), library, options);
  if (!started.ok()) return std::string(started.status().message());
  (*loop)->add_poller(**started);
  (*loop)->run((*started)->close());
  (*loop)->remove_poller(**started);
  return {};
}

}  // namespace

TEST_CASE("a wrong option is refused in words") {
  const SqliteBench bench;
  CHECK_THAT(refused(bench, {{"pat", "/x"}}), ContainsSubstring("pat: unknown option"));
  CHECK_THAT(refused(bench, {{"exclusive", "yes"}}), ContainsSubstring("neither true nor false"));
  CHECK_THAT(refused(bench, {{"path", "x.db"}}), ContainsSubstring("is not the absolute path"));
  CHECK_THAT(refused(bench, {{"path", "/x"}, {"path", "/y"}}), ContainsSubstring("given twice"));
}

TEST_CASE("a store that is used exclusively is used by nobody else") {
  SqliteBench bench;
  std::vector<ServiceOption> exclusive = bench.plugin.options();
  exclusive.push_back({"exclusive", "true"});
  CHECK_FALSE(bench.plugin.start_client(1, exclusive).ok());
  CHECK_FALSE(std::filesystem::exists(bench.file()));
  bench.put("key", "1");
  const Status in_use = bench.plugin.start_client(1, exclusive);
  CHECK_THAT(std::string(in_use.message()), ContainsSubstring("is in use by another process"));
  bench.plugin.end_client(0);
  REQUIRE(bench.plugin.start_client(1, exclusive).ok());
  bench.put("key", "2", 1);
  CHECK_THAT(bench.why_not(), ContainsSubstring("locked"));
  bench.plugin.end_client(1);
  CHECK(bench.range("key").entries.at(0).value == "2");
}

TEST_CASE("a store that cannot be opened is refused in words") {
  SqliteBench bench;
  std::filesystem::remove(bench.plugin.folder());
  CHECK_THAT(bench.why_not(), ContainsSubstring(bench.file()) &&
                                  ContainsSubstring("its folder: No such file or directory"));
  std::filesystem::create_directories(bench.file());
  CHECK_THAT(bench.why_not(), ContainsSubstring("cannot be opened"));
}

TEST_CASE("a file that is no database of ours is refused and left as it is") {
  SqliteBench bench;
  std::ofstream(bench.file()) << std::string(8192, 't');
  CHECK_THAT(bench.why_not(), ContainsSubstring("is no SQLite database"));
  CHECK(bench.bytes() == std::string(8192, 't'));
  std::filesystem::remove(bench.file());

  bench.put("a", "1");
  bench.plugin.end_client(0);
  bench.set_byte(kApplicationIdAt, 'x');
  const std::string before = bench.bytes();
  CHECK_THAT(bench.why_not(), ContainsSubstring("is a database of another program"));
  CHECK(bench.bytes() == before);
}

TEST_CASE("a store of a newer release is refused, naming both versions") {
  SqliteBench bench;
  bench.put("a", "1");
  bench.plugin.end_client(0);
  bench.set_byte(kUserVersionAt + 3, 2);
  CHECK_THAT(bench.why_not(),
             ContainsSubstring("has schema version 2, of a newer release; this one knows 1"));
  bench.set_byte(kUserVersionAt + 3, 1);
  CHECK(bench.range("a").entries.size() == 1);
}

TEST_CASE("an empty file becomes a store with a write-ahead log") {
  SqliteBench bench;
  std::ofstream(bench.file()).close();
  bench.put("a", "1");
  CHECK(std::filesystem::exists(bench.file() + "-wal"));
  bench.plugin.end_client(0);
  CHECK(bench.bytes().at(kWriteVersionAt) == 2);
}

// As the daemons of a new cluster on one machine do.
TEST_CASE("several clients may make a store at once") {
  constexpr int kRounds = 20, kClients = 4;
  SqliteBench bench;
  std::array<std::string, kClients> wrong;
  const auto remove_store = [&]() noexcept {
    for (const char* end : {"", "-wal", "-shm", "-journal"})
      std::filesystem::remove(bench.file() + end);
  };
  std::barrier<> made(kClients);
  std::barrier next(kClients, remove_store);
  std::vector<std::thread> clients;
  for (std::string& why : wrong) {
    clients.emplace_back([&] {
      for (int round = 0; round < kRounds; ++round) {
        made.arrive_and_wait();
        const std::string refusal = open_and_close(bench.plugin.library(), bench.plugin.options());
        if (why.empty()) why = refusal;
        next.arrive_and_wait();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  for (const std::string& why : wrong) CHECK(why == "");
}

TEST_CASE("a store that is replaced while in use takes no more commits") {
  SqliteBench bench;
  const uint64_t revision = bench.put("a", "1");
  std::filesystem::rename(bench.file(), bench.file() + ".away");
  MetadataStore& store = bench.plugin.client(0);
  CHECK(bench.wait(store.commit({{}, {{"a", "2"}}})).code() == ErrorCode::kUnavailable);
  CHECK(bench.wait(store.range("a")).code() == ErrorCode::kUnavailable);
  std::filesystem::rename(bench.file() + ".away", bench.file());
  CHECK(bench.put("a", "3") == revision + 1);
}

TEST_CASE("a watch from before the deletes that are remembered begins with a resync") {
  SqliteBench bench;
  constexpr int kCommits = 66, kKeys = 64;  // more deletes than are remembered
  const uint64_t known = bench.put("first", "1");
  uint64_t last = 0;
  for (int i = 0; i < kCommits; ++i) {
    MetadataTransaction put, remove;
    for (int k = 0; k < kKeys; ++k) {
      const std::string key = std::to_string(i) + "/" + std::to_string(k);
      put.puts.push_back({key, ""});
      remove.puts.push_back({key, "", true});
    }
    bench.commit(put);
    last = bench.commit(remove).revision;
  }
  Ear old(bench, "", known), fresh(bench, "", last - 10);
  CHECK(old.until([&old] { return old.resync_count > 0; }));
  CHECK(old.missed_revision >= last);
  const uint64_t next = bench.put("next", "1");
  CHECK(old.until_heard(next));
  CHECK(fresh.until_heard(next));
  CHECK(old.resync_count == 1);
  CHECK(old.keys() == "next");
  CHECK(fresh.resync_count == 0);
}

TEST_CASE(
    "an error of the commit itself leaves doubt, half of it is never seen, and work goes on") {
  SqliteBench bench;
  const uint64_t revision = bench.put("a", "1");
  rlimit before{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  signal(SIGXFSZ, SIG_IGN);
  rlimit small = before;
  small.rlim_cur = std::filesystem::file_size(bench.file() + "-wal") + 4096;  // a full disk
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string large(60'000, 'x');
  MetadataStore& store = bench.store->client(0);
  const auto commit = bench.wait(store.commit({{}, {{"a", large}, {"b", large}}}));
  REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  CHECK(commit.code() == ErrorCode::kUnknown);
  const MetadataRange range = bench.range("");
  CHECK((range.revision == revision || range.entries.size() == 2));
  CHECK(bench.put("c", "1") == range.revision + 1);
  bench.plugin.end_client(0);
  CHECK(bench.range("").entries.size() == range.entries.size() + 1);
}

TEST_CASE("a writer that is stopped delays the commits of others, and nothing else") {
  SqliteBench bench;
  bench.put("mine", "0");
  Child child(bench.plugin.folder(), "chain");
  REQUIRE(child.line().has_value());
  bool delayed = false;
  // Stopped at a random place, it holds the store's lock more often than not.
  for (int round = 0; round < 60 && !delayed; ++round) {
    bench.store->run(pass(&bench.store->runtime(), (round % 20) * kMillisecond / 4));
    child.stop();
    uint64_t begin_ns = bench.now_ns();
    const uint64_t revision = bench.range("mine").entries[0].revision;
    CHECK(bench.now_ns() - begin_ns < 1000 * kMillisecond);
    begin_ns = bench.now_ns();
    const std::string value = std::to_string(round);
    const MetadataTransaction transaction{{{"mine", revision}}, {{"mine", value}}};
    const auto commit = bench.wait(bench.store->client(0).commit(transaction));
    CHECK(bench.now_ns() - begin_ns < 3000 * kMillisecond);
    delayed = !commit.ok();
    if (delayed) {
      CHECK(commit.code() == ErrorCode::kUnavailable);
      come_and_go(bench);
    }
    child.signal(SIGCONT);
    REQUIRE(child.line().has_value());
    // Unavailable means never.
    if (delayed) CHECK(bench.range("mine").entries[0].revision == revision);
  }
  CHECK(delayed);
  child.signal(SIGKILL);
  child.wait();
  bench.put("mine", "at the end");
}

TEST_CASE("watching an idle store costs little and writes nothing") {
  SqliteBench bench;
  bench.put("a", "1");
  const Ear ear(bench, "", 0);
  bench.store->run(pass(&bench.store->runtime(), 100 * kMillisecond));
  const std::string before = trace_of(bench.file()) + trace_of(bench.file() + "-wal");
  const uint64_t cpu_before_us = cpu_us();
  bench.store->run(pass(&bench.store->runtime(), 1000 * kMillisecond));
  const uint64_t spent_us = cpu_us() - cpu_before_us;
  INFO("CPU time in one second: " << spent_us << " us");
  CHECK(spent_us < 50'000);
  CHECK(trace_of(bench.file()) + trace_of(bench.file() + "-wal") == before);
}

}  // namespace varve
