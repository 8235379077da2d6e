// Watches: the watches of all contexts, each with a stream of its own.
//
// Before each stream is opened the majority is asked which revision the store has. When that is
// less than what the watch knows, or the term went back, or the store became an older one, the
// watch says RESYNC: a backup was put back. It also says so when etcd has compacted what is
// missing.
//
// Thread rule: the plugin's thread. Ownership: borrows the rest.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <string>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/horizon.h"
#include "plugins/metadata_etcd/login.h"
#include "plugins/metadata_etcd/members.h"
#include "plugins/metadata_etcd/trouble_log.h"
#include "plugins/metadata_etcd/watch_news.h"
#include "plugins/sdk/metadata_calls.h"
#include "plugins/sdk/metadata_mailbox.h"

namespace varve {

class Watches {
 public:
  Watches(Members& members, Login& login, Horizon& horizon, TroubleLog& trouble)
      : members_(members), login_(login), horizon_(horizon), trouble_(trouble) {}
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  void add(const Request& request);
  void remove(const Request& request);
  void look(Time now);
  // Some have no stream yet.
  bool waiting() const;

 private:
  enum class State { kWaiting, kAsking, kOpening, kOpen };
  struct Watch {
    std::shared_ptr<Mailbox> mailbox;
    uint64_t op_id = 0;
    uint64_t number = 0;  // in its mailbox
    uint64_t id = 0;      // among all watches
    std::string prefix;
    WatchNews news;
    State state = State::kWaiting;
    Time next_try{};
    Time open_by{};  // kOpening
    Server* server = nullptr;
    WatchStream* stream = nullptr;
    std::string token;
    uint64_t lives = 0;  // of the horizon, when the watch was opened; 0: never
    uint64_t term = 0;   // of raft, likewise
  };

  Watch* find(uint64_t id);
  void tell(Watch& watch);
  void ask(Watch& watch, Server& server);
  void open(Watch& watch, uint64_t before, const Reply& reply);
  void hear(Watch& watch, WatchMessage message);
  void canceled(Watch& watch, const WatchMessage& message);
  void interrupted(Watch& watch, const Failure& failure);
  void close(Watch& watch, uint64_t pause_ms);

  Members& members_;
  Login& login_;
  Horizon& horizon_;
  TroubleLog& trouble_;
  std::list<Watch> watches_;
  uint64_t last_id_ = 0;
};

}  // namespace varve
