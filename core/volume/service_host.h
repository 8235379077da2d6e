// ServiceHost: the host's side of plugins/abi/service.h for one service context on one shard.
//
// A plugin is handed table() and context(). What it passes is checked: a bad handle, range, kind or
// flag is refused with a code. Memory that it names is trusted, as between any two C libraries.
// Errors of operations travel as VARVE_E_... in their events.
//
// Thread rule: one shard's thread. Ownership: runtime and volumes are borrowed. Before the host is
// destroyed: the plugin's context must be gone and drained() awaited.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/runtime/task_group.h"
#include "core/volume/buffer_pool.h"
#include "core/volume/volume.h"
#include "core/volume/volume_table.h"
#include "plugins/abi/service.h"

namespace varve {

// The VARVE_OK or VARVE_E_... that tells `code` to a plugin.
int32_t service_result(ErrorCode code);

class ServiceHost {
 public:
  // `wake` is called whenever an event was queued: the loop must poll the plugin again.
  ServiceHost(Runtime& runtime, VolumeTable& volumes, std::function<void()> wake);
  ~ServiceHost();

  const varve_service_host* table() const { return &table_; }
  void* context() { return this; }
  // Ends when no operation runs any more. Writes that wait for space end only after close or
  // VolumeTable::end_waits().
  Task<void> drained() { return operations_.done(); }

  // Operations from submit until the plugin has pulled their event.
  size_t in_flight_count() const { return operations_.running() + events_.size(); }
  size_t open_volume_count() const { return open_count_; }

 private:
  struct Slot {
    std::shared_ptr<Volume> volume;
    uint32_t generation = 1;  // part of the handle: one that was closed is never valid again
  };

  int32_t volume_list(char* names, uint64_t capacity, uint64_t op_id);
  int32_t volume_open(std::string_view name, uint32_t flags, uint64_t op_id);
  void volume_close(uint64_t handle);
  int32_t volume_info(uint64_t handle, varve_volume_info* info) const;
  int32_t submit(uint64_t handle, const varve_operation* operation);
  uint32_t events(varve_service_event* events, uint32_t capacity);

  bool full() const;
  uint64_t add_handle(std::shared_ptr<Volume> volume);
  const std::shared_ptr<Volume>* find(uint64_t handle) const;
  Task<void> run(std::shared_ptr<Volume> volume, varve_operation operation);
  Task<void> open(std::string name, VolumeOpening how, uint64_t op_id);
  Task<void> block_status(std::shared_ptr<Volume> volume, varve_operation operation);
  void post(uint64_t op_id, int32_t result, uint64_t value = 0);

  static varve_service_host make_table();
  const varve_service_host table_;
  VolumeTable& volumes_;
  std::function<void()> wake_;
  BufferPool buffers_;
  std::vector<Slot> slots_;
  std::vector<uint32_t> free_slots_;
  size_t open_count_ = 0;
  size_t opening_count_ = 0;
  std::vector<varve_service_event> events_;
  TaskGroup operations_;
};

}  // namespace varve
