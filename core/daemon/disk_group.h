// DiskGroup: one configured device on this node, from "nothing known" to a store that serves.
//
// A disk group that cannot be served keeps its reason and lets go of its device, so that the
// operator can repair it; the others go on.
//
// Thread rule: the shard's thread. Ownership: borrows the loop. Before the destructor: close().
#pragma once

#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/config/node_config.h"
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
  // Seals the log and lets go of the device.
  Task<void> close();

  // Closes the store, which serves, and keeps the reason why it may not.
  Task<void> dismiss(Status why);

  // Between these two nothing else may use the device. end_format opens the group again.
  void begin_format();
  Task<void> end_format();

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

  void refuse(const Status& status);
  void log_opened(uint64_t took_ms) const;

  UringLoop& loop_;
  const DiskGroupConfig config_;
  const std::string log_name_;
  GroupState state_ = GroupState::kRecovering;
  std::string reason_;
  Progress recovery_;
  WriteCache write_cache_ = WriteCache::kUnknown;
  std::unique_ptr<UringDevice> device_;
  std::unique_ptr<Store> store_;
};

}  // namespace varve
