#include "plugins/tls/authority.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>

#include "tests/unit/tls/pki.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string load(const TlsFiles& files) {
  std::shared_ptr<const TlsCredentials> loaded;
  return TlsCredentials::load(files, loaded);
}

}  // namespace

TEST_CASE("an issued certificate says who it is for, and for how long") {
  Pki pki;
  PemPair made;
  REQUIRE(issue_certificate(pki.authority("lab"),
                            {TlsRole::kNode, "n1", {"10.0.0.1", "fd00::1", "n1.example"}, 7}, made)
              .empty());
  CertificateFacts facts;
  REQUIRE(read_certificate_facts(made.certificate, facts).empty());
  CHECK(facts.identity == "node n1 of cluster lab");
  CHECK_FALSE(facts.authority);
  const std::vector<std::string> hosts = {"localhost", "127.0.0.1", "::1",       "n1",
                                          "10.0.0.1",  "fd00::1",   "n1.example"};
  CHECK(facts.hosts == hosts);
  CertificateFacts authority;
  REQUIRE(read_certificate_facts(pki.authority("lab").certificate, authority).empty());
  CHECK(authority.authority);
  CHECK(authority.identity.empty());
  CHECK(facts.not_after < authority.not_after);
}

TEST_CASE("no certificate outlives its authority") {
  Pki pki;
  PemPair made;
  REQUIRE(issue_certificate(pki.authority("lab"), {TlsRole::kClient, "c", {}, 5000}, made).empty());
  CertificateFacts facts;
  CertificateFacts authority;
  read_certificate_facts(made.certificate, facts);
  read_certificate_facts(pki.authority("lab").certificate, authority);
  CHECK(facts.not_after == authority.not_after);
}

TEST_CASE("wishes that cannot be met are refused in words") {
  Pki pki;
  PemPair made;
  const PemPair& ca = pki.authority("lab");
  CHECK_THAT(make_authority("a b", 1, made), ContainsSubstring("no cluster's name"));
  CHECK_THAT(issue_certificate(ca, {TlsRole::kNode, "n/1", {}, 1}, made),
             ContainsSubstring("is no name"));
  CHECK_THAT(issue_certificate(ca, {TlsRole::kNode, "n1", {"a,URI:varve://lab/admin/x"}, 1}, made),
             ContainsSubstring("neither a host name nor"));
  CHECK_THAT(issue_certificate(ca, {TlsRole::kClient, "c", {"host"}, 1}, made),
             ContainsSubstring("nodes only"));
  CHECK_THAT(issue_certificate({ca.certificate, pki.authority("other").key},
                               {TlsRole::kClient, "c", {}, 1}, made),
             ContainsSubstring("not that of its certificate"));
  CHECK_THAT(issue_certificate({"", ""}, {TlsRole::kClient, "c", {}, 1}, made),
             ContainsSubstring("no certificate in PEM"));
  PemPair leaf;
  REQUIRE(issue_certificate(ca, {TlsRole::kNode, "n1", {}, 1}, leaf).empty());
  CHECK_THAT(issue_certificate(leaf, {TlsRole::kClient, "c", {}, 1}, made),
             ContainsSubstring("not made by varve cert init"));
  CHECK(made.key.empty());
}

TEST_CASE("files that do not make a good identity are refused by name") {
  Pki pki;
  const TlsFiles good = pki.issue("lab", TlsRole::kNode, "n1");
  REQUIRE(load(good).empty());
  TlsFiles files = good;
  files.ca = pki.folder() + "/absent";
  CHECK_THAT(load(files), ContainsSubstring("absent: No such file"));
  files = good;
  files.key = pki.issue("lab", TlsRole::kNode, "n1").key;
  CHECK_THAT(load(files), ContainsSubstring("is not the key of the certificate"));
  files = good;
  files.ca = pki.issue("other", TlsRole::kNode, "n1").ca;
  CHECK_THAT(load(files), ContainsSubstring("not good with"));
  files = good;
  files.cert = good.key;
  CHECK_THAT(load(files), ContainsSubstring("no certificate in PEM"));
  files = good;
  files.cert = files.ca = good.ca;
  CHECK_THAT(load(files), ContainsSubstring("no varve:// name"));
  // What is cut off behind a good certificate does not pass for the end of the file.
  const std::string& whole = pki.authority("lab").certificate;
  for (const size_t length : {size_t{40}, whole.size() / 2, whole.size() - 40}) {
    files = good;
    files.ca = pki.folder() + "/two.pem";
    write_text(files.ca, whole + whole.substr(0, length), 0644);
    CHECK_THAT(load(files), ContainsSubstring("that is broken, after 1 good ones"));
  }
  write_text(files.ca, whole + whole + "and words behind it\n", 0644);
  CHECK(load(files).empty());
  files = good;
  files.key = pki.folder();
  CHECK_THAT(load(files), ContainsSubstring("no regular file"));
  for (const unsigned mode : {0644u, 0604u, 0620u}) {
    std::filesystem::permissions(good.key, static_cast<std::filesystem::perms>(mode));
    CHECK_THAT(load(good), ContainsSubstring("others may use it"));
  }
  std::filesystem::permissions(good.key, static_cast<std::filesystem::perms>(0640));
  CHECK(load(good).empty());
}

}  // namespace varve
