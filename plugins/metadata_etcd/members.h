// Members: the servers behind all endpoints, and which of them is used.
//
// A server is used only after it has told its status: that it has a leader and belongs to the same
// etcd cluster as the others. One that failed is asked again first.
//
// Thread rule: the plugin's thread. Ownership: owns the servers; borrows loop and log.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/options.h"
#include "plugins/metadata_etcd/server.h"
#include "plugins/sdk/host.h"

namespace varve {

class Members {
 public:
  Members(CompletionLoop& loop, const EtcdOptions& options, const Certificates& certificates,
          const HostLog& log);
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  // The same one as long as it works; null: none does now.
  Server* pick();
  bool usable(const Server& server) const;
  // A call showed that the server does not work.
  void failed(const Server& server, const Failure& failure);
  // An answer of the server; false: it comes from another etcd cluster and must not be used.
  bool belongs(const Server& server, uint64_t cluster_id);

  // Asks for status where it is due.
  void look(Time now);
  bool all_tried() const;
  bool all_usable() const;
  // That there are two clusters behind the endpoints; empty: there are not.
  const std::string& mixed_up() const { return mixed_up_; }
  // What is wrong with those that are not used.
  std::string trouble() const;

 private:
  struct Member {
    std::unique_ptr<Server> server;
    bool usable = false;
    bool asked = false;  // for its status, which has not come yet
    bool tried = false;
    Time next_ask{};
    std::string wrong;
    std::string warned;  // of which version
  };

  Member& member_of(const Server& server);
  void take_status(Member& member, const Reply& reply);
  void warn_of_version(Member& member, const std::string& version);

  const HostLog& log_;
  std::vector<Member> members_;
  size_t current_ = 0;
  uint64_t cluster_id_ = 0;  // 0: not known yet
  std::string cluster_url_;  // who told it
  std::string mixed_up_;
};

}  // namespace varve
