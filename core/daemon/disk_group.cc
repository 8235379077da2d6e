#include "core/daemon/disk_group.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/cluster/record_text.h"
#include "core/device/device_file.h"
#include "core/store/superblocks.h"

namespace varve {
namespace {

constexpr uint64_t kProgressLogIntervalMs = 2000;
// Within it everything is read and checked once: at this age latent errors are still rare enough
// for another copy to be good.
constexpr uint64_t kScrubSeconds = 14 * 24 * 3600;

std::string_view write_cache_name(WriteCache mode) {
  switch (mode) {
    case WriteCache::kUnknown:
      return "unknown";
    case WriteCache::kWriteThrough:
      return "write through";
    case WriteCache::kWriteBack:
      return "write back";
  }
  return "unknown";
}

std::string_view durability_name(Durability durability) {
  return durability == Durability::kPlp ? "plp" : "flush";
}

uint64_t now_ms(UringLoop& loop) {
  return loop.runtime().clock.monotonic_ns() / 1'000'000;
}

// `status` is of `device`, if the store uses it.
void fill_in(DeviceStatus& status, const UringDevice& device,
             const std::vector<DeviceStats>& used) {
  for (const DeviceStats& stats : used) {
    if (stats.device != &device) continue;
    status.serving = true;
    status.stats = stats;
    status.device_bytes = device.size_bytes();
    const uint64_t used_bytes = (stats.slot_count - stats.free_slot_count) * stats.segment_bytes;
    const uint64_t live_bytes = stats.live_blocks * kBlockBytes;
    status.dead_bytes = used_bytes > live_bytes ? used_bytes - live_bytes : 0;
  }
}

}  // namespace

// Keeps the group's recovery numbers and says every two seconds how far it is.
class DiskGroup::RecoveryProgress {
 public:
  explicit RecoveryProgress(DiskGroup& group) : group_(group), logged_ms_(now_ms(group.loop_)) {}

  void operator()(uint64_t done, uint64_t total) {
    group_.recovery_ = {done, total};
    const uint64_t now = now_ms(group_.loop_);
    if (now - logged_ms_ < kProgressLogIntervalMs) return;
    logged_ms_ = now;
    log_info(group_.log_name_, text("recovering: ", done, " of ", total, " segments read"));
  }

