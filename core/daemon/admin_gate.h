// AdminGate: who may ask the admin API. On a unix socket its file's rights say so; on TCP whoever
// has proven something, if proof is asked for: a certificate of an admin, or of a monitor who may
// only read, or the token. Also the one who reads this node's certificate for the daemon, and knows
// when it expires.
//
// Thread rule: open() before anything else, then any thread. May read small files.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "plugins/tls/source.h"
#include "plugins/tls/token.h"

namespace varve {

// Whom a connection belongs to.
struct AdminAsker {
  std::string address;  // for the log
  TlsIdentity proven;   // by a certificate; nobody has no name
};

struct AdminVerdict {
  int status = 0;   // of HTTP; 0: the request is welcome
  std::string why;  // for the client and the log
};

class AdminGate {
 public:
  Status open(const NodeConfig& config);

  // Null: plain text. `now_ms` as in TlsSource.
  std::shared_ptr<const TlsCredentials> credentials(int64_t now_ms);
  bool takes_tokens() const { return asks_for_proof_ && token_.configured(); }
  // `authorization`: the header's value.
  AdminVerdict judge(const AdminAsker& asker, const std::string& method,
                     const std::string& authorization, int64_t now_ms);

  // Seconds since 1970 at which this node's certificate expires; 0: it has none.
  int64_t certificate_expires() const { return expires_; }
  // That it does so within 30 days, or has; empty: it does not.
  std::string certificate_problem(int64_t unix_seconds) const;
  // Looks for new certificates, and warns in the log of one that expires soon, once a day at most.
  void watch_certificate(int64_t now_ms, int64_t unix_seconds);

 private:
  bool asks_for_proof_ = false;
  bool speaks_tls_ = false;
  TlsSource certificates_;
  std::atomic<int64_t> expires_ = 0;
  int64_t warned_at_ = 0;  // seconds since 1970
  std::mutex token_mutex_;
  TokenSource token_;
};

}  // namespace varve
