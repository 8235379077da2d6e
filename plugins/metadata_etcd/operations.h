// Operations: the ranges and commits that are under way. Each gets its one result.
//
// An operation waits until a server is usable, at most its patience; nothing was sent then. A
// commit is sent once: when the answer is lost, nobody knows. A page of a range is asked again,
// elsewhere.
//
// Thread rule: the plugin's thread. Ownership: borrows the rest.
#pragma once

#include <list>
#include <string>
#include <vector>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/horizon.h"
#include "plugins/metadata_etcd/login.h"
#include "plugins/metadata_etcd/members.h"
#include "plugins/metadata_etcd/trouble_log.h"
#include "plugins/sdk/metadata_calls.h"

namespace varve {

class Operations {
 public:
  Operations(Members& members, Login& login, Horizon& horizon, TroubleLog& trouble)
      : members_(members), login_(login), horizon_(horizon), trouble_(trouble) {}
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  void add(Request request);
  void look(Time now);
  // Some are not under way.
  bool waiting() const { return waiting_count_ > 0; }

 private:
  struct Operation {
    Request request;
    Time deadline{};
    Time next_try{};
    bool under_way = false;
    int logins = 0;
    std::string words;    // what was wrong the last time
    uint64_t before = 0;  // of the horizon, when the first page was asked
    uint64_t as_of = 0;   // range: of the first page
    std::string from;     // range: the next page
    std::vector<Entry> entries;
  };
  using Place = std::list<Operation>::iterator;

  void send(Place place, Server& server);
  void take(Place place, Server& server, const std::string& token, Reply reply);
  // A page came; true: it was the last one.
  bool add_page(Operation& operation, Reply& reply);
  void wait(Operation& operation, const Failure& failure);
  void finish(Place place, int32_t result, Answer answer, const std::string& words);

  Members& members_;
  Login& login_;
  Horizon& horizon_;
  TroubleLog& trouble_;
  std::list<Operation> operations_;
  size_t waiting_count_ = 0;
};

}  // namespace varve
