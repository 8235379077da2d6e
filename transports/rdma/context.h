// RdmaContext: the listeners and connections of one shard behind one epoll descriptor, which holds
// the connection manager's channel, one completion channel per device, and a timer.
//
// Connections whose queues are not armed are awake and have a turn in every poll; arm() puts those
// to sleep that have nothing to do. The descriptors are looked at when the host may have slept, and
// every few polls.
//
// Thread rule: the shard's thread. Nothing waits for a peer; making a queue pair or registering
// memory are calls into the kernel that take as long as the adapter takes for them.
// Ownership: owns all that it opens; options and log outlive it.
// Errors: VARVE_E_... as plugins/abi/transport.h says.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/sdk/unique_fd.h"
#include "transports/rdma/address.h"
#include "transports/rdma/connection.h"

namespace varve {

class RdmaContext {
 public:
  // `tls`: null where the node has none.
  RdmaContext(const RdmaOptions& options, PluginTls* tls, const HostLog& log);
  // False: `why` says what this machine lacks.
  bool open(std::string& why);

  int32_t memory_register(void* base, uint64_t bytes, uint64_t* memory);
  int32_t memory_unregister(uint64_t memory);
  // What is wrong, or empty; `bound` is where peers connect to.
  std::string listen(const std::string& address, std::string& bound);
  int32_t connect(const std::string& address, uint64_t op_id);
  int32_t disconnect(uint64_t connection);
  int32_t receive_post(const varve_slice& buffer, uint64_t op_id);
  int32_t send(uint64_t connection, const varve_message& message, uint64_t op_id);
  int32_t poll(varve_transport_event* events, uint32_t capacity);
  bool arm();
  int wait_fd() const { return epoll_.get(); }

 private:
  struct Arena {
    uint64_t memory;
    void* base;
    uint64_t bytes;
  };
  // A connection that is not made yet.
  struct Pending {
    bool asked_by_us;
    uint64_t op_id;
    uint64_t deadline_ms;
  };
  // What the connection manager has to say, once it was acknowledged.
  struct News {
    int type;  // rdma_cm_event_type
    int status;
    rdma_cm_id* id;
    uint8_t peer_asks_depth;
    uint8_t peer_asked_depth;
    std::vector<uint8_t> greeting;
  };

  bool watch(int fd);
  // The device behind a bound or resolved id, opened when it is new; null: `why` says what is
  // wrong.
  RdmaDevice* device_of(rdma_cm_id* id, std::string& why);
  void set_options(rdma_cm_id* id) const;
  void look_at_descriptors();
  void take_news();
  bool next_news(News& news);
  void take_completions(RdmaDevice& device);
  void happened(const News& news);
  void peer_asks(const News& news);
  std::string admit(RdmaConnection& connection, const News& news, bool& full);
  void address_resolved(RdmaConnection& connection);
  void route_resolved(RdmaConnection& connection);
  void connected(RdmaConnection& connection, const News& news);
  void refused(RdmaConnection& connection, const News& news);
  void settle(RdmaConnection& connection);
  void make_room();
  void device_gone(rdma_cm_id* id);
  // A connection that will not be made; `what` is for the log, if any.
  void give_up(uint64_t number, int32_t result, const std::string& what);
  void wake(RdmaConnection& connection);
  void wake_line();
  void give_turns();
  void forget_ended();
  void tick();
  void set_timer();
  RdmaConnection* find(uint64_t number);

  const RdmaOptions& options_;
  RdmaShard shard_;
  UniqueFd epoll_;
  UniqueFd timer_;
  EventChannel channel_;
  std::vector<Arena> arenas_;
  std::map<ibv_context*, std::unique_ptr<RdmaDevice>> devices_;
  RdmaAddress source_;  // connects come from where we listen
  bool has_source_ = false;
  std::vector<CmId> listeners_;
  uint64_t last_number_ = 0;
  std::unordered_map<uint64_t, Pending> pending_;
  std::unordered_map<uint64_t, std::unique_ptr<RdmaConnection>> connections_;
  std::vector<RdmaConnection*> awake_;
  std::vector<RdmaConnection*> in_line_;  // wait for a buffer
  uint64_t next_check_ms_ = 0;            // of silent peers
  uint64_t timer_ms_ = 0;                 // when it goes off; 0: it is off
  bool may_have_slept_ = true;
  bool said_full_ = false;
  uint32_t polls_without_look_ = 0;
};

}  // namespace varve
