// Login: the token with which etcd knows us, if the options name a user.
//
// The password is read from its file for each log-in, and kept nowhere.
//
// Thread rule: the plugin's thread. Ownership: borrows the rest.
#pragma once

#include <string>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/members.h"
#include "plugins/metadata_etcd/options.h"

namespace varve {

class Login {
 public:
  Login(Members& members, const EtcdOptions& options) : members_(members), options_(options) {}
  Login(const Login&) = delete;
  Login& operator=(const Login&) = delete;

  bool needed() const { return !options_.user.empty(); }
  // Calls can be made with token(), which is empty where no user is named.
  bool ready() const { return !needed() || !token_.empty(); }
  const std::string& token() const { return token_; }
  // etcd did not take this token: another one is needed.
  void refuse(const std::string& token);

  void look(Time now);
  // What is wrong; empty: nothing.
  const std::string& trouble() const { return trouble_; }
  // etcd does not take user and password.
  bool refused() const { return refused_; }

 private:
  void take(Server& server, const Reply& reply);

  Members& members_;
  const EtcdOptions& options_;
  std::string token_;
  std::string trouble_;
  bool refused_ = false;
  bool under_way_ = false;
  Time next_{};
};

}  // namespace varve
