// RdmaDevice: what one context has on one RDMA device: a protection domain with the host's arenas
// and the channel that wakes for completions.
//
// Peers can neither read nor write the arenas: they are registered for this side alone.
//
// Thread rule: the shard's thread. Ownership: the ibv_context is librdmacm's and stays open as long
// as this does.
// Errors: errno, told in words.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "transports/rdma/verbs.h"

namespace varve {

class RdmaDevice {
 public:
  // Null: `why` says what is wrong.
  static std::unique_ptr<RdmaDevice> open(ibv_context* verbs, std::string& why);

  ibv_context* verbs() const { return verbs_; }
  ibv_pd* domain() const { return domain_.get(); }
  ibv_comp_channel* channel() const { return channel_.get(); }
  // Readable when a completion queue that was armed has something.
  int wait_fd() const;
  std::string name() const;
  // Reads that a queue pair may have on the wire: as asker, and as the one who is read.
  uint8_t read_depth_asking() const { return read_depth_asking_; }
  uint8_t read_depth_asked() const { return read_depth_asked_; }

  // `memory` is the host's number for it. False: errno says why.
  bool add_arena(uint64_t memory, void* base, uint64_t bytes);
  void remove_arena(uint64_t memory);
  uint32_t local_key(uint64_t memory) const;

 private:
  RdmaDevice() = default;

  ibv_context* verbs_ = nullptr;
  ProtectionDomain domain_;
  CompletionChannel channel_;
  std::vector<MemoryRegion> arenas_;  // the index is the number less one
  uint8_t read_depth_asking_ = 0;
  uint8_t read_depth_asked_ = 0;
};

// The RDMA devices of this machine and how they are, for the log: "none", or
// "mlx5_0 (port 1: 4: ACTIVE, 100 Gb/sec (4X EDR), Ethernet)". Opens none.
std::string describe_devices();

}  // namespace varve
