#include "plugins/tls/source.h"

namespace varve {
namespace {

constexpr int64_t kLookMs = 1000;

}  // namespace

TlsSource::Stamps TlsSource::look() const {
  Stamps stamps;
  const std::array<const std::string*, 3> paths = {&files_.ca, &files_.cert, &files_.key};
  for (size_t i = 0; i < paths.size(); ++i) stamps[i] = FileStamp::of(*paths[i]);
  return stamps;
}

std::string TlsSource::open(const TlsFiles& files) {
  const std::lock_guard lock(mutex_);
  files_ = files;
  read_ = look();
  return TlsCredentials::load(files_, credentials_);
}

TlsSource::Current TlsSource::current(int64_t now_ms) {
  const std::lock_guard lock(mutex_);
  Current current{credentials_, {}, false};
  if (!configured() || now_ms < next_look_ms_) return current;
  next_look_ms_ = now_ms + kLookMs;
  const Stamps now = look();
  if (now == read_) return current;
  std::shared_ptr<const TlsCredentials> loaded;
  std::string wrong = TlsCredentials::load(files_, loaded);
  // Others know us by our name, and may have been told it.
  if (wrong.empty() && loaded->self() != credentials_->self())
    wrong = files_.cert + ": is that of " + tls_identity_text(loaded->self()) + ", and this is " +
            tls_identity_text(credentials_->self()) + "; a restart would take another name";
  if (wrong.empty()) {
    credentials_ = std::move(loaded);
    read_ = now;
    current.credentials = credentials_;
    current.news = "certificates were read again: " + tls_identity_text(credentials_->self()) +
                   ", valid until " + tls_time_text(credentials_->not_after());
    return current;
  }
  const bool lasts = now == tried_;
  if (!lasts) said_ = false;
  tried_ = now;
  if (!lasts || said_) return current;
  said_ = true;
  current.bad = true;
  current.news = "new certificates cannot be used, those before stay: " + wrong;
  return current;
}

}  // namespace varve
