// Loopback: a transport whose peers are the contexts of one instance, found by name. The smallest
// whole example of a transport, and a fixture for tests.
//
// A message stays with its sender until the receiver's poll copies the payload into a posted
// buffer.
//
// Thread rule: contexts may run on different threads; the instance's mutex guards all of it.
// Ownership: contexts end before their instance; memory of sends and buffers is the host's.
// Errors: VARVE_E_... as plugins/abi/transport.h says.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <string>

#include "plugins/abi/transport.h"
#include "plugins/sdk/transport_events.h"
#include "plugins/sdk/transport_memory.h"
#include "plugins/sdk/unique_fd.h"

namespace varve {

class LoopbackContext;

struct Loopback {
  std::mutex mutex;
  std::map<std::string, LoopbackContext*> listeners;  // by address
  uint64_t last_connection = 0;
};

class LoopbackContext {
 public:
  explicit LoopbackContext(Loopback& loopback);
  ~LoopbackContext();
  LoopbackContext(const LoopbackContext&) = delete;
  LoopbackContext& operator=(const LoopbackContext&) = delete;

  bool valid() const { return wake_fd_.valid(); }
  MemoryTable& memory() { return memory_; }
  int32_t listen(const std::string& address);
  int32_t connect(const std::string& address, uint64_t op_id);
  int32_t disconnect(uint64_t connection);
  int32_t receive_post(const varve_slice& buffer, uint64_t op_id);
  int32_t send(uint64_t connection, const varve_message& message, uint64_t op_id);
  int32_t poll(varve_transport_event* events, uint32_t capacity);
  bool arm();
  int wait_fd() const { return wake_fd_.get(); }

 private:
  struct Message {
    uint64_t op_id;
    uint32_t payload_bytes;
    varve_message parts;
    std::array<uint8_t, VARVE_HEADER_BYTES_MAX> header;
  };
  // This context's end of a connection.
  struct End {
    LoopbackContext* peer;
    uint64_t peer_connection;
    std::deque<Message> inbox;  // sent by the peer, not received yet
    bool peer_waits = false;    // a send of the peer was refused
  };

  void receive_all(uint64_t connection, End& end);
  void close(uint64_t connection, int32_t why);
  void drop(uint64_t connection, int32_t why);
  void changed();

  Loopback& loopback_;
  UniqueFd wake_fd_;
  bool changed_ = true;  // since the last poll; wake_fd_ is readable then
  MemoryTable memory_;
  ReceiveBuffers buffers_;
  TransportEvents events_;
  std::map<uint64_t, End> ends_;
};

}  // namespace varve
