// Devices of the caller's behind the C API.
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string>

#include "core/base/log.h"
#include "tests/unit/embed/embed_bench.h"

namespace varve {
namespace {

constexpr uint64_t kBlock = VARVE_BLOCK_BYTES;

TEST_CASE("a device's read errors reach the reader and pass") {
  EmbedBench bench;
  AlignedBuffer data = filled(1, 3);
  REQUIRE(varve_write(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  bench.device.reads_fail = true;
  CHECK(varve_read(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_E_IO);
  bench.device.reads_fail = false;
  CHECK(varve_read(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  CHECK(is_filled(data, 3));
}

TEST_CASE("after a write error only reads go on, until the store is opened anew") {
  log_set_level(LogLevel::kNone);
  EmbedBench bench;
  AlignedBuffer data = filled(1, 4);
  REQUIRE(varve_write(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  bench.device.writes_fail = true;
  const AlignedBuffer other = filled(1, 5);
  CHECK(varve_write(bench.get(), bench.volume.id, kBlock, other.data(), kBlock) == VARVE_E_IO);
  bench.device.writes_fail = false;
  CHECK(varve_write(bench.get(), bench.volume.id, kBlock, other.data(), kBlock) == VARVE_E_IO);
  varve_stats stats{};
  CHECK(varve_engine_stats(bench.get(), &stats) == VARVE_OK);
  CHECK(stats.failed == 1);
  CHECK(varve_read(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  CHECK(bench.engine->stop() == VARVE_E_IO);
  bench.engine.reset();
  bench.engine = std::make_unique<RunningEngine>(bench.device.disk());
  CHECK(varve_write(bench.get(), bench.volume.id, kBlock, other.data(), kBlock) == VARVE_OK);
  CHECK(varve_read(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  CHECK(is_filled(data, 4));
  log_set_level(LogLevel::kInfo);
}

TEST_CASE("a byte that changed on the device is never returned") {
  log_set_level(LogLevel::kNone);
  EmbedBench bench;
  AlignedBuffer data = filled(1, 0xa7);
  REQUIRE(varve_write(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  const auto memory = bench.device.memory().span();
  size_t changed = 0;
  for (size_t at = 0; at < memory.size(); at += kBlock) {
    if (std::memcmp(&memory[at], data.data(), kBlock) != 0) continue;
    memory[at + 17] ^= std::byte{1};
    ++changed;
  }
  REQUIRE(changed == 1);
  CHECK(varve_read(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_E_DAMAGED);
  log_set_level(LogLevel::kInfo);
}

TEST_CASE("all that the engine writes is durable at its end, and recovery flushes once") {
  EmbedBench bench;
  const AlignedBuffer data = filled(1, 1);
  REQUIRE(varve_write(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  const int flushes = bench.device.flush_count;
  bench.reopen();
  CHECK(bench.device.not_durable_count == 0);
  CHECK(bench.device.flush_count == flushes + 1);
}

TEST_CASE("a device without flush and discard, whose transfers end on another thread, will do") {
  EmbedBench bench(MemoryDevice::Ends::kOnAnotherThread);
  bench.device.calls().flush = nullptr;
  bench.reopen();
  AlignedBuffer data = filled(8, 6);
  CHECK(varve_write(bench.get(), bench.volume.id, 0, data.data(), data.size()) == VARVE_OK);
  std::memset(data.data(), 0, data.size());
  CHECK(varve_read(bench.get(), bench.volume.id, 0, data.data(), data.size()) == VARVE_OK);
  CHECK(is_filled(data, 6));
}

TEST_CASE("a transfer that is ended twice ends once") {
  log_set_level(LogLevel::kNone);
  EmbedBench bench;
  bench.device.ends_twice = true;
  AlignedBuffer data = filled(1, 7);
  CHECK(varve_write(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  CHECK(varve_read(bench.get(), bench.volume.id, 0, data.data(), kBlock) == VARVE_OK);
  CHECK(is_filled(data, 7));
  bench.device.ends_twice = false;
  log_set_level(LogLevel::kInfo);
}

TEST_CASE("a device that is too small is refused with the size that it needs") {
  MemoryDevice device(64 * kKiB);
  CHECK(varve_format(device.disk()) == VARVE_E_INVALID);
  CHECK(std::string(varve_last_error()).find("needs at least") != std::string::npos);
}

}  // namespace
}  // namespace varve
