#include "plugins/metadata_etcd/login.h"

#include <algorithm>

#include "plugins/metadata_etcd/limits.h"
#include "plugins/sdk/host.h"

namespace varve {

void Login::refuse(const std::string& token) {
  if (token == token_) token_.clear();
}

void Login::look(Time now) {
  if (ready() || under_way_ || now < next_) return;
  Server* server = members_.pick();
  if (server == nullptr) return;
  next_ = now + std::chrono::milliseconds(kRetryLoginMs);
  std::string password;
  trouble_ = read_secret(options_.password_file, password);
  if (!trouble_.empty()) return;
  password.resize(std::min(password.find_first_of("\r\n"), password.size()));
  under_way_ = true;
  server->login(options_.user, password,
                [this, server](const Reply& reply) { take(*server, reply); });
}

void Login::take(Server& server, const Reply& reply) {
  under_way_ = false;
  refused_ = false;
  switch (judge(reply.failure)) {
    case Verdict::kDone:
      if (!members_.belongs(server, reply.cluster_id)) return;
      token_ = reply.token;
      trouble_ = token_.empty() ? "etcd gave no token" : "";
      return;
    case Verdict::kRefused:
      refused_ = true;
      break;
    case Verdict::kRetry:
    case Verdict::kLogin:
      break;
    case Verdict::kElsewhere:
    case Verdict::kDoubt:
      members_.failed(server, reply.failure);
      break;
  }
  trouble_ =
      join({"logging in as \"", options_.user, "\" at ", server.url(), ": ", reply.failure.words});
}

}  // namespace varve
