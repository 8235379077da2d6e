// RawRdmaPeer: the other end of a connection, with a bare queue pair: says what a test wants, and
// nothing by itself.
//
// Thread rule: one thread. Its own steps wait for the kernel alone; what takes the plugin is begun,
// and the test polls the plugin meanwhile.
#pragma once

#include <infiniband/verbs.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "transports/rdma/frame.h"
#include "transports/rdma/verbs.h"

namespace varve {

class RawRdmaPeer {
 public:
  // Asks for a connection to `address` (IPV4:PORT), with these bytes as greeting.
  RawRdmaPeer(const std::string& address, const std::string& greeting, uint8_t read_depth = 4);
  ~RawRdmaPeer();

  // await_event() would not wait.
  bool has_event();
  // RDMA_CM_EVENT_...: what has become of it; waits up to 20 s.
  int await_event();
  // One send; false: the queue took nothing.
  bool send(const std::string& bytes);
  // A one-sided operation of `bytes` at the other side's memory; how it ended.
  ibv_wc_status touch(ibv_wr_opcode how, uint64_t address, uint32_t key, uint32_t bytes);
  // What came next, and the frame at its beginning; waits up to 20 s.
  std::span<const uint8_t> await_bytes();
  Frame await_frame();
  // It is gone, and says nothing about that.
  void vanish();

  // Memory that the other side may read.
  uint8_t* readable() { return memory_.get(); }
  uint32_t readable_key() const;

 private:
  ibv_wc await_completion(uint64_t work_id);

  EventChannel channel_;
  CmId id_;
  ProtectionDomain domain_;
  CompletionQueue completions_;
  Pages memory_;
  MemoryRegion region_;
  uint32_t received_ = 0;
  uint32_t sent_ = 0;
};

// The greeting that the plugin would send, and one that is wrong somewhere.
std::string raw_greeting(Greeting greeting = {32, 8192});
// A frame as it is on the wire, and what comes behind it.
std::string raw_frame(const Frame& frame, const std::string& rest = "");

}  // namespace varve
