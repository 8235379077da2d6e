// A list of changed blocks comes over as it was, and one that no store makes is not believed.
#include "core/replication/changed_page.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <string>

namespace varve {
namespace {

constexpr VolumeId kVolume{3};
constexpr Sequence kAfter = 70;

ChangedRequest asked_at(VolumeId volume, uint64_t block) {
  ChangedRequest asked;
  asked.after = kAfter;
  asked.volume = volume;
  asked.block = block;
  asked.run_count_max = kChangedRunsMax;
  return asked;
}

ChangedPage a_page() {
  ChangedPage page;
  page.runs = {{kVolume, {0, 1}, kAfter + 1, 0},
               {kVolume, {kVolumeBlocksMax - kLeafBlocks, kLeafBlocks}, UINT64_MAX, 5}};
  page.next_volume = kVolume;
  page.next_block = 1000;
  return page;
}

Result<ChangedPage> decoded(const ChangedRequest& asked, const ChangedMessage& message) {
  return decode_changed(asked, message.body, std::as_bytes(std::span(message.runs)));
}

}  // namespace

TEST_CASE("a page of changed blocks comes over as it was") {
  const ChangedPage page = a_page();
  const auto again = decoded(asked_at({}, 0), encode_changed(page));
  REQUIRE(again.ok());
  CHECK(again->next_volume == page.next_volume);
  CHECK(again->next_block == page.next_block);
  REQUIRE(again->runs.size() == page.runs.size());
  for (size_t i = 0; i < page.runs.size(); ++i) {
    CHECK(again->runs[i].volume == page.runs[i].volume);
    CHECK(again->runs[i].range.first == page.runs[i].range.first);
    CHECK(again->runs[i].range.count == page.runs[i].range.count);
    CHECK(again->runs[i].sequence == page.runs[i].sequence);
    CHECK(again->runs[i].generation == page.runs[i].generation);
  }
  CHECK(decoded(asked_at(kVolume, 7), encode_changed({})).ok());
}

TEST_CASE("a run of changed blocks that no store has is not believed") {
  const std::function<void(ChangedRun&)> lies[] = {
      [](ChangedRun& run) { run.block_count = 0; },
      [](ChangedRun& run) { run.block_count = kLeafBlocks + 1; },
      [](ChangedRun& run) { run.block_count = UINT32_MAX; },
      [](ChangedRun& run) { run.first_block = kVolumeBlocksMax; },
      [](ChangedRun& run) { run.first_block = UINT64_MAX; },
      [](ChangedRun& run) { run.sequence = kAfter; },
      [](ChangedRun& run) { run.volume = {}; },
  };
  for (const auto& lie : lies) {
    ChangedMessage message = encode_changed(a_page());
    lie(message.runs.back());
    CHECK(decoded(asked_at({}, 0), message).code() == ErrorCode::kDamaged);
  }
}

TEST_CASE("pages of changed blocks go on, or are not believed") {
  const ChangedMessage message = encode_changed(a_page());  // goes on at block 1000 of 3
  CHECK(decoded(asked_at(kVolume, 999), message).ok());
  CHECK(decoded(asked_at(VolumeId{2}, 5000), message).ok());
  CHECK(decoded(asked_at(kVolume, 1000), message).code() == ErrorCode::kDamaged);
  CHECK(decoded(asked_at(VolumeId{4}, 0), message).code() == ErrorCode::kDamaged);
}

}  // namespace varve
