#include "plugins/tls/source.h"

#include <sys/stat.h>

namespace varve {
namespace {

constexpr int64_t kLookMs = 1000;

}  // namespace

TlsSource::Stamps TlsSource::look() const {
  Stamps stamps;
  const std::array<const std::string*, 3> paths = {&files_.ca, &files_.cert, &files_.key};
  for (size_t i = 0; i < paths.size(); ++i) {
    struct stat info{};
    if (::stat(paths[i]->c_str(), &info) != 0) continue;
    stamps[i] = {info.st_ino, info.st_ctim.tv_sec, info.st_ctim.tv_nsec, info.st_size};
  }
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
  const std::string wrong = TlsCredentials::load(files_, credentials_);
  if (wrong.empty()) {
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
