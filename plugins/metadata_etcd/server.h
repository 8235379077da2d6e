// Server: one etcd behind one endpoint. All keys and revisions are those of plugins/abi/metadata.h:
// without the option `prefix`, and counted from 0 where etcd counts from 1.
//
// A call is sent now or fails now: it does not wait for a connection that was lost.
//
// Thread rule: the plugin's thread. Handlers are called from CompletionLoop::wait().
// Ownership: borrows the loop. Calls may outlive the server.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/options.h"
#include "plugins/metadata_etcd/refusal.h"
#include "plugins/sdk/metadata_calls.h"

namespace varve {

class WatchStream;

// What the files of the options hold, PEM; empty: not given.
struct Certificates {
  std::string ca, cert, key;
};

// What every answer may tell.
struct Reply {
  Failure failure;
  uint64_t cluster_id = 0;
  uint64_t raft_term = 0;
  uint64_t revision = 0;
  bool succeeded = false;  // commit
  bool more = false;       // page: the range goes on
  std::string next;        // page: from here
  uint64_t leader = 0;     // status: 0 for none
  std::string version;     // status
  std::string token;       // login
  std::vector<Entry> entries;
  size_t strange_count = 0;  // entries left out, which no Varve can have written
};
using ReplyHandler = std::function<void(Reply)>;

struct WatchMessage {
  bool ended = false;  // the last one: see `failure`
  Failure failure;
  bool created = false;
  bool canceled = false;
  std::string reason;       // of canceled
  uint64_t compacted = 0;   // of canceled: changes before this revision are gone; 0: another reason
  bool incomplete = false;  // more of the same revision follows
  uint64_t cluster_id = 0;
  uint64_t revision = 0;       // without entries and not canceled: all up to it were told
  std::vector<Entry> entries;  // in the order of their revisions
  size_t strange_count = 0;
};
using WatchHandler = std::function<void(WatchMessage)>;

class Server {
 public:
  Server(CompletionLoop& loop, const EtcdOptions& options, size_t endpoint,
         const Certificates& certificates);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  const std::string& url() const { return url_; }
  // There is a connection on which a call can be sent.
  bool connected() const;

  void ask_status(ReplyHandler handler);
  void login(const std::string& user, const std::string& password, ReplyHandler handler);
  // Which revision the store has by now.
  void ask_revision(const std::string& token, ReplyHandler handler);
  // The keys under `prefix` from `from` on, as of a revision (0: now, which the majority confirms).
  void range(const std::string& prefix, const std::string& from, uint64_t as_of,
             const std::string& token, ReplyHandler handler);
  void commit(const Transaction& transaction, const std::string& token, ReplyHandler handler);
  // All changes after `revision`. The stream is there until its last message or its cancel().
  WatchStream* watch(const std::string& prefix, uint64_t revision, const std::string& token,
                     WatchHandler handler);

 private:
  struct Stubs;

  CompletionLoop& loop_;
  const std::string url_;
  const std::string prefix_;
  std::unique_ptr<Stubs> stubs_;
};

}  // namespace varve
