#include "core/daemon/tls.h"

#include <unistd.h>

#include <array>

#include "core/base/text.h"

namespace varve {

std::string node_name(const NodeConfig& config) {
  if (!config.name.empty()) return config.name;
  std::array<char, 256> name{};
  if (gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "node";
  return name.data();
}

TlsFiles tls_files(const TlsConfig& config) {
  return {config.ca_file, config.cert_file, config.key_file};
}

std::string tls_not_of_node(const TlsIdentity& self, const std::string& name) {
  if (self.role == TlsRole::kNode && self.name == name) return {};
  return text("the certificate is that of ", tls_identity_text(self), ", this is node ", name,
              "; varve cert issue node ", name, " makes one");
}

}  // namespace varve
