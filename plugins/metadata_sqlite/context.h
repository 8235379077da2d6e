// Context: one shard's side of the plugin. Checks calls, copies what they bring, fills in events.
//
// Thread rule: the shard's thread. Ownership: borrows the instance's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "plugins/abi/metadata.h"
#include "plugins/metadata_sqlite/mailbox.h"
#include "plugins/metadata_sqlite/store_thread.h"

namespace varve {

class Context {
 public:
  explicit Context(StoreThread& thread) : thread_(thread), mailbox_(std::make_shared<Mailbox>()) {}
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  bool valid() const { return mailbox_->valid(); }
  int32_t range(varve_bytes prefix, uint64_t op_id);
  int32_t commit(const varve_compare* compares, uint32_t compare_count, const varve_put* puts,
                 uint32_t put_count, uint64_t op_id);
  int32_t watch(varve_bytes prefix, uint64_t revision, uint64_t op_id);
  int32_t unwatch(uint64_t op_id);
  int32_t poll(varve_metadata_event* events, uint32_t capacity);
  bool arm() { return !mailbox_->empty(); }
  int wait_fd() const { return mailbox_->wait_fd(); }

 private:
  StoreThread& thread_;
  std::shared_ptr<Mailbox> mailbox_;
  // What the events of the last poll point at.
  std::vector<Letter> letters_;
  std::vector<std::vector<varve_key_value>> entries_;
};

}  // namespace varve
