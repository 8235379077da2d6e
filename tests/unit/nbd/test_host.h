// A host for the nbd plugin with volumes in memory, made to misbehave on request.
//
// Thread rule: the table's calls come from the plugin's thread; everything else is for the test's
// thread. A lock guards both. After a change that lets operations complete, wake() must be called.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/abi/service.h"

namespace varve {

class TestHost {
 public:
  struct Volume {
    std::vector<uint8_t> bytes;
    bool read_only = false;
    uint32_t open_count = 0;
  };

  TestHost();
  ~TestHost();

  Volume& add_volume(const std::string& name, uint64_t size_bytes, bool read_only = false);
  const varve_host* host() const { return &host_; }
  const varve_service_host* service_host() const { return &table_; }

  // Completions wait until release(): at most `count`, in the order submitted or reversed.
  void hold(bool on);
  void release(bool reversed = false, size_t count = SIZE_MAX);
  size_t held_count();
  // All later operations of this kind end with `result`.
  void fail(uint32_t kind, int32_t result);
  // Every n-th submit is refused with VARVE_E_AGAIN (0: none).
  void refuse_every(uint32_t n);
  void set_buffer_budget(uint64_t bytes);
  // Opening this volume fails with `result`.
  void fail_open(const std::string& name, int32_t result);

  // What the plugin holds: all zero when it has cleaned up.
  uint64_t buffer_bytes();
  uint64_t peak_buffer_bytes();
  uint64_t refused_buffers();
  uint64_t open_volumes();
  uint64_t submitted(uint32_t kind);
  // The last log line that contains `part`; empty: none.
  std::string logged(const std::string& part);

  // Readable when the plugin has to be polled.
  int event_fd() const { return event_fd_; }
  void wake();

 private:
  int32_t open(const std::string& name, uint64_t op_id);
  int32_t submit(uint64_t handle, const varve_operation& operation);
  int32_t apply(Volume& volume, const varve_operation& operation, uint64_t& value);
  void complete(uint64_t op_id, int32_t result, uint64_t value);
  static varve_service_host make_table();
  static TestHost& self(void* context) { return *static_cast<TestHost*>(context); }

  std::mutex mutex_;
  varve_host host_{};
  varve_service_host table_{};
  std::map<std::string, Volume> volumes_;
  std::map<uint64_t, Volume*> handles_;
  uint64_t next_handle_ = 1;
  std::deque<varve_service_event> events_;
  std::vector<varve_service_event> held_;
  bool hold_ = false;
  std::map<uint32_t, int32_t> failures_;
  std::map<std::string, int32_t> open_failures_;
  std::map<uint32_t, uint64_t> submitted_;
  uint32_t refuse_every_ = 0;
  uint32_t submits_ = 0;
  uint64_t budget_ = 256ull << 20;
  std::map<uint64_t, std::vector<void*>> unused_buffers_;  // fresh pages would cost more than I/O
  uint64_t buffer_bytes_ = 0;
  uint64_t peak_buffer_bytes_ = 0;
  uint64_t refused_buffers_ = 0;
  std::vector<std::string> log_;
  int event_fd_;
};

}  // namespace varve
