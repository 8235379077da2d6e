#include "plugins/tls/authority.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "plugins/tls/credentials.h"

namespace varve {
namespace {

// Clocks of other machines may be behind ours.
constexpr long kBackdateSeconds = 3600;
constexpr long kDaySeconds = 86'400;
constexpr size_t kHostsMax = 64;

// The authority of a cluster has its name in such a URI, and cannot be taken for a node.
constexpr std::string_view kAuthorityScheme = "varve-ca://";

std::string openssl_failed(const char* what) {
  const char* const words = ERR_reason_error_string(ERR_peek_error());
  ERR_clear_error();
  return std::string(what) + ": " + (words == nullptr ? "unknown error" : words);
}

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

bool add_extension(X509* to, const X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, const_cast<X509*>(issuer), to, nullptr, nullptr, 0);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(to, extension.get(), -1) == 1;
}

bool set_name(X509_NAME* name, const std::string& common, const std::string& organisation) {
  const auto add = [name](const char* field, const std::string& value) {
    return X509_NAME_add_entry_by_txt(name, field, MBSTRING_ASC,
                                      reinterpret_cast<const unsigned char*>(value.data()),
                                      static_cast<int>(value.size()), -1, 0) == 1;
  };
  return add("O", organisation) && add("CN", common);
}

// 127 random bits: positive, and never the same twice.
bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes;
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) return false;
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(
      BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

std::string pem_of(BIO* bio) {
  char* data = nullptr;
  const long bytes = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(bytes)};
}

std::string to_pem(X509* certificate, EVP_PKEY* key, PemPair& made) {
  const BioPtr certificate_out(BIO_new(BIO_s_mem()));
  const BioPtr key_out(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_X509(certificate_out.get(), certificate) != 1 ||
      PEM_write_bio_PrivateKey(key_out.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1)
    return openssl_failed("cannot write PEM");
  made = {pem_of(certificate_out.get()), pem_of(key_out.get())};
  return {};
}

CertificatePtr read_certificate(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  CertificatePtr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

using NamesPtr = std::unique_ptr<GENERAL_NAMES, Freed<GENERAL_NAMES_free>>;

NamesPtr names_of(const X509* certificate) {
  return NamesPtr(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
}

std::string_view words_of(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

// The cluster of an authority; empty: it is none of ours.
std::string cluster_of(const X509* authority) {
  const NamesPtr names = names_of(authority);
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_URI) continue;
    std::string_view uri = words_of(name->d.uniformResourceIdentifier);
    if (!uri.starts_with(kAuthorityScheme)) continue;
    uri.remove_prefix(kAuthorityScheme.size());
    if (is_tls_name(uri)) return std::string(uri);
  }
  return {};
}

bool is_host(const std::string& host) {
  return !host.empty() && host.size() <= 253 &&
         std::all_of(host.begin(), host.end(), [](char letter) {
           return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                  (letter >= '0' && letter <= '9') || letter == '.' || letter == '-' ||
                  letter == '_';
         });
}

bool is_ip(const std::string& host) {
  std::array<unsigned char, 16> bytes;
  return inet_pton(AF_INET, host.c_str(), bytes.data()) == 1 ||
         inet_pton(AF_INET6, host.c_str(), bytes.data()) == 1;
}

std::string alternative_names(const TlsIdentity& identity, const CertificateWish& wish,
                              std::string& names) {
  names = "URI:" + tls_identity_uri(identity);
  if (wish.role != TlsRole::kNode)
    return wish.hosts.empty() ? "" : "hosts belong into the certificates of nodes only";
  if (wish.hosts.size() > kHostsMax) return "a certificate has at most 64 hosts";
  std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1", wish.name};
  hosts.insert(hosts.end(), wish.hosts.begin(), wish.hosts.end());
  for (const std::string& host : hosts) {
    if (is_ip(host))
      names += ",IP:" + host;
    else if (is_host(host))
      names += ",DNS:" + host;
    else
      return "\"" + host + "\" is neither a host name nor an IP address";
  }
  return {};
}

// Everything but the extensions.
bool fill_in(X509* certificate, EVP_PKEY* key, const X509* issuer, uint32_t days) {
  X509_gmtime_adj(X509_getm_notBefore(certificate), -kBackdateSeconds);
  const time_t end = time(nullptr) + kDaySeconds * static_cast<long>(days);
  const bool shorter = issuer != certificate && tls_not_after(issuer) < end;
  const time_t until = shorter ? static_cast<time_t>(tls_not_after(issuer)) : end;
  return X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), until) != nullptr &&
         X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
         X509_set_pubkey(certificate, key) == 1;
}

}  // namespace

