#include "core/volume/service_host.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "core/volume/limits.h"

namespace varve {
namespace {

constexpr size_t kNameBytesMax = 255;

ServiceHost* host_of(void* context) {
  return static_cast<ServiceHost*>(context);
}

// Copies what both sides know into a zeroed struct; 0 bytes of the caller's would be no struct.
template <typename Struct>
bool copy_struct(const Struct* from, Struct& into) {
  if (from == nullptr || from->struct_size < sizeof from->struct_size) return false;
  into = {};
  std::memcpy(&into, from, std::min<size_t>(from->struct_size, sizeof into));
  return true;
}

// What submit refuses before anything runs.
int32_t check_operation(const Volume& volume, const varve_operation& operation) {
  const uint32_t kind = operation.kind;
  if (kind < VARVE_OP_READ || kind > VARVE_OP_BLOCK_STATUS) return VARVE_E_UNSUPPORTED;
  if ((operation.flags & ~VARVE_OP_FUA) != 0) return VARVE_E_INVALID;
  if (kind == VARVE_OP_FLUSH) return VARVE_OK;
  const uint64_t size_bytes = volume.size_bytes();
  if (operation.offset > size_bytes) return VARVE_E_INVALID;
  if (operation.bytes > size_bytes - operation.offset) return VARVE_E_INVALID;
  if (kind == VARVE_OP_BLOCK_STATUS) {
    const bool room = operation.extents != nullptr && operation.extent_capacity > 0;
    return room && operation.bytes > 0 ? VARVE_OK : VARVE_E_INVALID;
  }
  if (kind != VARVE_OP_READ && volume.read_only()) return VARVE_E_INVALID;
  if (kind == VARVE_OP_TRIM || kind == VARVE_OP_WRITE_ZEROES) return VARVE_OK;
  if (operation.bytes > kOperationBytesMax) return VARVE_E_INVALID;
  return operation.data == nullptr && operation.bytes > 0 ? VARVE_E_INVALID : VARVE_OK;
}

}  // namespace

int32_t service_result(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOk:
      return VARVE_OK;
    case ErrorCode::kInvalidArgument:
      return VARVE_E_INVALID;
    case ErrorCode::kNotFound:
      return VARVE_E_NOT_FOUND;
    case ErrorCode::kAlreadyExists:
      return VARVE_E_EXISTS;
    case ErrorCode::kNoSpace:
      return VARVE_E_NO_SPACE;
    case ErrorCode::kDamaged:
      return VARVE_E_DAMAGED;
    case ErrorCode::kIoError:
    case ErrorCode::kUnknown:
    case ErrorCode::kUnavailable:
    case ErrorCode::kTimedOut:
      return VARVE_E_IO;
    case ErrorCode::kBusy:
    case ErrorCode::kStale:
      return VARVE_E_BUSY;
    case ErrorCode::kUnsupported:
    case ErrorCode::kNewerFormat:
      return VARVE_E_UNSUPPORTED;
    case ErrorCode::kNotFormatted:
      return VARVE_E_NOT_FOUND;
    case ErrorCode::kClosed:
      return VARVE_E_CLOSED;
  }
  VARVE_CHECK(false);
}

ServiceHost::ServiceHost(Runtime& runtime, VolumeTable& volumes, std::function<void()> wake)
    : table_(make_table()),
      volumes_(volumes),
      wake_(std::move(wake)),
      buffers_(kServiceBufferBytesMax, kServiceBufferCacheBytesMax),
      operations_(runtime.ready) {}

ServiceHost::~ServiceHost() = default;

