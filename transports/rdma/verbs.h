// Verbs and connection manager objects that end with their owner.
//
// Ownership: exactly one owner each. What was made last must end first: a queue pair before its
// completion queue, everything before its protection domain.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

struct ibv_comp_channel;
struct ibv_context;
struct ibv_cq;
struct ibv_mr;
struct ibv_pd;
struct ibv_wc;
struct rdma_cm_id;
struct rdma_conn_param;
struct rdma_event_channel;

namespace varve {

struct VerbsEnd {
  void operator()(ibv_comp_channel* channel) const;
  void operator()(ibv_cq* queue) const;
  void operator()(ibv_mr* region) const;
  void operator()(ibv_pd* domain) const;
  void operator()(rdma_cm_id* id) const;
  void operator()(rdma_event_channel* channel) const;
  void operator()(uint8_t* pages) const;
};

using EventChannel = std::unique_ptr<rdma_event_channel, VerbsEnd>;
using CmId = std::unique_ptr<rdma_cm_id, VerbsEnd>;
using ProtectionDomain = std::unique_ptr<ibv_pd, VerbsEnd>;
using CompletionChannel = std::unique_ptr<ibv_comp_channel, VerbsEnd>;
using CompletionQueue = std::unique_ptr<ibv_cq, VerbsEnd>;
using MemoryRegion = std::unique_ptr<ibv_mr, VerbsEnd>;

// Whole pages, zeroed; null when there is no memory.
using Pages = std::unique_ptr<uint8_t, VerbsEnd>;
Pages make_pages(size_t bytes);

}  // namespace varve
