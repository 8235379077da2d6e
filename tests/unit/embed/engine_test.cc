// The life of an engine, and calls at the wrong time or on the wrong thread.
#include <catch2/catch_test_macros.hpp>
#include <string>

#include "tests/unit/device/temp_folder.h"
#include "tests/unit/embed/embed_bench.h"

namespace varve {
namespace {

constexpr uint64_t kBlock = VARVE_BLOCK_BYTES;

TEST_CASE("a store in a file: made, formatted, used, locked, opened again") {
  const TempFolder folder;
  const std::string path = folder.file("disk.img");
  const varve_disk disk{.path = path.c_str()};
  REQUIRE(varve_make_file(path.c_str(), 16 * kMiB) == VARVE_OK);
  CHECK(varve_make_file(path.c_str(), 16 * kMiB) == VARVE_E_EXISTS);
  CHECK(varve_make_file(folder.file("odd").c_str(), 1000) == VARVE_E_INVALID);

  varve_engine* engine = nullptr;
  REQUIRE(varve_engine_create(&disk, &engine) == VARVE_OK);
  CHECK(varve_engine_run(engine) == VARVE_E_NOT_FORMATTED);
  CHECK(varve_engine_wait_open(engine) == VARVE_E_NOT_FORMATTED);
  CHECK(varve_engine_run(engine) == VARVE_E_INVALID);
  CHECK(varve_engine_free(engine) == VARVE_OK);

  REQUIRE(varve_format(&disk) == VARVE_OK);
  AlignedBuffer data = filled(1, 9);
  varve_volume volume{};
  {
    RunningEngine first(&disk);
    REQUIRE(varve_volume_create(first.get(), "notes", kMiB, &volume) == VARVE_OK);
    REQUIRE(varve_write(first.get(), volume.id, 0, data.data(), kBlock) == VARVE_OK);
    CHECK(varve_format(&disk) == VARVE_E_BUSY);
    CHECK(first.stop() == VARVE_OK);
  }
  const varve_disk plp{.path = path.c_str(), .flags = VARVE_DISK_POWER_PROTECTED};
  RunningEngine second(&plp);
  CHECK(varve_read(second.get(), volume.id, 0, data.data(), kBlock) == VARVE_OK);
  CHECK(is_filled(data, 9));
}

TEST_CASE("arguments that make no sense are refused with a sentence") {
  varve_engine* engine = nullptr;
  varve_device device{};
  const varve_disk none{};
  const varve_disk both{.path = "x", .device = &device};
  const varve_disk flags{.path = "x", .flags = 8};
  const varve_disk no_calls{.device = &device};
  for (const varve_disk* disk :
       {static_cast<const varve_disk*>(nullptr), &none, &both, &flags, &no_calls}) {
    CHECK(varve_engine_create(disk, &engine) == VARVE_E_INVALID);
    CHECK(engine == nullptr);
    CHECK(varve_format(disk) == VARVE_E_INVALID);
  }
  CHECK(std::string(varve_last_error()) == "a device needs its calls read and write");
  CHECK(varve_engine_create(&none, nullptr) == VARVE_E_INVALID);
  CHECK(varve_make_file(nullptr, kBlock) == VARVE_E_INVALID);

  varve_volume volume{};
  varve_run run{};
  size_t count = 0;
  CHECK(varve_engine_run(nullptr) == VARVE_E_INVALID);
  CHECK(varve_engine_wait_open(nullptr) == VARVE_E_INVALID);
  varve_engine_stop(nullptr);
  CHECK(varve_engine_free(nullptr) == VARVE_OK);
  CHECK(varve_engine_stats(nullptr, nullptr) == VARVE_E_INVALID);
  CHECK(varve_volume_find(nullptr, "a", &volume) == VARVE_E_INVALID);
  CHECK(varve_volume_list(nullptr, &volume, 1, &count) == VARVE_E_INVALID);
  CHECK(varve_volume_create(nullptr, "a", kBlock, &volume) == VARVE_E_INVALID);
  CHECK(varve_volume_resize(nullptr, 1, kBlock, &volume) == VARVE_E_INVALID);
  CHECK(varve_volume_delete(nullptr, 1) == VARVE_E_INVALID);
  CHECK(varve_read(nullptr, 1, 0, &volume, kBlock) == VARVE_E_INVALID);
  CHECK(varve_write(nullptr, 1, 0, &volume, kBlock) == VARVE_E_INVALID);
  CHECK(varve_trim(nullptr, 1, 0, kBlock) == VARVE_E_INVALID);
  CHECK(varve_flush(nullptr) == VARVE_E_INVALID);
  CHECK(varve_block_status(nullptr, 1, 0, kBlock, &run, 1, &count) == VARVE_E_INVALID);
  CHECK(std::string(varve_version()).find('.') != std::string::npos);
}

void expect_closed(varve_engine* engine) {
  AlignedBuffer data(kBlock);
  varve_stats stats{};
  size_t count = 0;
  CHECK(varve_read(engine, 1, 0, data.data(), kBlock) == VARVE_E_CLOSED);
  CHECK(varve_write(engine, 1, 0, data.data(), kBlock) == VARVE_E_CLOSED);
  CHECK(varve_trim(engine, 1, 0, kBlock) == VARVE_E_CLOSED);
  CHECK(varve_flush(engine) == VARVE_E_CLOSED);
  CHECK(varve_engine_stats(engine, &stats) == VARVE_E_CLOSED);
  CHECK(varve_volume_list(engine, nullptr, 0, &count) == VARVE_E_CLOSED);
  CHECK(varve_submit_read(engine, 1, 0, data.data(), kBlock, Answer::done, nullptr) ==
        VARVE_E_CLOSED);
}

TEST_CASE("before it is open and after it was stopped an engine refuses requests") {
  MemoryDevice device(8 * kMiB);
  REQUIRE(varve_format(device.disk()) == VARVE_OK);
  varve_engine* engine = nullptr;
  REQUIRE(varve_engine_create(device.disk(), &engine) == VARVE_OK);
  expect_closed(engine);
  int ended = VARVE_E_UNKNOWN;
  std::thread thread([engine, &ended] { ended = varve_engine_run(engine); });
  REQUIRE(varve_engine_wait_open(engine) == VARVE_OK);
  CHECK(varve_engine_run(engine) == VARVE_E_INVALID);
  CHECK(varve_engine_free(engine) == VARVE_E_BUSY);
  varve_engine_stop(engine);
  varve_engine_stop(engine);
  thread.join();
  CHECK(ended == VARVE_OK);
  expect_closed(engine);
  CHECK(varve_engine_wait_open(engine) == VARVE_E_CLOSED);
  CHECK(varve_engine_free(engine) == VARVE_OK);
}

TEST_CASE("an engine that was stopped before it ran opens nothing for requests") {
  MemoryDevice device(8 * kMiB);
  REQUIRE(varve_format(device.disk()) == VARVE_OK);
  varve_engine* engine = nullptr;
  REQUIRE(varve_engine_create(device.disk(), &engine) == VARVE_OK);
  varve_engine_stop(engine);
  CHECK(varve_engine_wait_open(engine) == VARVE_E_CLOSED);
  CHECK(varve_engine_run(engine) == VARVE_OK);
  expect_closed(engine);
  CHECK(varve_engine_free(engine) == VARVE_OK);
}

// What a callback tried on the engine's thread.
struct InCallback {
  EmbedBench* bench;
  int read, create, find, list, stats, status, flush, wait_open, run, free, submit;
  Answer nested;
  Answer answer;
};

void try_calls(void* user, int result, const char* message) {
  auto& tried = *static_cast<InCallback*>(user);
  varve_engine* const engine = tried.bench->get();
  const varve_volume_id id = tried.bench->volume.id;
  alignas(VARVE_BLOCK_BYTES) static char data[VARVE_BLOCK_BYTES];
  varve_stats stats{};
  varve_run run{};
  size_t count = 0;
  tried.read = varve_read(engine, id, 0, data, kBlock);
  tried.create = varve_volume_create(engine, "z", kBlock, nullptr);
  tried.find = varve_volume_find(engine, "a", nullptr);
  tried.list = varve_volume_list(engine, nullptr, 0, &count);
  tried.stats = varve_engine_stats(engine, &stats);
  tried.status = varve_block_status(engine, id, 0, kBlock, &run, 1, &count);
  tried.flush = varve_flush(engine);
  tried.wait_open = varve_engine_wait_open(engine);
  tried.run = varve_engine_run(engine);
  tried.free = varve_engine_free(engine);
  tried.submit = varve_submit_read(engine, id, 0, data, kBlock, Answer::done, &tried.nested);
  Answer::done(&tried.answer, result, message);
}

TEST_CASE("in a callback, calls that would wait are refused and the others work") {
  EmbedBench bench;
  InCallback tried{.bench = &bench};
  REQUIRE(varve_submit_trim(bench.get(), bench.volume.id, 0, kBlock, try_calls, &tried) ==
          VARVE_OK);
  CHECK(tried.answer.wait() == VARVE_OK);
  CHECK(tried.read == VARVE_E_INVALID);
  CHECK(tried.create == VARVE_E_INVALID);
  CHECK(tried.run == VARVE_E_INVALID);
  CHECK(tried.free == VARVE_E_BUSY);
  for (const int result : {tried.find, tried.list, tried.stats, tried.status, tried.flush,
                           tried.wait_open, tried.submit})
    CHECK(result == VARVE_OK);
  CHECK(tried.nested.wait() == VARVE_OK);
}

TEST_CASE("a callback may stop the engine") {
  EmbedBench bench;
  const auto stop = [](void* user, int, const char*) {
    varve_engine_stop(static_cast<EmbedBench*>(user)->get());
  };
  REQUIRE(varve_submit_trim(bench.get(), bench.volume.id, 0, kBlock, stop, &bench) == VARVE_OK);
  CHECK(bench.engine->stop() == VARVE_OK);
}

}  // namespace
}  // namespace varve
