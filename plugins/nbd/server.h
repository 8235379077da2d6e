// One context: accepts clients and gives their connections turns.
//
// Sockets are watched edge-triggered, so that a connection that reads no more costs no wake-ups. A
// turn asks epoll only when nothing came from the host and it cannot be guessed who has news, or
// after a few busy turns; that a socket has news meanwhile is not lost, for wait_fd stays readable.
//
// Thread rule: the context's thread. Ownership: its connections; listeners belong to the instance.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/nbd/connection.h"
#include "plugins/nbd/listeners.h"
#include "plugins/nbd/options.h"
#include "plugins/nbd/shard.h"
#include "plugins/sdk/next_reader.h"

namespace varve {

class Server {
 public:
  Server(const NbdOptions& options, PluginTls& tls, Listeners& listeners, const HostLog& log,
         const varve_service_host* host, void* host_context);
  ~Server();

  // False: the kernel gave no descriptors.
  bool valid() const { return shard_.epoll.valid() && shard_.deadlines.valid(); }
  // Returns what went wrong; empty: clients are accepted.
  std::string start();
  void stop();
  bool stopped() const { return stopping_ && connections_.empty(); }
  int32_t poll();
  // True: do not sleep.
  bool arm();
  int wait_fd() const { return shard_.epoll.get(); }

 private:
  uint32_t take_events();
  bool read_likely();
  uint32_t take_sockets();
  uint32_t give_turns();
  void accept_clients(int listener);
  void make_room(bool is_local);
  void listen(bool on);
  void time_passed();
  void retry_stalled();
  void activate(Connection* connection);
  void remove_finished();

  const NbdOptions& options_;
  Listeners& listeners_;
  NbdShard shard_;
  std::vector<int> listener_fds_;
  std::vector<std::unique_ptr<Connection>> connections_;
  NextReader next_reader_;
  std::vector<Connection*> active_;   // have something to do
  std::vector<Connection*> stalled_;  // wait for the host's memory or room
  uint64_t buffers_released_seen_ = 0;
  uint32_t turns_without_sockets_ = 0;
  bool may_have_slept_ = true;  // since the last turn
  bool listening_ = false;
  bool stopping_ = false;
  bool full_ = false;        // said in the log that there are too many clients
  bool may_finish_ = false;  // a connection may have become removable
};

}  // namespace varve
