// Pki: certificates in files of a folder of its own, for tests. Gone with it.
//
// Errors: the test fails.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "plugins/tls/authority.h"
#include "plugins/tls/credentials.h"

namespace varve {

class Pki {
 public:
  Pki();
  ~Pki();
  Pki(const Pki&) = delete;
  Pki& operator=(const Pki&) = delete;

  // Files of a new certificate, signed by the authority of `cluster`, which is made when needed.
  TlsFiles issue(const std::string& cluster, TlsRole role, const std::string& name,
                 uint32_t days = 10);
  std::shared_ptr<const TlsCredentials> credentials(const std::string& cluster, TlsRole role,
                                                    const std::string& name);
  const PemPair& authority(const std::string& cluster);
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::map<std::string, PemPair> authorities_;
  size_t count_ = 0;
};

void write_text(const std::string& path, const std::string& content, unsigned mode);

}  // namespace varve
