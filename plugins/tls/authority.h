// A certificate authority in two PEM texts: for clusters that have none. ECDSA on P-256.
//
// Thread rule: pure functions of their arguments, the clock and the random source.
// Errors: a sentence; empty means success.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "plugins/tls/identity.h"

namespace varve {

struct PemPair {
  std::string certificate;
  std::string key;
};

// What `varve cert show` tells of a certificate.
struct CertificateFacts {
  std::string subject;
  std::string issuer;
  std::string identity;            // for people; empty: none
  std::vector<std::string> hosts;  // names and addresses that clients may use
  int64_t not_after = 0;
  bool authority = false;
};

inline constexpr uint32_t kCertificateDaysMax = 36500;

// The authority of a cluster.
std::string make_authority(const std::string& cluster, uint32_t days, PemPair& made);

struct CertificateWish {
  TlsRole role = TlsRole::kClient;
  std::string name;
  std::vector<std::string> hosts;  // of a node: DNS names and IP addresses
  uint32_t days = 0;
};
// Signed by `authority`, for its cluster, and not valid beyond it.
std::string issue_certificate(const PemPair& authority, const CertificateWish& wish, PemPair& made);

// Of the first certificate in the text.
std::string read_certificate_facts(const std::string& pem, CertificateFacts& facts);

}  // namespace varve
