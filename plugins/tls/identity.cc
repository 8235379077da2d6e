#include "plugins/tls/identity.h"

#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <memory>

#include "plugins/tls/openssl_ptr.h"

namespace varve {
namespace {

constexpr std::string_view kScheme = "varve://";
constexpr size_t kNameBytesMax = 64;
constexpr std::array<std::string_view, 4> kRoleNames = {"node", "client", "admin", "monitor"};

bool is_letter_or_digit(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9');
}

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

}  // namespace

std::string_view tls_role_name(TlsRole role) {
  return kRoleNames[static_cast<size_t>(role)];
}

std::optional<TlsRole> tls_role_of(std::string_view name) {
  const auto found = std::find(kRoleNames.begin(), kRoleNames.end(), name);
  if (found == kRoleNames.end()) return std::nullopt;
  return static_cast<TlsRole>(found - kRoleNames.begin());
}

bool is_tls_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || !is_letter_or_digit(name.front()))
    return false;
  return std::all_of(name.begin(), name.end(), [](char letter) {
    return is_letter_or_digit(letter) || letter == '.' || letter == '_' || letter == '-';
  });
}

std::string tls_identity_uri(const TlsIdentity& identity) {
  std::string uri(kScheme);
  uri.append(identity.cluster).append("/").append(tls_role_name(identity.role));
  return uri.append("/").append(identity.name);
}

std::optional<TlsIdentity> parse_tls_identity(std::string_view uri) {
  if (!uri.starts_with(kScheme)) return std::nullopt;
  uri.remove_prefix(kScheme.size());
  const size_t first = uri.find('/');
  const size_t second = first == std::string_view::npos ? first : uri.find('/', first + 1);
  if (second == std::string_view::npos) return std::nullopt;
  const std::string_view cluster = uri.substr(0, first);
  const auto role = tls_role_of(uri.substr(first + 1, second - first - 1));
  const std::string_view name = uri.substr(second + 1);
  if (!role || !is_tls_name(cluster) || !is_tls_name(name)) return std::nullopt;
  return TlsIdentity{std::string(cluster), *role, std::string(name)};
}

std::string tls_identity_text(const TlsIdentity& identity) {
  std::string text(tls_role_name(identity.role));
  return text.append(" ").append(identity.name).append(" of cluster ").append(identity.cluster);
}

std::string tls_identity_of(const x509_st* certificate, TlsIdentity& identity) {
  const NamesPtr names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  size_t found = 0;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const words = name->d.uniformResourceIdentifier;
    const std::string_view uri(reinterpret_cast<const char*>(ASN1_STRING_get0_data(words)),
                               static_cast<size_t>(ASN1_STRING_length(words)));
    if (!uri.starts_with(kScheme)) continue;
    const auto parsed = parse_tls_identity(uri);
    if (!parsed) return "its certificate has a varve:// name that is none";
    identity = *parsed;
    ++found;
  }
  if (found == 1) return {};
  return found == 0 ? "its certificate has no varve:// name" : "its certificate has several names";
}

std::string tls_refusal(const TlsIdentity& peer, const TlsIdentity& self, TlsRoles allowed) {
  const std::string who = "its certificate is that of " + tls_identity_text(peer);
  if (!self.name.empty() && peer.cluster != self.cluster)
    return who + ", this node's of cluster " + self.cluster;
  if (allowed.has(peer.role)) return {};
  std::string wanted;
  for (size_t i = 0; i < kRoleNames.size(); ++i) {
    const auto role = static_cast<TlsRole>(i);
    if (!allowed.has(role)) continue;
    wanted.append(wanted.empty() ? "" : " or ").append(role == TlsRole::kAdmin ? "an " : "a ");
    wanted.append(tls_role_name(role));
  }
  return who + ", and here it must be that of " + wanted;
}

}  // namespace varve
