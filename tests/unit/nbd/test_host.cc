#include "tests/unit/nbd/test_host.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace varve {
namespace {

constexpr uint64_t kBlock = 4096;

bool is_zero(const uint8_t* bytes, uint64_t count) {
  return count == 0 || (bytes[0] == 0 && std::memcmp(bytes, bytes + 1, count - 1) == 0);
}

}  // namespace

TestHost::TestHost() : table_(make_table()), event_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  host_.struct_size = sizeof(host_);
  host_.abi_major = VARVE_ABI_MAJOR;
  host_.host = this;
  host_.log = [](void* host, uint32_t, const char* text) {
    const std::lock_guard lock(self(host).mutex_);
    self(host).log_.emplace_back(text);
  };
}

TestHost::~TestHost() {
  ::close(event_fd_);
  for (const auto& [bytes, buffers] : unused_buffers_)
    for (void* buffer : buffers) std::free(buffer);
}

TestHost::Volume& TestHost::add_volume(const std::string& name, uint64_t size_bytes,
                                       bool read_only) {
  Volume& volume = volumes_[name];
  volume.bytes.assign(size_bytes, 0);
  volume.read_only = read_only;
  return volume;
}

void TestHost::hold(bool on) {
  const std::lock_guard lock(mutex_);
  hold_ = on;
}

void TestHost::release(bool reversed, size_t count) {
  {
    const std::lock_guard lock(mutex_);
    if (reversed) std::reverse(held_.begin(), held_.end());
    const auto end = held_.begin() + static_cast<ptrdiff_t>(std::min(count, held_.size()));
    events_.insert(events_.end(), held_.begin(), end);
    held_.erase(held_.begin(), end);
  }
  wake();
}

size_t TestHost::held_count() {
  const std::lock_guard lock(mutex_);
  return held_.size();
}

void TestHost::fail(uint32_t kind, int32_t result) {
  const std::lock_guard lock(mutex_);
  failures_[kind] = result;
}

void TestHost::refuse_every(uint32_t n) {
  const std::lock_guard lock(mutex_);
  refuse_every_ = n;
}

void TestHost::set_buffer_budget(uint64_t bytes) {
  const std::lock_guard lock(mutex_);
  budget_ = bytes;
}

void TestHost::fail_open(const std::string& name, int32_t result) {
  const std::lock_guard lock(mutex_);
  open_failures_[name] = result;
}

uint64_t TestHost::buffer_bytes() {
  const std::lock_guard lock(mutex_);
  return buffer_bytes_;
}

uint64_t TestHost::peak_buffer_bytes() {
  const std::lock_guard lock(mutex_);
  return peak_buffer_bytes_;
}

uint64_t TestHost::refused_buffers() {
  const std::lock_guard lock(mutex_);
  return refused_buffers_;
}

uint64_t TestHost::open_volumes() {
  const std::lock_guard lock(mutex_);
  return handles_.size();
}

uint64_t TestHost::submitted(uint32_t kind) {
  const std::lock_guard lock(mutex_);
  return submitted_[kind];
}

std::string TestHost::logged(const std::string& part) {
  const std::lock_guard lock(mutex_);
  for (auto line = log_.rbegin(); line != log_.rend(); ++line)
    if (line->find(part) != std::string::npos) return *line;
  return {};
}

void TestHost::wake() {
  const uint64_t one = 1;
  if (::write(event_fd_, &one, sizeof(one)) < 0) std::abort();
}

void TestHost::complete(uint64_t op_id, int32_t result, uint64_t value) {
  varve_service_event event{};
  event.op_id = op_id;
  event.result = result;
  event.value = value;
  if (hold_) {
    held_.push_back(event);
  } else {
    events_.push_back(event);
  }
}

int32_t TestHost::open(const std::string& name, uint64_t op_id) {
  if (open_failures_.contains(name)) {
    complete(op_id, open_failures_[name], 0);
  } else if (!volumes_.contains(name)) {
    complete(op_id, VARVE_E_NOT_FOUND, 0);
  } else {
    handles_[next_handle_] = &volumes_[name];
    ++volumes_[name].open_count;
    complete(op_id, VARVE_OK, next_handle_++);
  }
  return VARVE_OK;
}

int32_t TestHost::submit(uint64_t handle, const varve_operation& operation) {
  if (!handles_.contains(handle)) return VARVE_E_INVALID;
  if (refuse_every_ != 0 && ++submits_ % refuse_every_ == 0) return VARVE_E_AGAIN;
  ++submitted_[operation.kind];
  uint64_t value = 0;
  int32_t result = VARVE_OK;
  if (failures_.contains(operation.kind)) {
    result = failures_[operation.kind];
  } else {
    result = apply(*handles_[handle], operation, value);
  }
  complete(operation.op_id, result, value);
  return VARVE_OK;
}

