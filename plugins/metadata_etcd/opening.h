// Opening: the first question to etcd, whose answer says that everything works: endpoints, TLS,
// user and permissions.
//
// Thread rule: the plugin's thread. Ownership: borrows the rest.
#pragma once

#include <future>
#include <string>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/login.h"
#include "plugins/metadata_etcd/members.h"

namespace varve {

class Opening {
 public:
  // `opened` gets "" or what an operator must know.
  Opening(Members& members, Login& login, std::promise<std::string> opened);
  Opening(const Opening&) = delete;
  Opening& operator=(const Opening&) = delete;

  void look(Time now);
  bool ended() const { return ended_; }
  bool failed() const { return failed_; }
  // Ends it when it has not ended.
  void give_up();

 private:
  void take(Server& server, const std::string& token, const Reply& reply);
  void end(const std::string& wrong);

  Members& members_;
  Login& login_;
  std::promise<std::string> opened_;
  const Time deadline_;
  bool under_way_ = false;
  bool ended_ = false;
  bool failed_ = false;
  std::string wrong_;  // the last time
};

}  // namespace varve
