#include "plugins/nbd/operation.h"

namespace varve {
namespace {

// A small string stays with its operation for the next use; a large one is given back.
constexpr size_t kKeptTextBytes = 4096;

}  // namespace

Operation* OperationPool::take(Connection* connection, uint64_t buffer_bytes) {
  void* buffer = nullptr;
  if (buffer_bytes > 0) {
    buffer = host_.buffer_acquire(host_context_, buffer_bytes);
    if (buffer == nullptr) return nullptr;
  }
  if (free_.empty()) free_.push_back(all_.emplace_back(std::make_unique<Operation>()).get());
  Operation* operation = free_.back();
  free_.pop_back();
  operation->connection = connection;
  operation->kind = Operation::Kind::kRequest;
  operation->buffer = static_cast<uint8_t*>(buffer);
  operation->buffer_bytes = buffer_bytes;
  return operation;
}

void OperationPool::give_back(Operation* operation) {
  if (operation->buffer != nullptr) {
    host_.buffer_release(host_context_, operation->buffer, operation->buffer_bytes);
    ++buffers_released_;
  }
  operation->buffer = nullptr;
  operation->body = {};
  operation->extents.clear();
  if (operation->text.capacity() > kKeptTextBytes) operation->text = {};
  free_.push_back(operation);
}

}  // namespace varve
