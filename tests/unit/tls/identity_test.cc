#include "plugins/tls/identity.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {

TEST_CASE("an identity is read back from its URI") {
  for (const TlsRole role : {TlsRole::kNode, TlsRole::kClient, TlsRole::kAdmin}) {
    const TlsIdentity identity{"lab-1", role, "n.1_a"};
    CHECK(parse_tls_identity(tls_identity_uri(identity)) == identity);
  }
  CHECK(tls_identity_uri({"lab", TlsRole::kNode, "n1"}) == "varve://lab/node/n1");
}

TEST_CASE("what is no identity is none, whatever it looks like") {
  for (const char* uri :
       {"", "varve://", "varve://lab", "varve://lab/node", "varve://lab/node/", "varve:///node/n1",
        "varve://lab//n1", "varve://lab/boss/n1", "varve://lab/node/n1/", "varve://lab/node/n1/x",
        "varve://lab/node/n 1", "varve://lab/node/../n1", "varve://-lab/node/n1",
        "Varve://lab/node/n1", "http://lab/node/n1", "varve://lab/Node/n1", " varve://lab/node/n1",
        "varve-ca://lab/node/n1", "varve://lab/node/n1\n"})
    CHECK_FALSE(parse_tls_identity(uri).has_value());
  const std::string with_nul("varve://lab/node/n1\0", 20);
  CHECK_FALSE(parse_tls_identity(with_nul).has_value());
  CHECK_FALSE(parse_tls_identity("varve://lab/node/" + std::string(65, 'n')).has_value());
  CHECK(parse_tls_identity("varve://lab/node/" + std::string(64, 'n')).has_value());
}

TEST_CASE("who may connect is a matter of cluster and role") {
  const TlsIdentity self{"lab", TlsRole::kNode, "n1"};
  for (const TlsRole role : {TlsRole::kNode, TlsRole::kClient, TlsRole::kAdmin}) {
    for (const TlsRole wanted : {TlsRole::kNode, TlsRole::kClient, TlsRole::kAdmin}) {
      CHECK(tls_refusal({"lab", role, "x"}, self, {wanted}).empty() == (role == wanted));
      CHECK_FALSE(tls_refusal({"other", role, "x"}, self, {wanted}).empty());
    }
  }
  CHECK(tls_refusal({"lab", TlsRole::kClient, "c"}, self, {TlsRole::kClient, TlsRole::kAdmin})
            .empty());
}

}  // namespace varve
