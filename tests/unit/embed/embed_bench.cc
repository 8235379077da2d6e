#include "tests/unit/embed/embed_bench.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstring>

namespace varve {
namespace {

constexpr uint64_t kBenchDeviceBytes = 8 * kMiB;

}  // namespace

MemoryDevice::MemoryDevice(uint64_t bytes, Ends ends) : memory_(bytes), ends_(ends) {
  device_.size_bytes = memory_.size();
  device_.user = this;
  device_.read = [](void* user, varve_io* io, uint64_t offset, const varve_part* parts,
                    size_t count) {
    auto& self = *static_cast<MemoryDevice*>(user);
    if (!self.reads_fail) self.move(false, offset, parts, count);
    self.end(io, self.reads_fail ? VARVE_E_IO : VARVE_OK);
  };
  device_.write = [](void* user, varve_io* io, uint64_t offset, const varve_part* parts,
                     size_t count, int durable) {
    auto& self = *static_cast<MemoryDevice*>(user);
    if (durable == 0) ++self.not_durable_count;
    if (!self.writes_fail) self.move(true, offset, parts, count);
    self.end(io, self.writes_fail ? VARVE_E_IO : VARVE_OK);
  };
  device_.flush = [](void* user, varve_io* io) {
    auto& self = *static_cast<MemoryDevice*>(user);
    ++self.flush_count;
    self.end(io, VARVE_OK);
  };
  disk_.device = &device_;
  if (ends_ == Ends::kOnAnotherThread) worker_ = std::thread([this] { work(); });
}

MemoryDevice::~MemoryDevice() {
  {
    const std::lock_guard lock(mutex_);
    over_ = true;
    changed_.notify_all();
  }
  if (worker_.joinable()) worker_.join();
}

void MemoryDevice::move(bool to_memory, uint64_t offset, const varve_part* parts, size_t count) {
  for (size_t i = 0; i < count; ++i) {
    std::byte* const here = memory_.data() + offset;
    if (to_memory)
      std::memcpy(here, parts[i].data, parts[i].bytes);
    else
      std::memcpy(parts[i].data, here, parts[i].bytes);
    offset += parts[i].bytes;
  }
}

void MemoryDevice::end(varve_io* io, int result) {
  const auto tell = [io, result, twice = ends_twice.load()] {
    varve_io_done(io, result);
    if (twice) varve_io_done(io, result);
  };
  {
    const std::lock_guard lock(mutex_);
    if (held_ || ends_ == Ends::kOnAnotherThread) {
      waiting_.push_back(tell);
      changed_.notify_all();
      return;
    }
  }
  tell();
}

void MemoryDevice::work() {
  std::unique_lock lock(mutex_);
  while (!over_) {
    if (held_ || waiting_.empty()) {
      changed_.wait(lock);
      continue;
    }
    std::vector<std::function<void()>> ends;
    ends.swap(waiting_);
    lock.unlock();
    for (const auto& end : ends) end();
    lock.lock();
  }
}

void MemoryDevice::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
}

void MemoryDevice::let_go() {
  std::vector<std::function<void()>> ends;
  {
    const std::lock_guard lock(mutex_);
    held_ = false;
    changed_.notify_all();
    if (ends_ == Ends::kInTheCall) ends.swap(waiting_);
  }
  for (const auto& end : ends) end();
}

RunningEngine::RunningEngine(const varve_disk* disk) {
  REQUIRE(varve_engine_create(disk, &engine_) == VARVE_OK);
  thread_ = std::thread([this] { result_ = varve_engine_run(engine_); });
  const int opened = varve_engine_wait_open(engine_);
  INFO(varve_last_error());
  REQUIRE(opened == VARVE_OK);
}

RunningEngine::~RunningEngine() {
  stop();
  CHECK(varve_engine_free(engine_) == VARVE_OK);
}

int RunningEngine::stop() {
  varve_engine_stop(engine_);
  if (thread_.joinable()) thread_.join();
  return result_;
}

void Answer::done(void* user, int result, const char* message) {
  auto& self = *static_cast<Answer*>(user);
  const std::lock_guard lock(self.mutex_);
  VARVE_CHECK(!self.there_);  // not on the thread of the test
  self.there_ = true;
  self.result_ = result;
  self.message_ = message;
  self.thread_ = std::this_thread::get_id();
  self.arrived_.notify_all();
}

int Answer::wait() {
  std::unique_lock lock(mutex_);
  while (!there_) arrived_.wait(lock);
  return result_;
}

EmbedBench::EmbedBench(MemoryDevice::Ends ends) : device(kBenchDeviceBytes, ends) {
  REQUIRE(varve_format(device.disk()) == VARVE_OK);
  engine = std::make_unique<RunningEngine>(device.disk());
  REQUIRE(varve_volume_create(get(), "a", kBenchVolumeBlocks * kBlockBytes, &volume) == VARVE_OK);
}

void EmbedBench::reopen() {
  CHECK(engine->stop() == VARVE_OK);
  engine.reset();
  engine = std::make_unique<RunningEngine>(device.disk());
}

AlignedBuffer filled(size_t blocks, uint8_t fill) {
  AlignedBuffer buffer(blocks * kBlockBytes);
  std::memset(buffer.data(), fill, buffer.size());
  return buffer;
}

bool is_filled(const AlignedBuffer& buffer, uint8_t fill) {
  return std::all_of(buffer.data(), buffer.data() + buffer.size(),
                     [fill](std::byte byte) { return byte == std::byte{fill}; });
}

}  // namespace varve
