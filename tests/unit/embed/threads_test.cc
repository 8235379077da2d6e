// Many threads at one engine: bounds, order at the end, and what readers may see.
#include <array>
#include <atomic>
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "core/runtime/random.h"
#include "tests/unit/embed/embed_bench.h"

namespace varve {
namespace {

constexpr uint64_t kBlock = VARVE_BLOCK_BYTES;

void count_ok(void* user, int result, const char*) {
  if (result == VARVE_OK) ++*static_cast<std::atomic<int>*>(user);
}

TEST_CASE("a full queue refuses submissions, holds blocking calls, and loses nothing at a stop") {
  EmbedBench bench;
  const AlignedBuffer ones = filled(1, 1);
  std::atomic<int> answered = 0;
  bench.device.hold();
  const auto submit = [&] {
    return varve_submit_write(bench.get(), bench.volume.id, 0, ones.data(), kBlock, count_ok,
                              &answered);
  };
  for (int i = 0; i < VARVE_REQUESTS_MAX; ++i) REQUIRE(submit() == VARVE_OK);
  CHECK(submit() == VARVE_E_AGAIN);
  CHECK(std::string(varve_last_error()).find("under way") != std::string::npos);

  std::atomic<bool> held_ended = false;
  int held_result = VARVE_E_UNKNOWN;
  AlignedBuffer back(kBlock);
  std::thread held([&] {
    held_result = varve_read(bench.get(), bench.volume.id, 0, back.data(), kBlock);
    held_ended = true;
  });
  CHECK(submit() == VARVE_E_AGAIN);
  CHECK(!held_ended);
  CHECK(answered == 0);
  bench.device.let_go();
  held.join();
  CHECK(held_result == VARVE_OK);

  bench.device.hold();
  const int before = answered;
  int accepted = 0;
  while (accepted < 100) accepted += submit() == VARVE_OK ? 1 : 0;
  varve_engine_stop(bench.get());
  CHECK(submit() == VARVE_E_CLOSED);
  bench.device.let_go();
  CHECK(bench.engine->stop() == VARVE_OK);
  CHECK(before <= VARVE_REQUESTS_MAX);
  CHECK(answered == VARVE_REQUESTS_MAX + accepted);
}

TEST_CASE("a stop frees the threads that wait for room") {
  EmbedBench bench;
  const AlignedBuffer ones = filled(1, 1);
  std::atomic<int> answered = 0;
  bench.device.hold();
  for (int i = 0; i < VARVE_REQUESTS_MAX; ++i)
    REQUIRE(varve_submit_write(bench.get(), bench.volume.id, 0, ones.data(), kBlock, count_ok,
                               &answered) == VARVE_OK);
  std::vector<std::thread> waiting;
  std::atomic<int> closed = 0;
  for (int i = 0; i < 4; ++i)
    waiting.emplace_back([&] {
      if (varve_write(bench.get(), bench.volume.id, 0, ones.data(), kBlock) == VARVE_E_CLOSED)
        ++closed;
    });
  varve_engine_stop(bench.get());
  for (std::thread& thread : waiting) thread.join();
  CHECK(closed == 4);
  bench.device.let_go();
  CHECK(bench.engine->stop() == VARVE_OK);
  CHECK(answered == VARVE_REQUESTS_MAX);
}

// Each block has one writer, which counts its versions up. A reader may see no version below the
// last that was acknowledged before it asked, and none above the last that was begun.
constexpr int kThreads = 4;
constexpr uint32_t kBlocksPerThread = 8;
constexpr uint32_t kBlocks = kThreads * kBlocksPerThread;

struct Versions {
  std::array<std::atomic<uint32_t>, kBlocks> begun{};
  std::array<std::atomic<uint32_t>, kBlocks> acknowledged{};
};

struct VersionRead {
  Versions* versions;
  uint32_t block;
  uint32_t at_least;
  AlignedBuffer data{VARVE_BLOCK_BYTES};
  std::atomic<int>* wrong;
  std::atomic<int>* answered;
};

// Every word of a block says its version.
bool version_in(const AlignedBuffer& data, uint32_t* version) {
  std::memcpy(version, data.data(), sizeof *version);
  for (size_t at = 0; at < data.size(); at += sizeof *version)
    if (std::memcmp(data.data() + at, version, sizeof *version) != 0) return false;
  return true;
}

void check_version(void* user, int result, const char*) {
  const std::unique_ptr<VersionRead> read(static_cast<VersionRead*>(user));
  uint32_t version = 0;
  const bool good = result == VARVE_OK && version_in(read->data, &version) &&
                    version >= read->at_least && version <= read->versions->begun[read->block];
  if (!good) ++*read->wrong;
  ++*read->answered;
}

struct Storm {
  EmbedBench bench{MemoryDevice::Ends::kOnAnotherThread};
  Versions versions;
  std::atomic<int> wrong = 0;
  std::atomic<int> answered = 0;
  std::atomic<int> submitted = 0;

  void submit_read(uint32_t block) {
    auto read = std::make_unique<VersionRead>();
    read->versions = &versions;
    read->block = block;
    read->at_least = versions.acknowledged[block];
    read->wrong = &wrong;
    read->answered = &answered;
    if (varve_submit_read(bench.get(), bench.volume.id, block * kBlock, read->data.data(), kBlock,
                          check_version, read.get()) != VARVE_OK)
      return;
    ++submitted;
    [[maybe_unused]] VersionRead* const given = read.release();
  }

  void write(uint32_t block) {
    const uint32_t version = ++versions.begun[block];
    AlignedBuffer data(kBlock);
    for (size_t at = 0; at < kBlock; at += sizeof version)
      std::memcpy(data.data() + at, &version, sizeof version);
    if (varve_write(bench.get(), bench.volume.id, block * kBlock, data.data(), kBlock) != VARVE_OK)
      ++wrong;
    versions.acknowledged[block] = version;
  }

  void one_thread(int number) {
    Random random(static_cast<uint64_t>(number));
    for (int round = 0; round < 300; ++round) {
      const uint32_t mine = static_cast<uint32_t>(number) * kBlocksPerThread;
      submit_read(static_cast<uint32_t>(random.below(kBlocks)));
      write(mine + static_cast<uint32_t>(random.below(kBlocksPerThread)));
      submit_read(static_cast<uint32_t>(random.below(kBlocks)));
    }
  }
};

TEST_CASE("four threads write and read: no reader sees an older version, nor a mixed block") {
  Storm storm;
  std::vector<std::thread> threads;
  for (int number = 0; number < kThreads; ++number)
    threads.emplace_back([&storm, number] { storm.one_thread(number); });
  for (std::thread& thread : threads) thread.join();
  storm.bench.reopen();
  CHECK(storm.answered == storm.submitted);
  CHECK(storm.submitted > 0);
  CHECK(storm.wrong == 0);
  AlignedBuffer data(kBlock);
  for (uint32_t block = 0; block < kBlocks; ++block) {
    uint32_t version = 0;
    REQUIRE(varve_read(storm.bench.get(), storm.bench.volume.id, block * kBlock, data.data(),
                       kBlock) == VARVE_OK);
    CHECK(version_in(data, &version));
    CHECK(version == storm.versions.acknowledged[block]);
  }
}

}  // namespace
}  // namespace varve
