// TlsSource: the newest good credentials of a set of files, which may be replaced at any time.
// Whoever makes a connection asks for them; the files are looked at once a second at most, and
// read again when one of them has changed. What cannot be used is said once, and the credentials
// before it stay; those of somebody else cannot be used. Files that are replaced one after the
// other do not belong together for a moment: that is said only when it lasts.
//
// Thread rule: any thread. Units: `now_ms` is any clock that only goes forward.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>

#include "plugins/tls/credentials.h"
#include "plugins/tls/file.h"

namespace varve {

class TlsSource {
 public:
  // Reads the files. Returns what is wrong, else empty. Before anything else.
  std::string open(const TlsFiles& files);
  bool configured() const { return files_.configured(); }

  struct Current {
    std::shared_ptr<const TlsCredentials> credentials;
    std::string news;  // a line for the log
    bool bad = false;  // what kind of news
  };
  // May read small files. Null credentials when not configured.
  Current current(int64_t now_ms);

 private:
  using Stamps = std::array<FileStamp, 3>;
  Stamps look() const;

  std::mutex mutex_;
  TlsFiles files_;
  std::shared_ptr<const TlsCredentials> credentials_;
  Stamps read_;   // that credentials_ came from
  Stamps tried_;  // that could not be used
  bool said_ = false;
  int64_t next_look_ms_ = INT64_MIN;
};

}  // namespace varve
