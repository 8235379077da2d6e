// What a transport keeps of its host's memory: the registered arenas and the receive buffers that
// were posted; and the check of a message before it is taken.
//
// Thread rule: plain objects; each belongs to one context.
// Ownership: the memory is the host's; only addresses are kept.
// Errors: VARVE_E_... as the callbacks of plugins/abi/transport.h return them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plugins/abi/transport.h"

namespace varve {

class MemoryTable {
 public:
  int32_t add(void* base, uint64_t bytes, uint64_t* memory) {
    if (base == nullptr || bytes == 0) return VARVE_E_INVALID;
    arenas_.push_back({reinterpret_cast<uintptr_t>(base), bytes});
    *memory = arenas_.size();
    return VARVE_OK;
  }
  int32_t remove(uint64_t memory) {
    if (memory == 0 || memory > arenas_.size() || arenas_[memory - 1].bytes == 0)
      return VARVE_E_NOT_FOUND;
    arenas_[memory - 1] = {};
    return VARVE_OK;
  }
  // Whether the slice is not empty and lies in the arena that it names, if it names one.
  bool can_send(const varve_slice& slice) const {
    return slice.memory == 0 ? slice.data != nullptr && slice.bytes > 0 : holds(slice);
  }
  // Whether the slice is not empty and lies in the arena that it names.
  bool holds(const varve_slice& slice) const {
    if (slice.memory == 0 || slice.memory > arenas_.size() || slice.bytes == 0) return false;
    const Arena& arena = arenas_[slice.memory - 1];
    const uint64_t at = reinterpret_cast<uintptr_t>(slice.data) - arena.base;
    return at < arena.bytes && slice.bytes <= arena.bytes - at;
  }

 private:
  struct Arena {
    uintptr_t base = 0;
    uint64_t bytes = 0;
  };
  std::vector<Arena> arenas_;  // the index is the number less one
};

// VARVE_OK, or VARVE_E_INVALID for a message that the contract does not allow.
inline int32_t check_message(const varve_message& message, const MemoryTable& memory,
                             uint32_t& payload_bytes) {
  const bool good_header = message.header != nullptr && message.header_bytes >= 1 &&
                           message.header_bytes <= VARVE_HEADER_BYTES_MAX;
  if (message.struct_size < sizeof(varve_message) || !good_header ||
      message.slice_count > VARVE_MESSAGE_SLICES_MAX)
    return VARVE_E_INVALID;
  uint64_t total = 0;
  for (uint32_t i = 0; i < message.slice_count; ++i) {
    const varve_slice& slice = message.slices[i];
    if (slice.bytes > VARVE_PAYLOAD_BYTES_MAX || !memory.can_send(slice)) return VARVE_E_INVALID;
    total += slice.bytes;
  }
  if (total > VARVE_PAYLOAD_BYTES_MAX) return VARVE_E_INVALID;
  payload_bytes = static_cast<uint32_t>(total);
  return VARVE_OK;
}

struct ReceiveBuffer {
  uint8_t* data = nullptr;  // null: none
  uint64_t bytes = 0;
  uint64_t op_id = 0;
  uint64_t memory = 0;  // of a transport that needs to know
};

// The posted buffers. The one that was posted last is taken first: it is in the CPU's cache.
class ReceiveBuffers {
 public:
  void put(const ReceiveBuffer& buffer) {
    auto found = first_that_holds(buffer.bytes);
    if (found == sizes_.end() || found->bytes != buffer.bytes)
      found = sizes_.insert(found, {buffer.bytes, {}});
    found->free.push_back(buffer);
  }
  // The smallest that can hold `bytes`, or none.
  ReceiveBuffer take(uint64_t bytes) {
    for (auto size = first_that_holds(bytes); size != sizes_.end(); ++size) {
      if (size->free.empty()) continue;
      const ReceiveBuffer buffer = size->free.back();
      size->free.pop_back();
      return buffer;
    }
    return {};
  }

 private:
  struct Size {
    uint64_t bytes;
    std::vector<ReceiveBuffer> free;
  };
  std::vector<Size>::iterator first_that_holds(uint64_t bytes) {
    return std::find_if(sizes_.begin(), sizes_.end(),
                        [bytes](const Size& size) { return size.bytes >= bytes; });
  }

  std::vector<Size> sizes_;  // few, ascending
};

// VARVE_OK, or VARVE_E_INVALID for a buffer that cannot be posted.
inline int32_t check_receive(const varve_slice& buffer, uint64_t op_id, const MemoryTable& memory) {
  const bool aligned = reinterpret_cast<uintptr_t>(buffer.data) % 4096 == 0;
  return op_id != 0 && aligned && memory.holds(buffer) ? VARVE_OK : VARVE_E_INVALID;
}

}  // namespace varve
