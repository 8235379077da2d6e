#include "core/daemon/disk_group.h"

#include <poll.h>

#include <functional>

#include "core/base/log.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/daemon/blocking.h"
#include "core/device/device_file.h"

namespace varve {
namespace {

constexpr uint64_t kProgressLogIntervalMs = 2000;
// A daemon that was killed holds its device until the kernel has ended its requests in flight; the
// next one waits that long before it believes that somebody else has the device.
constexpr uint64_t kBusyPatienceMs = 5000;
constexpr int kBusyRetryMs = 10;
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
    : loop_(loop), config_(std::move(config)), log_name_(text("disk group ", config_.name)) {}

Task<void> DiskGroup::open() {
  state_ = GroupState::kRecovering;
  reason_.clear();
  recovery_ = {};
  const uint64_t started_ms = now_ms(loop_);
  auto device = UringDevice::open(loop_, config_.path, durability());
  while (device.code() == ErrorCode::kBusy && now_ms(loop_) - started_ms < kBusyPatienceMs) {
    std::function<int()> pause = [] { return poll(nullptr, 0, kBusyRetryMs); };
    co_await run_blocking(loop_, std::move(pause));
    device = UringDevice::open(loop_, config_.path, durability());
  }
  if (!device.ok()) {
    refuse(device.status());
    co_return;
  }
  device_ = std::move(*device);
  write_cache_ = write_cache_mode(config_.path);
  StoreOptions options;
  options.progress = RecoveryProgress(*this);
  auto store = co_await Store::open(loop_.runtime(), *device_, std::move(options));
  if (!store.ok()) {
    refuse(store.status());
    co_return;
  }
  store_ = std::move(*store);
  store_->scrub_every(kScrubSeconds);
  state_ = GroupState::kServing;
  log_opened(now_ms(loop_) - started_ms);
}

void DiskGroup::refuse(const Status& status) {
  device_.reset();
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
  device_.reset();
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
  if (store() == nullptr) return status;
  status.device_bytes = device_->size_bytes();
  status.stats = store_->stats();
  status.volume_count = store_->volumes().size();
  const StoreStats& stats = status.stats;
  if (stats.slot_count > 0) {
    const uint64_t slot_bytes = status.device_bytes / stats.slot_count;
    const uint64_t used_bytes = (stats.slot_count - stats.free_slot_count) * slot_bytes;
    const uint64_t live_bytes = stats.live_blocks * kBlockBytes;
    status.dead_bytes = used_bytes > live_bytes ? used_bytes - live_bytes : 0;
  }
  return status;
}

}  // namespace varve
