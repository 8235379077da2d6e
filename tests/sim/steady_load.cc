#include "tests/sim/steady_load.h"

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <string>

#include "core/base/crc32c.h"
#include "core/log/geometry.h"

namespace varve {
namespace {

constexpr uint64_t kFillBlocks = 64;

}  // namespace

SteadyLoad::SteadyLoad(Runtime& runtime, const SteadyCase& what, const SteadyOptions& options)
    : runtime_(runtime), what_(what), options_(options), payload_(kFillBlocks * kBlockBytes) {
  for (std::byte& byte : payload_.span()) byte = static_cast<std::byte>(random_.next());
  crcs_.resize(kFillBlocks);
  crc32c_blocks(payload_.data(), kFillBlocks, crcs_.data());
}

bool SteadyLoad::failed(const char* what, const Status& status) const {
  std::printf("FAILED: %s: %s: %s\n", std::string(what_.name).c_str(), what,
              std::string(status.message()).c_str());
  return false;
}

Task<bool> SteadyLoad::open(BlockDevice& ssd, BlockDevice* hdd) {
  FormatOptions format{.segment_bytes = options_.segment_bytes, .progress = {}};
  for (std::byte& byte : format.disk) byte = static_cast<std::byte>(runtime_.random.next());
  const Status formatted = co_await Store::format(runtime_, ssd, format);
  if (!formatted.ok()) co_return failed("the SSD is not formatted", formatted);
  auto opened = co_await Store::open(runtime_, ssd, {});
  if (!opened.ok()) co_return failed("the store does not open", opened.status());
  store_ = std::move(*opened);
  if (hdd == nullptr) co_return true;
  ColdFormatOptions options;
  for (std::byte& byte : options.device) byte = static_cast<std::byte>(runtime_.random.next());
  const Status added = co_await store_->add_cold_device(*hdd, options);
  if (!added.ok()) co_return failed("the HDD is not added", added);
  co_return true;
}

Task<bool> SteadyLoad::fill(BlockDevice& ssd, BlockDevice* hdd) {
  const bool open_now = co_await open(ssd, hdd);
  if (!open_now) co_return false;
  const Geometry geometry(
      *plan_superblock(ssd.size_bytes(), options_.segment_bytes, kSlotCountMin));
  blocks_ = uint64_t{geometry.slot_count} * geometry.dense_blocks() * what_.live_percent / 100;
  const auto made = co_await store_->create_volume("v", blocks_ * kBlockBytes);
  if (!made.ok()) co_return failed("no volume", made.status());
  volume_ = made->id;
  const uint64_t hot_blocks = blocks_ * what_.hot_percent / 100;
  warm_up_blocks_ = static_cast<uint64_t>(what_.warm_up * static_cast<double>(hot_blocks));
  chooser_ = std::make_unique<BlockChooser>(hot_blocks, Law::kUniform, random_);
  if (what_.fresh) {
    fresh_.resize(blocks_);
    std::iota(fresh_.begin(), fresh_.end(), 0u);
    for (uint64_t i = blocks_ - 1; i > 0; --i) std::swap(fresh_[i], fresh_[random_.below(i + 1)]);
    co_return true;
  }
  for (uint64_t first = 0; first < blocks_; first += kFillBlocks) {
    const uint64_t count = std::min(kFillBlocks, blocks_ - first);
    const Status written =
        co_await store_->write(volume_, {first, count}, payload_.data(), crcs_.data());
    if (!written.ok()) co_return failed("filling", written);
  }
  if (!what_.snapshot) co_return true;
  std::vector<SnapshotRequest> requests{{volume_, "s"}};
  const auto taken = co_await store_->create_snapshots(std::move(requests));
  if (!taken.ok()) co_return failed("no snapshot", taken.status());
  co_return true;
}

Task<void> SteadyLoad::client() {
  while (!failed_) {
    const uint64_t started_ns = runtime_.clock.monotonic_ns();
    const bool over = tally_.begun() && started_ns >= tally_.end_ns();
    if (over || (what_.fresh && written_ == blocks_)) break;
    if (written_ == warm_up_blocks_) begin();
    const uint64_t block = what_.fresh ? fresh_[written_] : chooser_->next();
    ++written_;
    const Status written =
        co_await store_->write(volume_, {block, 1}, payload_.data(), crcs_.data());
    if (!written.ok() && !failed_) failed_ = !failed("a write", written);
    tally_.wrote(started_ns, runtime_.clock.monotonic_ns());
  }
}

void SteadyLoad::begin() {
  tally_.begin(runtime_.clock.monotonic_ns(), options_.seconds, options_.tick_ns);
  at_begin_ = store_->stats();
  clients_->start(disturb());
}

// After a quarter of what is counted.
Task<void> SteadyLoad::disturb() {
  co_await runtime_.timers.until(tally_.begin_ns() + (tally_.end_ns() - tally_.begin_ns()) / 4);
  if (what_.scrub) store_->scrub_now(options_.scrub_bytes_per_second);
  if (!what_.snapshot) co_return;
  const Status deleted = co_await store_->delete_snapshot(volume_, "s");
  if (!deleted.ok()) failed_ = !failed("the snapshot is not deleted", deleted);
}

Task<bool> SteadyLoad::write() {
  TaskGroup clients(runtime_.ready);
  clients_ = &clients;
  for (uint32_t i = 0; i < options_.depth; ++i) clients.start(client());
  co_await clients.done();
  at_end_ = store_->stats();
  co_return !failed_;
}

Task<bool> SteadyLoad::close() {
  const Status closed = co_await store_->close();
  if (!closed.ok()) co_return failed("the store does not close", closed);
  co_return true;
}

bool SteadyLoad::judge() {
  const bool good = tally_.judge(what_.name, what_.snapshot);
  const auto share = [&](uint64_t StoreStats::* counter) {
    return static_cast<double>(at_end_.*counter - at_begin_.*counter) /
           static_cast<double>(at_end_.user_blocks_written - at_begin_.user_blocks_written);
  };
  std::printf(
      "          for each block written %.2f moved on the SSD, %.2f sunk to the HDD, %.2f packed "
      "there\n",
      share(&StoreStats::relocated_blocks_written), share(&StoreStats::demoted_blocks_written),
      share(&StoreStats::packed_blocks_written));
  std::fflush(stdout);
  return good;
}

}  // namespace varve