varve_service_host ServiceHost::make_table() {
  varve_service_host table{};
  table.struct_size = sizeof table;
  table.abi_major = VARVE_ABI_MAJOR;
  table.abi_minor = VARVE_ABI_MINOR;
  table.buffer_acquire = [](void* context, uint64_t bytes) -> void* {
    return host_of(context)->buffers_.acquire(bytes);
  };
  table.buffer_release = [](void* context, void* buffer, uint64_t bytes) {
    host_of(context)->buffers_.release(static_cast<std::byte*>(buffer), bytes);
  };
  table.volume_list = [](void* context, char* names, uint64_t capacity, uint64_t op_id) {
    return host_of(context)->volume_list(names, capacity, op_id);
  };
  table.volume_open = [](void* context, const char* name, uint32_t name_bytes, uint32_t flags,
                         uint64_t op_id) -> int32_t {
    if (name == nullptr) return VARVE_E_INVALID;
    return host_of(context)->volume_open({name, name_bytes}, flags, op_id);
  };
  table.volume_close = [](void* context, uint64_t volume) {
    host_of(context)->volume_close(volume);
  };
  table.volume_info = [](void* context, uint64_t volume, varve_volume_info* info) {
    return host_of(context)->volume_info(volume, info);
  };
  table.submit = [](void* context, uint64_t volume, const varve_operation* operation) {
    return host_of(context)->submit(volume, operation);
  };
  table.events = [](void* context, varve_service_event* events, uint32_t capacity) {
    return host_of(context)->events(events, capacity);
  };
  return table;
}

bool ServiceHost::full() const {
  return in_flight_count() >= kServiceInFlightMax;
}

int32_t ServiceHost::volume_list(char* names, uint64_t capacity, uint64_t op_id) {
  if (names == nullptr && capacity > 0) return VARVE_E_INVALID;
  if (full()) return VARVE_E_AGAIN;
  uint64_t needed = 0;
  for (const std::string& name : volumes_.names()) {
    const uint64_t bytes = name.size() + 1;
    if (needed + bytes <= capacity) std::memcpy(names + needed, name.c_str(), bytes);
    needed += bytes;
  }
  post(op_id, VARVE_OK, needed);
  return VARVE_OK;
}

int32_t ServiceHost::volume_open(std::string_view name, uint32_t flags, uint64_t op_id) {
  if ((flags & ~(VARVE_OPEN_READ_ONLY | VARVE_OPEN_SHARED | VARVE_OPEN_FORCE)) != 0)
    return VARVE_E_INVALID;
  if (name.empty() || name.size() > kNameBytesMax) return VARVE_E_INVALID;
  if ((flags & VARVE_OPEN_SHARED) != 0) return VARVE_E_UNSUPPORTED;
  if (full() || open_count_ + opening_count_ == kServiceVolumesMax) return VARVE_E_AGAIN;
  VolumeOpening how;
  how.read_only = (flags & VARVE_OPEN_READ_ONLY) != 0;
  how.force = (flags & VARVE_OPEN_FORCE) != 0;
  operations_.start(open(std::string(name), how, op_id));
  return VARVE_OK;
}

Task<void> ServiceHost::open(std::string name, VolumeOpening how, uint64_t op_id) {
  ++opening_count_;
  Result<std::shared_ptr<Volume>> opened = co_await volumes_.open(std::move(name), how);
  --opening_count_;
  if (opened.ok())
    post(op_id, VARVE_OK, add_handle(std::move(*opened)));
  else
    post(op_id, service_result(opened.code()));
}

