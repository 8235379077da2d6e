// What the tests of the C API share: a device in memory that obeys the test, and an engine with its
// thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/embed/varve.h"

namespace varve {

// Memory behind a varve_device. Any thread may change how it behaves.
class MemoryDevice {
 public:
  enum class Ends { kInTheCall, kOnAnotherThread };
  explicit MemoryDevice(uint64_t bytes, Ends ends = Ends::kInTheCall);
  ~MemoryDevice();
  MemoryDevice(const MemoryDevice&) = delete;
  MemoryDevice& operator=(const MemoryDevice&) = delete;

  const varve_disk* disk() const { return &disk_; }
  varve_device& calls() { return device_; }
  AlignedBuffer& memory() { return memory_; }

  std::atomic<bool> reads_fail = false;
  std::atomic<bool> writes_fail = false;
  std::atomic<bool> ends_twice = false;
  std::atomic<int> not_durable_count = 0;
  std::atomic<int> flush_count = 0;

  // Transfers do not end until let_go().
  void hold();
  void let_go();

 private:
  void end(varve_io* io, int result);
  void work();
  void move(bool to_memory, uint64_t offset, const varve_part* parts, size_t count);

  AlignedBuffer memory_;
  varve_device device_{};
  varve_disk disk_{};
  const Ends ends_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool held_ = false;
  bool over_ = false;
  std::vector<std::function<void()>> waiting_;  // ends that are still to be told
  std::thread worker_;
};

// An engine that runs until stop() or the destructor.
class RunningEngine {
 public:
  explicit RunningEngine(const varve_disk* disk);
  ~RunningEngine();
  RunningEngine(const RunningEngine&) = delete;
  RunningEngine& operator=(const RunningEngine&) = delete;

  // What varve_engine_run() returned.
  int stop();
  varve_engine* get() { return engine_; }

 private:
  varve_engine* engine_ = nullptr;
  int result_ = VARVE_E_UNKNOWN;
  std::thread thread_;
};

// One answer of a callback form, awaited.
class Answer {
 public:
  static void done(void* user, int result, const char* message);
  int wait();
  const std::string& message() const { return message_; }
  std::thread::id thread() const { return thread_; }

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  bool there_ = false;
  int result_ = VARVE_OK;
  std::string message_;
  std::thread::id thread_;
};

// A formatted device with an engine on it and the volume "a" of `blocks`.
struct EmbedBench {
  explicit EmbedBench(MemoryDevice::Ends ends = MemoryDevice::Ends::kInTheCall);
  varve_engine* get() { return engine->get(); }
  void reopen();

  MemoryDevice device;
  std::unique_ptr<RunningEngine> engine;
  varve_volume volume{};
};

inline constexpr uint64_t kBenchVolumeBlocks = 256;

// Blocks filled with one byte.
AlignedBuffer filled(size_t blocks, uint8_t fill);
// Every byte of the buffer is `fill`.
bool is_filled(const AlignedBuffer& buffer, uint8_t fill);

}  // namespace varve
