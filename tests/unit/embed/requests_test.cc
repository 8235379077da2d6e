// What the requests of the C API do, in both forms.
#include <catch2/catch_test_macros.hpp>
#include <cstring>
#include <string>

#include "core/embed/c_api.h"
#include "tests/unit/embed/embed_bench.h"

namespace varve {
namespace {

constexpr uint64_t kBlock = VARVE_BLOCK_BYTES;

std::string last_error() {
  return varve_last_error();
}

TEST_CASE("blocks are written, read, trimmed, and are there after a restart") {
  EmbedBench bench;
  const AlignedBuffer ones = filled(3, 1);
  AlignedBuffer back(3 * kBlock);
  CHECK(varve_write(bench.get(), bench.volume.id, 5 * kBlock, ones.data(), 3 * kBlock) == VARVE_OK);
  CHECK(varve_flush(bench.get()) == VARVE_OK);
  CHECK(varve_read(bench.get(), bench.volume.id, 5 * kBlock, back.data(), 3 * kBlock) == VARVE_OK);
  CHECK(is_filled(back, 1));
  CHECK(varve_trim(bench.get(), bench.volume.id, 6 * kBlock, kBlock) == VARVE_OK);

  bench.reopen();
  varve_volume found{};
  REQUIRE(varve_volume_find(bench.get(), "a", &found) == VARVE_OK);
  CHECK(found.id == bench.volume.id);
  CHECK(found.used_bytes == 2 * kBlock);
  AlignedBuffer block(kBlock);
  for (const uint64_t at : {5, 6, 7}) {
    CHECK(varve_read(bench.get(), found.id, at * kBlock, block.data(), kBlock) == VARVE_OK);
    CHECK(is_filled(block, at == 6 ? 0 : 1));
  }
}

TEST_CASE("snapshots are taken of several volumes, read, cloned, rolled back to and deleted") {
  EmbedBench bench;
  const varve_volume_id id = bench.volume.id;
  varve_volume other{};
  REQUIRE(varve_volume_create(bench.get(), "other", 16 * kBlock, &other) == VARVE_OK);
  const AlignedBuffer ones = filled(1, 1);
  const AlignedBuffer twos = filled(1, 2);
  AlignedBuffer back(kBlock);
  REQUIRE(varve_write(bench.get(), id, 0, ones.data(), kBlock) == VARVE_OK);
  const varve_volume_id both[] = {id, other.id};
  varve_snapshot made[2];
  REQUIRE(varve_snapshot_create(bench.get(), both, 2, "s", made) == VARVE_OK);
  CHECK(made[1].volume == other.id);
  CHECK(std::string(made[0].name) == "s");
  CHECK(varve_snapshot_create(bench.get(), both, 2, "s", nullptr) == VARVE_E_EXISTS);
  REQUIRE(varve_write(bench.get(), id, 0, twos.data(), kBlock) == VARVE_OK);
  CHECK(varve_snapshot_read(bench.get(), &made[0], 0, back.data(), kBlock) == VARVE_OK);
  CHECK(is_filled(back, 1));
  varve_volume clone{};
  REQUIRE(varve_volume_clone(bench.get(), id, "s", "c", 0, &clone) == VARVE_OK);
  CHECK(varve_read(bench.get(), clone.id, 0, back.data(), kBlock) == VARVE_OK);
  CHECK(is_filled(back, 1));
  CHECK(varve_volume_delete(bench.get(), id) == VARVE_E_BUSY);
  REQUIRE(varve_snapshot_rollback(bench.get(), id, "s") == VARVE_OK);
  CHECK(varve_read(bench.get(), id, 0, back.data(), kBlock) == VARVE_OK);
  CHECK(is_filled(back, 1));
  size_t count = 0;
  varve_snapshot listed{};
  CHECK(varve_snapshot_list(bench.get(), id, &listed, 1, &count) == VARVE_OK);
  CHECK(count == 1);
  CHECK(listed.generation == made[0].generation);
  CHECK(varve_volume_delete(bench.get(), clone.id) == VARVE_OK);
  CHECK(varve_snapshot_delete(bench.get(), id, "s") == VARVE_OK);
  CHECK(varve_snapshot_read(bench.get(), &made[0], 0, back.data(), kBlock) == VARVE_E_NOT_FOUND);
  CHECK(varve_snapshot_delete(bench.get(), id, "s") == VARVE_E_NOT_FOUND);
}

TEST_CASE("the callback forms of snapshots do the same") {
  EmbedBench bench;
  const varve_volume_id id = bench.volume.id;
  const AlignedBuffer ones = filled(1, 1);
  AlignedBuffer back(kBlock);
  REQUIRE(varve_write(bench.get(), id, 0, ones.data(), kBlock) == VARVE_OK);
  Answer created, read, cloned, rolled_back, deleted, missing;
  varve_snapshot made{};
  varve_volume clone{};
  REQUIRE(varve_submit_snapshot_create(bench.get(), &id, 1, "s", &made, Answer::done, &created) ==
          VARVE_OK);
  REQUIRE(created.wait() == VARVE_OK);
  REQUIRE(varve_submit_snapshot_read(bench.get(), &made, 0, back.data(), kBlock, Answer::done,
                                     &read) == VARVE_OK);
  REQUIRE(read.wait() == VARVE_OK);
  CHECK(is_filled(back, 1));
  REQUIRE(varve_submit_volume_clone(bench.get(), id, "s", "c", 0, &clone, Answer::done, &cloned) ==
          VARVE_OK);
  CHECK(cloned.wait() == VARVE_OK);
  REQUIRE(varve_submit_snapshot_rollback(bench.get(), id, "s", Answer::done, &rolled_back) ==
          VARVE_OK);
  CHECK(rolled_back.wait() == VARVE_OK);
  REQUIRE(varve_submit_snapshot_delete(bench.get(), id, "s", Answer::done, &deleted) == VARVE_OK);
  CHECK(deleted.wait() == VARVE_OK);
  REQUIRE(varve_submit_snapshot_delete(bench.get(), id, "s", Answer::done, &missing) == VARVE_OK);
  CHECK(missing.wait() == VARVE_E_NOT_FOUND);
  CHECK(missing.message() == "volume a has no snapshot s");
  varve_snapshot head = made;
  head.generation = UINT32_MAX;
  CHECK(varve_snapshot_read(bench.get(), &head, 0, back.data(), kBlock) == VARVE_E_INVALID);
}

Task<Status> make_encrypted(Store* store) {
  KeyWrapper wrap = [](VolumeId) -> Result<WrappedKey> { return WrappedKey{"k", {std::byte{1}}}; };
  const auto made = co_await store->create_volume("secret", 16 * kBlock, std::move(wrap));
  co_return made.status();
}

TEST_CASE("a volume that is encrypted is neither read nor written") {
  EmbedBench bench;
  REQUIRE(bench.get()->engine.call([](Store& store) { return make_encrypted(&store); }).ok());
  varve_volume volume{};
  REQUIRE(varve_volume_find(bench.get(), "secret", &volume) == VARVE_OK);
  AlignedBuffer block(kBlock);
  CHECK(varve_write(bench.get(), volume.id, 0, block.data(), kBlock) == VARVE_E_UNSUPPORTED);
  CHECK(varve_read(bench.get(), volume.id, 0, block.data(), kBlock) == VARVE_E_UNSUPPORTED);
  CHECK(last_error() == "the volume is encrypted: varved, with its key file, can open it");
  CHECK(varve_volume_delete(bench.get(), volume.id) == VARVE_OK);
}

TEST_CASE("the callback forms do the same, and answer on the engine's thread") {
  EmbedBench bench;
  const AlignedBuffer twos = filled(2, 2);
  AlignedBuffer back(2 * kBlock);
  Answer created, written, read, trimmed, resized, deleted, missing;
  varve_volume volume{};
  REQUIRE(varve_submit_volume_create(bench.get(), "b", 16 * kBlock, &volume, Answer::done,
                                     &created) == VARVE_OK);
  REQUIRE(created.wait() == VARVE_OK);
  CHECK(created.message().empty());
  CHECK(created.thread() != std::this_thread::get_id());
  CHECK(std::string(volume.name) == "b");
  REQUIRE(varve_submit_write(bench.get(), volume.id, 0, twos.data(), 2 * kBlock, Answer::done,
                             &written) == VARVE_OK);
  REQUIRE(written.wait() == VARVE_OK);
  CHECK(written.thread() == created.thread());
  REQUIRE(varve_submit_read(bench.get(), volume.id, 0, back.data(), 2 * kBlock, Answer::done,
                            &read) == VARVE_OK);
  REQUIRE(read.wait() == VARVE_OK);
  CHECK(is_filled(back, 2));
  REQUIRE(varve_submit_trim(bench.get(), volume.id, 0, 2 * kBlock, Answer::done, &trimmed) ==
          VARVE_OK);
  REQUIRE(trimmed.wait() == VARVE_OK);
  REQUIRE(varve_submit_volume_resize(bench.get(), volume.id, 32 * kBlock, &volume, Answer::done,
                                     &resized) == VARVE_OK);
  REQUIRE(resized.wait() == VARVE_OK);
  CHECK(volume.size_bytes == 32 * kBlock);
  CHECK(volume.used_bytes == 0);
  REQUIRE(varve_submit_volume_delete(bench.get(), volume.id, Answer::done, &deleted) == VARVE_OK);
  REQUIRE(deleted.wait() == VARVE_OK);
  REQUIRE(varve_submit_read(bench.get(), volume.id, 0, back.data(), kBlock, Answer::done,
                            &missing) == VARVE_OK);
  CHECK(missing.wait() == VARVE_E_NOT_FOUND);
  CHECK(missing.message() == "there is no such volume");
}

TEST_CASE("volumes are listed by name, found, grown and deleted") {
  EmbedBench bench;
  varve_volume volume{};
  CHECK(varve_volume_create(bench.get(), "c", 5000, nullptr) == VARVE_OK);
  CHECK(varve_volume_create(bench.get(), "b", kBlock, &volume) == VARVE_OK);
  CHECK(varve_volume_create(bench.get(), "b", kBlock, &volume) == VARVE_E_EXISTS);
  CHECK(varve_volume_create(bench.get(), "-b", kBlock, &volume) == VARVE_E_INVALID);
  CHECK(last_error().find("is not a volume name") != std::string::npos);
  const std::string longest(VARVE_NAME_BYTES_MAX, 'n');
  CHECK(varve_volume_create(bench.get(), longest.c_str(), kBlock, nullptr) == VARVE_OK);

  varve_volume volumes[3] = {};
  size_t count = 0;
  CHECK(varve_volume_list(bench.get(), volumes, 3, &count) == VARVE_OK);
  CHECK(count == 4);
  CHECK(std::string(volumes[0].name) == "a");
  CHECK(std::string(volumes[1].name) == "b");
  CHECK(volumes[2].size_bytes == 2 * kBlock);
  CHECK(varve_volume_list(bench.get(), nullptr, 0, &count) == VARVE_OK);
  CHECK(varve_volume_find(bench.get(), longest.c_str(), &volume) == VARVE_OK);
  CHECK(volume.name == longest);

  CHECK(varve_volume_resize(bench.get(), volume.id, 9 * kBlock, &volume) == VARVE_OK);
  CHECK(volume.size_bytes == 9 * kBlock);
  CHECK(varve_volume_resize(bench.get(), volume.id, kBlock, nullptr) == VARVE_E_INVALID);
  CHECK(varve_volume_delete(bench.get(), volume.id) == VARVE_OK);
  CHECK(varve_volume_delete(bench.get(), volume.id) == VARVE_E_NOT_FOUND);
  CHECK(varve_volume_find(bench.get(), longest.c_str(), nullptr) == VARVE_E_NOT_FOUND);
  CHECK(last_error() == "there is no volume \"" + longest + "\"");
}

TEST_CASE("ranges that are no whole blocks, too long or outside are refused with a sentence") {
  EmbedBench bench;
  varve_engine* const engine = bench.get();
  const varve_volume_id id = bench.volume.id;
  AlignedBuffer data(kBlock);
  CHECK(varve_write(engine, id, 100, data.data(), kBlock) == VARVE_E_INVALID);
  CHECK(last_error() == "offset 100 is no multiple of 4096");
  CHECK(varve_read(engine, id, 0, data.data(), 512) == VARVE_E_INVALID);
  CHECK(last_error() == "length 512 is no multiple of 4096");
  CHECK(varve_trim(engine, id, 1, kBlock) == VARVE_E_INVALID);
  CHECK(varve_read(engine, id, 0, nullptr, kBlock) == VARVE_E_INVALID);
  CHECK(last_error() == "no data");
  CHECK(varve_read(engine, id, 0, data.data(), VARVE_REQUEST_BYTES_MAX + kBlock) ==
        VARVE_E_INVALID);
  CHECK(last_error() == "length 33558528 is more than 33554432");
  for (const uint64_t offset : {kBenchVolumeBlocks * kBlock, UINT64_MAX / kBlock * kBlock}) {
    CHECK(varve_write(engine, id, offset, data.data(), kBlock) == VARVE_E_INVALID);
    CHECK(varve_read(engine, id, offset, data.data(), kBlock) == VARVE_E_INVALID);
    CHECK(varve_trim(engine, id, offset, kBlock) == VARVE_E_INVALID);
  }
  CHECK(last_error() == "the range is outside the volume");
  CHECK(varve_submit_write(engine, id, 100, data.data(), kBlock, Answer::done, nullptr) ==
        VARVE_E_INVALID);
  CHECK(varve_read(engine, id + 1, 0, data.data(), kBlock) == VARVE_E_NOT_FOUND);
  CHECK(varve_write(engine, id, 0, nullptr, 0) == VARVE_OK);
  CHECK(varve_read(engine, id, 0, nullptr, 0) == VARVE_OK);
}

TEST_CASE("memory may have any alignment") {
  EmbedBench bench;
  std::vector<char> data(2 * kBlock + 1), back(2 * kBlock + 2);
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<char>(i * 7);
  CHECK(varve_write(bench.get(), bench.volume.id, 0, data.data() + 1, 2 * kBlock) == VARVE_OK);
  CHECK(varve_read(bench.get(), bench.volume.id, 0, back.data() + 1, 2 * kBlock) == VARVE_OK);
  CHECK(std::memcmp(data.data() + 1, back.data() + 1, 2 * kBlock) == 0);
  CHECK(back.front() == 0);
  CHECK(back.back() == 0);
}

TEST_CASE("block status tells data from zeroes, as far as there is room for the answer") {
  EmbedBench bench;
  const AlignedBuffer ones = filled(2, 1);
  CHECK(varve_write(bench.get(), bench.volume.id, 4 * kBlock, ones.data(), 2 * kBlock) == VARVE_OK);
  varve_run runs[4] = {};
  size_t count = 0;
  CHECK(varve_block_status(bench.get(), bench.volume.id, 0, 16 * kBlock, runs, 4, &count) ==
        VARVE_OK);
  REQUIRE(count == 3);
  CHECK((runs[0].bytes == 4 * kBlock && runs[0].data == 0));
  CHECK((runs[1].bytes == 2 * kBlock && runs[1].data == 1));
  CHECK((runs[2].bytes == 10 * kBlock && runs[2].data == 0));
  CHECK(varve_block_status(bench.get(), bench.volume.id, 0, 16 * kBlock, runs, 2, &count) ==
        VARVE_OK);
  CHECK(count == 2);
  CHECK(varve_block_status(bench.get(), bench.volume.id, 0, 16 * kBlock, runs, 0, &count) ==
        VARVE_E_INVALID);
  CHECK(varve_block_status(bench.get(), bench.volume.id, 0, 1024 * kBlock, runs, 4, &count) ==
        VARVE_E_INVALID);
}

TEST_CASE("block status goes through a large volume in several calls, and merges what is alike") {
  EmbedBench bench;
  varve_volume large{};
  REQUIRE(varve_volume_create(bench.get(), "large", uint64_t{1} << 40, &large) == VARVE_OK);
  const AlignedBuffer ones = filled(2, 1);
  const uint64_t written = 200 * kGiB - kBlock;
  REQUIRE(varve_write(bench.get(), large.id, written, ones.data(), 2 * kBlock) == VARVE_OK);
  uint64_t offset = 0;
  uint64_t data_bytes = 0;
  int calls = 0;
  for (; offset < large.size_bytes; ++calls) {
    varve_run runs[4] = {};
    size_t count = 0;
    REQUIRE(varve_block_status(bench.get(), large.id, offset, large.size_bytes - offset, runs, 4,
                               &count) == VARVE_OK);
    REQUIRE(count > 0);
    for (size_t i = 0; i < count; offset += runs[i++].bytes) {
      if (runs[i].data == 0) continue;
      CHECK(offset == written);
      data_bytes += runs[i].bytes;
    }
  }
  CHECK(offset == large.size_bytes);
  CHECK(data_bytes == 2 * kBlock);
  CHECK(calls == 16);
}

TEST_CASE("a full disk refuses writes and takes them again after a trim") {
  EmbedBench bench;
  varve_stats stats{};
  REQUIRE(varve_engine_stats(bench.get(), &stats) == VARVE_OK);
  varve_volume large{};
  REQUIRE(varve_volume_create(bench.get(), "large", 64 * kMiB, &large) == VARVE_OK);
  const AlignedBuffer ones = filled(16, 1);
  uint64_t offset = 0;
  int result = VARVE_OK;
  for (; result == VARVE_OK && offset < 2 * stats.capacity_bytes; offset += ones.size())
    result = varve_write(bench.get(), large.id, offset, ones.data(), ones.size());
  CHECK(result == VARVE_E_NO_SPACE);
  CHECK(varve_trim(bench.get(), large.id, 0, large.size_bytes) == VARVE_OK);
  CHECK(varve_write(bench.get(), large.id, 0, ones.data(), ones.size()) == VARVE_OK);
  REQUIRE(varve_engine_stats(bench.get(), &stats) == VARVE_OK);
  CHECK(stats.used_bytes == ones.size());
  CHECK(stats.written_bytes >= offset - ones.size());
  CHECK(stats.failed == 0);
}

}  // namespace
}  // namespace varve