// A handle is the slot's generation over its index plus one; 0 is never valid.
uint64_t ServiceHost::add_handle(std::shared_ptr<Volume> volume) {
  if (free_slots_.empty()) {
    free_slots_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_slots_.back();
  free_slots_.pop_back();
  slots_[index].volume = std::move(volume);
  ++open_count_;
  return (uint64_t{slots_[index].generation} << 32) | (index + 1);
}

const std::shared_ptr<Volume>* ServiceHost::find(uint64_t handle) const {
  const uint64_t index = (handle & 0xffffffff) - 1;
  if (index >= slots_.size()) return nullptr;
  const Slot& slot = slots_[index];
  return slot.volume != nullptr && slot.generation == handle >> 32 ? &slot.volume : nullptr;
}

void ServiceHost::volume_close(uint64_t handle) {
  if (find(handle) == nullptr) return;
  const uint32_t index = static_cast<uint32_t>(handle) - 1;
  Slot& slot = slots_[index];
  slot.volume->close();
  slot.volume.reset();
  ++slot.generation;
  free_slots_.push_back(index);
  --open_count_;
}

int32_t ServiceHost::volume_info(uint64_t handle, varve_volume_info* info) const {
  const std::shared_ptr<Volume>* volume = find(handle);
  if (volume == nullptr || info == nullptr) return VARVE_E_INVALID;
  const uint32_t struct_size = info->struct_size;
  if (struct_size < sizeof struct_size) return VARVE_E_INVALID;
  varve_volume_info known{};
  known.struct_size = struct_size;
  known.flags = (*volume)->read_only() ? VARVE_VOLUME_READ_ONLY : 0;
  known.size_bytes = (*volume)->size_bytes();
  known.block_bytes = kBlockBytes;
  known.max_bytes = kOperationBytesMax;
  std::memcpy(info, &known, std::min<size_t>(struct_size, sizeof known));
  return VARVE_OK;
}

int32_t ServiceHost::submit(uint64_t handle, const varve_operation* operation) {
  varve_operation checked;
  const std::shared_ptr<Volume>* volume = find(handle);
  if (volume == nullptr || !copy_struct(operation, checked)) return VARVE_E_INVALID;
  const int32_t refused = check_operation(**volume, checked);
  if (refused != VARVE_OK) return refused;
  if (full()) return VARVE_E_AGAIN;
  if (checked.kind == VARVE_OP_FLUSH)
    post(checked.op_id, VARVE_OK);  // what was acknowledged is durable already
  else if (checked.kind == VARVE_OP_BLOCK_STATUS)
    operations_.start(block_status(*volume, checked));
  else
    operations_.start(run(*volume, checked));
  return VARVE_OK;
}

// Holds the volume: its handle may be closed meanwhile.
Task<void> ServiceHost::run(std::shared_ptr<Volume> volume, varve_operation operation) {
  const uint64_t offset = operation.offset;
  const uint64_t bytes = operation.bytes;
  std::byte* data = static_cast<std::byte*>(operation.data);
  Status status;
  if (operation.kind == VARVE_OP_READ)
    status = co_await volume->read(offset, {data, bytes});
  else if (operation.kind == VARVE_OP_WRITE)
    status = co_await volume->write(offset, {data, bytes});
  else if (operation.kind == VARVE_OP_TRIM)
    status = co_await volume->trim(offset, bytes);
  else
    status = co_await volume->write_zeroes(offset, bytes);
  volume.reset();  // before the event, for who deletes the volume on seeing it
  post(operation.op_id, service_result(status.code()));
}

Task<void> ServiceHost::block_status(std::shared_ptr<Volume> volume, varve_operation operation) {
  std::vector<ByteRun> runs;
  const Status status = co_await volume->block_status(operation.offset, operation.bytes,
                                                      operation.extent_capacity, &runs);
  volume.reset();
  if (!status.ok()) {
    post(operation.op_id, service_result(status.code()));
    co_return;
  }
  for (size_t i = 0; i < runs.size(); ++i)
    operation.extents[i] = {runs[i].bytes, runs[i].data ? 0 : VARVE_EXTENT_HOLE | VARVE_EXTENT_ZERO,
                            0};
  post(operation.op_id, VARVE_OK, runs.size());
}

void ServiceHost::post(uint64_t op_id, int32_t result, uint64_t value) {
  events_.push_back({.op_id = op_id, .result = result, .value = value});
  wake_();
}

uint32_t ServiceHost::events(varve_service_event* events, uint32_t capacity) {
  if (events == nullptr) return 0;
  const uint32_t count = static_cast<uint32_t>(std::min<size_t>(capacity, events_.size()));
  std::copy_n(events_.begin(), count, events);
  events_.erase(events_.begin(), events_.begin() + count);
  return count;
}

}  // namespace varve
