// TlsIdentity: who a certificate says that its owner is. It is one URI among the certificate's
// subject alternative names; nothing else of the certificate (no common name) is believed:
//
//     varve://CLUSTER/ROLE/NAME
//
// CLUSTER and NAME: 1 to 64 of letters, digits, '.', '_' and '-', the first a letter or digit.
//
// Thread rule: plain values and pure functions.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

struct x509_st;  // of libcrypto

namespace varve {

enum class TlsRole : uint8_t {
  kNode,     // a varved, NAME as in its config
  kClient,   // uses volumes
  kAdmin,    // may ask everything of the admin API
  kMonitor,  // may read there
};

std::string_view tls_role_name(TlsRole role);  // "node", ...
std::optional<TlsRole> tls_role_of(std::string_view name);

// Which roles may connect.
class TlsRoles {
 public:
  TlsRoles(std::initializer_list<TlsRole> roles) {
    for (const TlsRole role : roles) bits_ |= 1u << static_cast<uint32_t>(role);
  }
  bool has(TlsRole role) const { return (bits_ >> static_cast<uint32_t>(role) & 1) != 0; }

 private:
  uint32_t bits_ = 0;
};

struct TlsIdentity {
  std::string cluster;
  TlsRole role = TlsRole::kClient;
  std::string name;

  bool operator==(const TlsIdentity&) const = default;
};

bool is_tls_name(std::string_view name);
inline constexpr std::string_view kTlsNameGrammar =
    "1 to 64 of letters, digits, '.', '_' and '-', the first a letter or digit";

std::string tls_identity_uri(const TlsIdentity& identity);
std::optional<TlsIdentity> parse_tls_identity(std::string_view uri);
// For people: "node n1 of cluster lab".
std::string tls_identity_text(const TlsIdentity& identity);

// Reads it from a certificate that was verified. Returns what is wrong with it; empty: nothing.
std::string tls_identity_of(const x509_st* certificate, TlsIdentity& identity);
// Why `peer` may not connect to `self`'s listener for `allowed`, or be what `self` connects to;
// empty: it may. A `self` without a name is of no cluster, and believes those of any.
std::string tls_refusal(const TlsIdentity& peer, const TlsIdentity& self, TlsRoles allowed);

}  // namespace varve