 private:
  DiskGroup& group_;
  uint64_t logged_ms_;
};

DiskGroup::DiskGroup(UringLoop& loop, DiskGroupConfig config)
    : loop_(loop), config_(std::move(config)), log_name_(text("disk group ", config_.name)) {
  for (const HddConfig& hdd : config_.hdds) hdds_.push_back({.path = hdd.path});
}

Task<void> DiskGroup::open() {
  state_ = GroupState::kRecovering;
  reason_.clear();
  recovery_ = {};
  const uint64_t started_ms = now_ms(loop_);
  Status opened = co_await open_devices();
  if (opened.ok()) opened = co_await open_store();
  if (!opened.ok()) {
    refuse(opened);
    co_return;
  }
  store_->scrub_every(kScrubSeconds);
  state_ = GroupState::kServing;
  log_opened(now_ms(loop_) - started_ms);
  log_memory();
  sort_out_hdds();
}

Task<Status> DiskGroup::open_devices() {
  const uint64_t patience_end = patience_end_ms(loop_);
  auto device = co_await open_patiently(loop_, config_.path, durability(), patience_end);
  if (!device.ok()) co_return device.status();
  device_ = std::move(*device);
  write_cache_ = write_cache_mode(config_.path);
  if (hdds_.empty()) co_return Status();
  const Result<Superblock> superblock = co_await read_superblock(*device_);
  if (!superblock.ok()) co_return Status();  // the store will say so
  for (Hdd& hdd : hdds_) co_await find_hdd(loop_, &hdd, superblock->disk, patience_end);
  co_return Status();
}

Task<Status> DiskGroup::open_store() {
  StoreOptions options;
  options.memory_max_bytes = config_.memory_max_bytes;
  options.progress = RecoveryProgress(*this);
  for (const Hdd& hdd : hdds_)
    if (hdd.device != nullptr) options.cold_devices.push_back(hdd.device.get());
  auto store = co_await Store::open(loop_.runtime(), *device_, std::move(options));
  if (store.ok()) store_ = std::move(*store);
  // Not as when the SSD is not there.
  if (store.code() == ErrorCode::kNotFound)
    co_return Status(ErrorCode::kUnavailable, text(store.status().message(), missing_hdds_text()));
  co_return store.status();
}

// What is wrong with the HDDs that the config names: one of them may be the one that is missing.
std::string DiskGroup::missing_hdds_text() const {
  if (hdds_.empty()) return "; the config names none: hdd = [...] in its [[disk_group]]";
  std::string words;
  for (const Hdd& hdd : hdds_)
    if (!hdd.reason.empty()) words += text("; ", hdd.path, ": ", hdd.reason);
  return words;
}

// Lets go of the HDDs that the store, which serves, does not use.
void DiskGroup::sort_out_hdds() {
  const std::vector<DeviceStats> used = store_->devices();
  for (Hdd& hdd : hdds_) {
    const auto found = std::find_if(used.begin(), used.end(), [&](const DeviceStats& one) {
      return hdd.device != nullptr && one.device == hdd.device.get();
    });
    if (found != used.end()) {
      log_info(log_name_, text("HDD ", uuid_text(found->id), " is ", hdd.path, " (",
                               size_text(hdd.device->size_bytes()), ")"));
      continue;
    }
    if (hdd.device != nullptr) hdd.reason = "it was not added to the end";
    hdd.device.reset();
    log_warn(log_name_, text("HDD ", hdd.path, " is not used: ", hdd.reason, "; varve disk add ",
                             config_.name, " adds it"));
  }
}

Task<Status> DiskGroup::add_hdd(std::string path, std::unique_ptr<UringDevice> device) {
  if (store() == nullptr) co_return ErrorCode::kClosed;
  ColdFormatOptions options;
  const Status status = co_await store_->add_cold_device(*device, options);
  if (!status.ok()) co_return status;
  const auto hdd =
      std::find_if(hdds_.begin(), hdds_.end(), [&](const Hdd& one) { return one.path == path; });
  VARVE_CHECK(hdd != hdds_.end());
  log_info(log_name_, text("HDD ", path, " (", size_text(device->size_bytes()), ") is added"));
  hdd->device = std::move(device);
  hdd->reason.clear();
  co_return Status();
}

void DiskGroup::let_go() {
  for (Hdd& hdd : hdds_) {
    hdd.device.reset();
    hdd.reason.clear();
  }
  device_.reset();
}

void DiskGroup::refuse(const Status& status) {
  let_go();
  const bool is_empty = status.code() == ErrorCode::kNotFormatted;
  const bool is_absent = status.code() == ErrorCode::kNotFound;
  state_ = is_empty ? GroupState::kNotFormatted : GroupState::kNotServed;
  reason_ = status.message();
  if (is_absent) {
    reason_ += text("; to make a file of it: varve disk add ", config_.name, " --size SIZE");
  }
  if (is_empty) {
    log_warn(log_name_, text(config_.path, " is not formatted: run varve disk add ", config_.name));
  } else {
    log_error(log_name_, text(config_.path, " is not served: ", reason_));
  }
}

void DiskGroup::log_memory() const {
  const StoreStats stats = store_->stats();
  const uint64_t map_max =
      stats.memory_max_bytes - std::min(stats.memory_max_bytes, stats.slot_table_bytes);
  uint64_t bytes = 0;
  for (const DeviceStats& device : store_->devices()) bytes += device.device->size_bytes();
  log_info(log_name_, text("memory: the map takes ", size_text(stats.map_bytes),
                           " and may take up to ", size_text(map_max), ", with the read cache (",
                           size_text(map_max / std::max<uint64_t>(bytes / kGiB, 1) * 1024),
                           " per TiB of the devices)"));
  if (stats.memory_max_blocks >= stats.capacity_blocks) return;
  log_warn(log_name_,
           text("memory_max is ", size_text(stats.memory_max_bytes), ": enough for ",
                size_text(stats.memory_max_blocks * kBlockBytes), " written in no order of ",
                size_text(stats.capacity_blocks * kBlockBytes), ", then writes wait; ",
                size_text(stats.memory_needed_bytes), " is enough for all"));
}

void DiskGroup::log_opened(uint64_t took_ms) const {
  const StoreStats stats = store_->stats();
  const uint64_t used_slot_count = stats.slot_count - stats.free_slot_count;
  log_info(log_name_,
           text("serving ", config_.path, " (", size_text(device_->size_bytes()), "): recovered ",
                used_slot_count, " of ", stats.slot_count, " segments in ", took_ms, " ms; ",
                store_->volumes().size(), " volumes, ", size_text(stats.live_blocks * kBlockBytes),
                " live of ", size_text(stats.capacity_blocks * kBlockBytes), ", ",
                stats.damaged_blocks, " damaged blocks; durability ", durability_name(durability()),
                ", write cache ", write_cache_name(write_cache_)));
  if (config_.power_protected && write_cache_ == WriteCache::kWriteBack) {
    log_warn(log_name_,
             text("durability = \"plp\", but the kernel says that the cache of ", config_.path,
                  " is volatile: right only if the device keeps it through a power loss"));
  }
}

Task<void> DiskGroup::close() {
  if (store_ != nullptr) {
    const Status status = co_await store_->close();
    if (status.ok()) {
      log_info(log_name_, "closed");
    } else {
      log_error(log_name_, text("closed with an error, the next start recovers as after a crash: ",
                                status.message()));
    }
  }
  store_.reset();
  let_go();
  state_ = GroupState::kNotServed;
  reason_ = "closed";
}

Task<void> DiskGroup::dismiss(Status why) {
  co_await close();
  refuse(why);
}

void DiskGroup::begin_format() {
  VARVE_CHECK(device_ == nullptr);
  state_ = GroupState::kFormatting;
  reason_.clear();
}

Task<void> DiskGroup::end_format() {
  VARVE_CHECK(state_ == GroupState::kFormatting);
  co_await open();
}

GroupStatus DiskGroup::status() const {
  GroupStatus status;
  status.name = config_.name;
  status.path = config_.path;
  status.state = state_;
  status.reason = reason_;
  status.recovery = recovery_;
  status.durability = durability_name(durability());
  status.write_cache = write_cache_name(write_cache_);
  status.devices.push_back({.path = config_.path, .tier = "ssd"});
  for (const Hdd& hdd : hdds_)
    status.devices.push_back({.path = hdd.path, .tier = "hdd", .reason = hdd.reason});
  if (store() == nullptr) return status;
  status.stats = store_->stats();
  status.volume_count = store_->volumes().size();
  const std::vector<DeviceStats> used = store_->devices();
  fill_in(status.devices[0], *device_, used);
  for (size_t i = 0; i < hdds_.size(); ++i)
    if (hdds_[i].device != nullptr) fill_in(status.devices[i + 1], *hdds_[i].device, used);
  for (const DeviceStatus& device : status.devices) {
    status.device_bytes += device.device_bytes;
    status.dead_bytes += device.dead_bytes;
  }
  return status;
}

}  // namespace varve
