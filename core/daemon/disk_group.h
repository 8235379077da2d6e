// DiskGroup: one configured SSD on this node and its HDDs, from "nothing known" to a store that
// serves.
//
// A disk group that cannot be served keeps its reason and lets go of its devices, so that the
// operator can repair it; the others go on.
//
// Thread rule: the shard's thread. Ownership: borrows the loop. Before the destructor: close().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "core/daemon/hdd.h"
#include "core/daemon/node_status.h"
#include "core/device/uring_device.h"
#include "core/runtime/task.h"
#include "core/runtime/uring_loop.h"
#include "core/store/store.h"

namespace varve {

class DiskGroup {
 public:
  DiskGroup(UringLoop& loop, DiskGroupConfig config);
  DiskGroup(const DiskGroup&) = delete;
  DiskGroup& operator=(const DiskGroup&) = delete;

  // Recovers the store. Never fails: the state and the reason say how it went.
  Task<void> open();
  // Seals the log and lets go of the devices.
  Task<void> close();

  // Closes the store, which serves, and keeps the reason why it may not.
  Task<void> dismiss(Status why);

  // Between these two nothing else may use the device. end_format opens the group again.
  void begin_format();
  Task<void> end_format();

  // HDDs are being added, or will be: nobody else begins with that.
  void begin_hdds() { adding_hdds_ = true; }
  void end_hdds() { adding_hdds_ = false; }
  bool adding_hdds() const { return adding_hdds_; }
  // In the config's order.
  const std::vector<Hdd>& hdds() const { return hdds_; }
  // Makes the device, whose content is lost, an HDD of the store. `path` is that of one of hdds().
  Task<Status> add_hdd(std::string path, std::unique_ptr<UringDevice> device);

  const DiskGroupConfig& config() const { return config_; }
  GroupState state() const { return state_; }
  const std::string& reason() const { return reason_; }
  Durability durability() const {
    return config_.power_protected ? Durability::kPlp : Durability::kFlush;
  }
  // Null unless serving.
  Store* store() const { return state_ == GroupState::kServing ? store_.get() : nullptr; }
  GroupStatus status() const;

 private:
  class RecoveryProgress;

  Task<Status> open_devices();
  Task<Status> open_store();
  void let_go();
  void sort_out_hdds();
  std::string missing_hdds_text() const;
  void refuse(const Status& status);
  void log_opened(uint64_t took_ms) const;
  void log_memory() const;

  UringLoop& loop_;
  const DiskGroupConfig config_;
  const std::string log_name_;
  GroupState state_ = GroupState::kRecovering;
  std::string reason_;
  Progress recovery_;
  WriteCache write_cache_ = WriteCache::kUnknown;
  bool adding_hdds_ = false;
  std::unique_ptr<UringDevice> device_;
  std::vector<Hdd> hdds_;
  std::unique_ptr<Store> store_;
};

}  // namespace varve