int32_t TestHost::apply(Volume& volume, const varve_operation& operation, uint64_t& value) {
  const bool inside = operation.offset <= volume.bytes.size() &&
                      operation.bytes <= volume.bytes.size() - operation.offset;
  if (!inside) std::abort();  // the plugin must have refused it
  uint8_t* at = volume.bytes.data() + operation.offset;
  switch (operation.kind) {
    case VARVE_OP_READ:
      std::memcpy(operation.data, at, operation.bytes);
      break;
    case VARVE_OP_WRITE:
      std::memcpy(at, operation.data, operation.bytes);
      break;
    case VARVE_OP_TRIM:
    case VARVE_OP_WRITE_ZEROES:
      std::memset(at, 0, operation.bytes);
      break;
    case VARVE_OP_BLOCK_STATUS:
      for (uint64_t done = 0; done < operation.bytes;) {
        const uint64_t bytes =
            std::min(kBlock - (operation.offset + done) % kBlock, operation.bytes - done);
        const uint32_t flags =
            is_zero(at + done, bytes) ? VARVE_EXTENT_HOLE | VARVE_EXTENT_ZERO : 0;
        if (value > 0 && operation.extents[value - 1].flags == flags) {
          operation.extents[value - 1].bytes += bytes;
        } else if (value == operation.extent_capacity) {
          break;
        } else {
          operation.extents[value++] = {bytes, flags, 0};
        }
        done += bytes;
      }
      break;
    default:
      break;
  }
  return VARVE_OK;
}

varve_service_host TestHost::make_table() {
  varve_service_host table{};
  table.struct_size = sizeof(table);
  table.abi_major = VARVE_ABI_MAJOR;
  table.buffer_acquire = [](void* context, uint64_t bytes) -> void* {
    const std::lock_guard lock(self(context).mutex_);
    if (self(context).buffer_bytes_ + bytes > self(context).budget_) {
      ++self(context).refused_buffers_;
      return nullptr;
    }
    self(context).buffer_bytes_ += bytes;
    self(context).peak_buffer_bytes_ =
        std::max(self(context).peak_buffer_bytes_, self(context).buffer_bytes_);
    auto& unused = self(context).unused_buffers_[bytes];
    if (unused.empty()) return std::aligned_alloc(kBlock, (bytes + kBlock - 1) / kBlock * kBlock);
    void* buffer = unused.back();
    unused.pop_back();
    return buffer;
  };
  table.buffer_release = [](void* context, void* buffer, uint64_t bytes) {
    const std::lock_guard lock(self(context).mutex_);
    self(context).buffer_bytes_ -= bytes;
    self(context).unused_buffers_[bytes].push_back(buffer);
  };
  table.volume_list = [](void* context, char* names, uint64_t capacity, uint64_t op_id) {
    const std::lock_guard lock(self(context).mutex_);
    uint64_t needed = 0;
    for (const auto& [name, volume] : self(context).volumes_) {
      if (needed + name.size() + 1 <= capacity)
        std::memcpy(names + needed, name.c_str(), name.size() + 1);
      needed += name.size() + 1;
    }
    self(context).complete(op_id, VARVE_OK, needed);
    return int32_t{VARVE_OK};
  };
  table.volume_open = [](void* context, const char* name, uint32_t name_bytes, uint32_t,
                         uint64_t op_id) {
    const std::lock_guard lock(self(context).mutex_);
    return self(context).open(std::string(name, name_bytes), op_id);
  };
  table.volume_close = [](void* context, uint64_t handle) {
    const std::lock_guard lock(self(context).mutex_);
    --self(context).handles_.at(handle)->open_count;
    self(context).handles_.erase(handle);
  };
  table.volume_info = [](void* context, uint64_t handle, varve_volume_info* info) {
    const std::lock_guard lock(self(context).mutex_);
    const Volume& volume = *self(context).handles_.at(handle);
    info->flags = volume.read_only ? VARVE_VOLUME_READ_ONLY : 0;
    info->size_bytes = volume.bytes.size();
    info->block_bytes = kBlock;
    info->max_bytes = 32u << 20;
    return int32_t{VARVE_OK};
  };
  table.submit = [](void* context, uint64_t handle, const varve_operation* operation) {
    const std::lock_guard lock(self(context).mutex_);
    return self(context).submit(handle, *operation);
  };
  table.events = [](void* context, varve_service_event* events, uint32_t capacity) {
    const std::lock_guard lock(self(context).mutex_);
    auto& queue = self(context).events_;
    const auto count = std::min<size_t>(queue.size(), capacity);
    std::copy_n(queue.begin(), count, events);
    queue.erase(queue.begin(), queue.begin() + static_cast<ptrdiff_t>(count));
    return static_cast<uint32_t>(count);
  };
  return table;
}

}  // namespace varve
