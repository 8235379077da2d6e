// TcpContext: the listeners, connects and connections of one shard behind one epoll descriptor.
//
// Asio's reactor keeps its descriptor to itself and would be a second one, so only its addresses
// are used here. A poll gives a turn to connections that have something to do. It looks at the
// sockets when the host has slept and nothing else can have woken it, or when nobody has looked for
// a few polls; what it has not seen keeps wait_fd readable. So a request and its reply cost each
// side one recvmsg and one sendmsg, and an epoll_wait when it could not be guessed who was next.
//
// With TLS the host is told of a connection when its handshake is done (handshakes.h).
//
// Thread rule: the shard's thread. Nothing blocks.
// Ownership: owns its sockets; options, tls and log outlive it.
// Errors: VARVE_E_... as plugins/abi/transport.h says.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "plugins/sdk/next_reader.h"
#include "transports/tcp/connection.h"
#include "transports/tcp/handshakes.h"
#include "transports/tcp/sockets.h"

namespace varve {

class TcpContext {
 public:
  TcpContext(const TcpOptions& options, PluginTls& tls, const HostLog& log);
  // No descriptors were left.
  bool valid() const { return shard_.epoll.valid() && timer_.valid(); }

  MemoryTable& memory() { return shard_.memory; }
  // What is wrong, or empty; `bound` is where peers connect to.
  std::string listen(const std::string& address, std::string& bound);
  int32_t connect(const std::string& address, uint64_t op_id);
  int32_t disconnect(uint64_t connection);
  int32_t receive_post(const varve_slice& buffer, uint64_t op_id);
  int32_t send(uint64_t connection, const varve_message& message, uint64_t op_id);
  int32_t poll(varve_transport_event* events, uint32_t capacity);
  bool arm();
  int wait_fd() const { return shard_.epoll.get(); }

 private:
  struct Connecting {
    UniqueFd socket;
    uint64_t op_id;
    uint64_t deadline_ms;
    std::string peer;
  };

  bool watch(int fd, uint32_t events, uint64_t id);
  bool read_likely();
  void look_at_sockets();
  void give_turns();
  void activate(TcpConnection& connection);
  void activate_line();
  void accept_peers();
  void accept_some(size_t listener);
  bool full();
  void adopt(UniqueFd socket, uint64_t id, std::string peer, std::unique_ptr<TlsStream> tls);
  void finish_connect(uint64_t id, Connecting& connecting);
  void go_on_with_handshakes();
  void handshake_ended(Handshakes::Ended& ended);
  void end_late_connects();
  void set_timer();

  const TcpOptions& options_;
  PluginTls& tls_;
  TcpShard shard_;
  Handshakes handshakes_;
  UniqueFd timer_;  // for the connects
  std::vector<UniqueFd> listeners_;
  std::set<size_t> accepting_;  // listeners that may have more
  std::set<size_t> starved_;    // listeners that have found no descriptor
  uint64_t last_id_ = 0;        // connects and connections share their numbers
  std::unordered_map<uint64_t, Connecting> connecting_;
  std::unordered_map<uint64_t, std::unique_ptr<TcpConnection>> connections_;
  NextReader next_reader_;
  std::vector<TcpConnection*> active_;  // have something to do
  std::vector<TcpConnection*> turns_;   // are having their turn
  std::deque<TcpConnection*> in_line_;  // wait for a buffer
  bool may_have_slept_ = true;
  bool said_full_ = false;
  uint32_t polls_without_sockets_ = 0;
};

}  // namespace varve