std::string make_authority(const std::string& cluster, uint32_t days, PemPair& made) {
  if (!is_tls_name(cluster))
    return "\"" + cluster + "\" is no cluster's name: it has " + std::string(kTlsNameGrammar);
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  X509* const own = certificate.get();
  const bool good =
      key != nullptr && own != nullptr &&
      set_name(X509_get_subject_name(own), "Varve authority of " + cluster, cluster) &&
      fill_in(own, key.get(), own, days) &&
      add_extension(own, own, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      add_extension(own, own, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      add_extension(own, own, NID_subject_key_identifier, "hash") &&
      add_extension(own, own, NID_subject_alt_name,
                    "URI:" + std::string(kAuthorityScheme) + cluster) &&
      X509_sign(own, key.get(), EVP_sha256()) > 0;
  return good ? to_pem(own, key.get(), made) : openssl_failed("cannot make the authority");
}

std::string issue_certificate(const PemPair& authority, const CertificateWish& wish,
                              PemPair& made) {
  const CertificatePtr issuer = read_certificate(authority.certificate);
  if (issuer == nullptr) return "the authority's file has no certificate in PEM";
  const BioPtr key_in(
      BIO_new_mem_buf(authority.key.data(), static_cast<int>(authority.key.size())));
  const KeyPtr issuer_key(PEM_read_bio_PrivateKey(key_in.get(), nullptr, nullptr, nullptr));
  if (issuer_key == nullptr) return openssl_failed("the authority's key cannot be read");
  if (X509_check_private_key(issuer.get(), issuer_key.get()) != 1)
    return "the authority's key is not that of its certificate";
  const TlsIdentity identity{cluster_of(issuer.get()), wish.role, wish.name};
  if (identity.cluster.empty())
    return "this authority was not made by varve cert init: it names no cluster";
  if (!is_tls_name(wish.name))
    return "\"" + wish.name + "\" is no name: it has " + std::string(kTlsNameGrammar);
  std::string names;
  if (std::string wrong = alternative_names(identity, wish, names); !wrong.empty()) return wrong;
  const KeyPtr key(EVP_EC_gen("P-256"));
  const CertificatePtr certificate(X509_new());
  X509* const own = certificate.get();
  const char* const usage = wish.role == TlsRole::kNode ? "serverAuth,clientAuth" : "clientAuth";
  const bool good =
      key != nullptr && own != nullptr &&
      set_name(X509_get_subject_name(own), wish.name, identity.cluster) &&
      fill_in(own, key.get(), issuer.get(), wish.days) &&
      add_extension(own, issuer.get(), NID_basic_constraints, "critical,CA:FALSE") &&
      add_extension(own, issuer.get(), NID_key_usage, "critical,digitalSignature") &&
      add_extension(own, issuer.get(), NID_ext_key_usage, usage) &&
      add_extension(own, issuer.get(), NID_subject_key_identifier, "hash") &&
      add_extension(own, issuer.get(), NID_authority_key_identifier, "keyid:always") &&
      add_extension(own, issuer.get(), NID_subject_alt_name, names) &&
      X509_sign(own, issuer_key.get(), EVP_sha256()) > 0;
  return good ? to_pem(own, key.get(), made) : openssl_failed("cannot make the certificate");
}

std::string read_certificate_facts(const std::string& pem, CertificateFacts& facts) {
  const CertificatePtr certificate = read_certificate(pem);
  if (certificate == nullptr) return "there is no certificate in PEM";
  const auto one_line = [](X509_NAME* name) {
    const BioPtr out(BIO_new(BIO_s_mem()));
    X509_NAME_print_ex(out.get(), name, 0, XN_FLAG_RFC2253);
    return pem_of(out.get());
  };
  facts.subject = one_line(X509_get_subject_name(certificate.get()));
  facts.issuer = one_line(X509_get_issuer_name(certificate.get()));
  facts.not_after = tls_not_after(certificate.get());
  facts.authority = X509_check_ca(certificate.get()) == 1;
  TlsIdentity identity;
  if (tls_identity_of(certificate.get(), identity).empty())
    facts.identity = tls_identity_text(identity);
  const NamesPtr names = names_of(certificate.get());
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) facts.hosts.emplace_back(words_of(name->d.dNSName));
    if (name->type != GEN_IPADD) continue;
    const std::string_view bytes = words_of(name->d.iPAddress);
    std::array<char, INET6_ADDRSTRLEN> text{};
    inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text.data(), text.size());
    facts.hosts.emplace_back(text.data());
  }
  return {};
}

}  // namespace varve
