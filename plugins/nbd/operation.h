// One thing asked of the host for a connection, from its arrival until its reply is sent.
//
// Ownership: the pool owns all operations; a connection borrows them. An operation that the host
// has accepted belongs to the host until its event; its address is the op_id.
// Thread rule: one context.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "plugins/abi/service.h"
#include "plugins/nbd/reply.h"
#include "plugins/nbd/request.h"

namespace varve {

class Connection;

struct Operation {
  enum class Kind : uint8_t { kRequest, kOpen, kList };

  Connection* connection = nullptr;
  Kind kind = Kind::kRequest;
  NbdRequest request;
  uint8_t* buffer = nullptr;  // the host's; for data read or written
  uint64_t buffer_bytes = 0;
  std::vector<varve_extent> extents;

  ReplyHead head;
  std::string text;               // small bodies; volume names while a list is made
  std::span<const uint8_t> body;  // what follows the head: in `buffer` or `text`

  uint64_t id() const { return reinterpret_cast<uint64_t>(this); }
  static Operation& from_id(uint64_t id) {
    return *reinterpret_cast<Operation*>(id);  // NOLINT(performance-no-int-to-ptr): the ABI's id
  }
};

static_assert(sizeof(Operation*) <= sizeof(uint64_t));

class OperationPool {
 public:
  OperationPool(const varve_service_host& host, void* host_context)
      : host_(host), host_context_(host_context) {}

  // With a buffer of `buffer_bytes` unless that is 0. Null: the host has no memory now.
  Operation* take(Connection* connection, uint64_t buffer_bytes);
  void give_back(Operation* operation);
  // Grows with each buffer released, so that those who wait for one know when to try again.
  uint64_t buffers_released() const { return buffers_released_; }

 private:
  const varve_service_host& host_;
  void* host_context_;
  std::vector<std::unique_ptr<Operation>> all_;
  std::vector<Operation*> free_;
  uint64_t buffers_released_ = 0;
};

}  // namespace varve
