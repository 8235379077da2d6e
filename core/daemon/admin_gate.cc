#include "core/daemon/admin_gate.h"

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/daemon/tls.h"

namespace varve {
namespace {

constexpr int64_t kDaySeconds = 86'400;
constexpr int64_t kWarnedBeforeSeconds = 30 * kDaySeconds;
constexpr int kUnauthorized = 401;
constexpr int kForbidden = 403;

void tell(const std::string& news, bool bad) {
  if (news.empty()) return;
  if (bad)
    log_warn("admin", news);
  else
    log_info("admin", news);
}

}  // namespace

Status AdminGate::open(const NodeConfig& config) {
  std::string wrong;
  if (config.tls.configured()) wrong = certificates_.open(tls_files(config.tls));
  if (wrong.empty() && config.tls.configured())
    expires_ = certificates_.current(0).credentials->not_after();
  if (wrong.empty() && !config.admin_token_file.empty())
    wrong = token_.open(config.admin_token_file);
  speaks_tls_ = config.admin_speaks_tls();
  asks_for_proof_ = speaks_tls_ || (!config.admin.is_unix() && token_.configured());
  if (!wrong.empty()) return {ErrorCode::kInvalidArgument, wrong};
  return {};
}

std::shared_ptr<const TlsCredentials> AdminGate::credentials(int64_t now_ms) {
  if (!speaks_tls_) return nullptr;
  TlsSource::Current current = certificates_.current(now_ms);
  tell(current.news, current.bad);
  expires_ = current.credentials->not_after();
  return std::move(current.credentials);
}

AdminVerdict AdminGate::judge(const AdminAsker& asker, const std::string& method,
                              const std::string& authorization, int64_t now_ms) {
  if (!asks_for_proof_) return {};
  if (!asker.proven.name.empty()) {
    if (asker.proven.role == TlsRole::kAdmin || method == "GET" || method == "HEAD") return {};
    return {kForbidden, text("the certificate is that of ", tls_identity_text(asker.proven),
                             ", who may only read; this needs one of an admin")};
  }
  const std::lock_guard lock(token_mutex_);
  bool bad = false;
  tell(token_.look(now_ms, bad), bad);
  if (authorization.empty()) {
    return {kUnauthorized, speaks_tls_ ? "no certificate of an admin, and no token: give either"
                                       : "no token: give one"};
  }
  if (token_.is(bearer_token(authorization))) return {};
  return {kUnauthorized, "the token is not that of this node"};
}

std::string AdminGate::certificate_problem(int64_t unix_seconds) const {
  const int64_t expires = expires_;
  if (expires == 0 || expires - unix_seconds > kWarnedBeforeSeconds) return {};
  return text("this node's certificate ",
              expires > unix_seconds ? "expires at " : "has expired at ", tls_time_text(expires),
              "; varve cert issue --force makes a new one, which is taken without a restart");
}

void AdminGate::watch_certificate(int64_t now_ms, int64_t unix_seconds) {
  if (!certificates_.configured()) return;
  TlsSource::Current current = certificates_.current(now_ms);
  tell(current.news, current.bad);
  expires_ = current.credentials->not_after();
  const std::string problem = certificate_problem(unix_seconds);
  if (problem.empty() || (warned_at_ != 0 && unix_seconds - warned_at_ < kDaySeconds)) return;
  warned_at_ = unix_seconds;
  log_warn("tls", problem);
}

}  // namespace varve
