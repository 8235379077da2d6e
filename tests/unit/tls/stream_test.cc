#include "plugins/tls/stream.h"

#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cerrno>

#include "tests/unit/tls/pki.h"
#include "tests/unit/tls/stream_pair.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;
using Credentials = std::shared_ptr<const TlsCredentials>;
using Handshake = TlsStream::Handshake;
using Pair = StreamPair;

}  // namespace

TEST_CASE("two sides of a cluster find out who the other is, and exchange bytes") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  const auto other = pki.credentials("lab", TlsRole::kNode, "n2");
  Pair pair(node, {TlsRole::kNode}, other, {TlsRole::kNode});
  REQUIRE(pair.shake() == std::pair(Handshake::kDone, Handshake::kDone));
  CHECK(pair.server->peer() == TlsIdentity{"lab", TlsRole::kNode, "n2"});
  CHECK(pair.client->peer() == TlsIdentity{"lab", TlsRole::kNode, "n1"});
  for (const size_t bytes : {1ul, 4096ul, 16'384ul, 16'385ul, 1'000'000ul, 5'000'001ul}) {
    for (const size_t piece : {1000ul, 65'536ul, 1'048'576ul}) {
      transfer(*pair.client, *pair.server, stream_pattern(bytes), piece);
      transfer(*pair.server, *pair.client, stream_pattern(bytes), piece);
    }
  }
  pair.client->say_end();
  char byte = 0;
  const iovec into{&byte, 1};
  CHECK(pair.server->receive({&into, 1}) == 0);
}

TEST_CASE("another cluster, another role and another authority are refused, with the reason") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  // The other cluster's authority is trusted here, as where one authority signs for several.
  const TlsFiles foreign = pki.issue("other", TlsRole::kNode, "n2");
  const TlsFiles own = pki.issue("lab", TlsRole::kNode, "n1");
  write_text(own.ca, pki.authority("lab").certificate + pki.authority("other").certificate, 0644);
  write_text(foreign.ca, pki.authority("lab").certificate + pki.authority("other").certificate,
             0644);
  Credentials trusts_both;
  Credentials stranger;
  REQUIRE(TlsCredentials::load(own, trusts_both).empty());
  REQUIRE(TlsCredentials::load(foreign, stranger).empty());
  {
    Pair pair(trusts_both, {TlsRole::kNode}, stranger, {TlsRole::kNode});
    CHECK(pair.shake().second == Handshake::kFailed);
    CHECK_THAT(pair.client->why(), ContainsSubstring("node n1 of cluster lab, this node's of "));
  }
  {
    Pair pair(node, {TlsRole::kNode}, stranger, {TlsRole::kNode});
    CHECK(pair.shake().second == Handshake::kFailed);
  }
  {
    const auto client = pki.credentials("lab", TlsRole::kClient, "c1");
    Pair pair(node, {TlsRole::kNode}, client, {TlsRole::kNode});
    CHECK(pair.shake().first == Handshake::kFailed);
    CHECK_THAT(pair.server->why(),
               ContainsSubstring("client c1 of cluster lab, and here it must be that of a node"));
    char byte = 0;
    const iovec into{&byte, 1};
    CHECK(pair.client->receive({&into, 1}) == -1);
    CHECK_THAT(pair.client->why(), ContainsSubstring("it refuses this side"));
  }
  {
    const auto alone = pki.credentials("other", TlsRole::kNode, "n2");
    Pair pair(node, {TlsRole::kNode}, alone, {TlsRole::kNode});
    CHECK(pair.shake().second == Handshake::kFailed);
    CHECK_THAT(pair.client->why(), ContainsSubstring("certificate is not good"));
    CHECK_THAT(pair.server->why(), ContainsSubstring("it refuses this side"));
  }
}

TEST_CASE("who does not speak TLS 1.3, or shows nothing, is refused") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(500, '\0'),
        std::string("VRVT0123456789"), std::string("\x16\x03\x01\xff\xff\x01", 6)}) {
    Pair pair(node, {TlsRole::kNode}, node, {TlsRole::kNode});
    REQUIRE(::write(pair.sockets[1], bytes.data(), bytes.size()) ==
            static_cast<ssize_t>(bytes.size()));
    CHECK(pair.server->handshake() == Handshake::kFailed);
    CHECK_FALSE(pair.server->why().empty());
  }
  {
    Pair pair(node, {TlsRole::kNode}, node, {TlsRole::kNode});
    CHECK(pair.server->handshake() == Handshake::kGoesOn);
    ::shutdown(pair.sockets[1], SHUT_WR);
    CHECK(pair.server->handshake() == Handshake::kFailed);
    CHECK_THAT(pair.server->why(), ContainsSubstring("hung up"));
  }
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const SslContextPtr context(SSL_CTX_new(TLS_method()));
    SSL_CTX_set_max_proto_version(context.get(), version);
    Pair pair(node, {TlsRole::kNode}, node, {TlsRole::kNode});
    const SslPtr bare(SSL_new(context.get()));
    SSL_set_fd(bare.get(), pair.sockets[1]);
    SSL_set_connect_state(bare.get());
    Handshake end = Handshake::kGoesOn;
    for (int i = 0; i < 10 && end == Handshake::kGoesOn; ++i) {
      SSL_do_handshake(bare.get());
      end = pair.server->handshake();
    }
    CHECK(end == Handshake::kFailed);
    CHECK_THAT(pair.server->why(),
               ContainsSubstring(version == TLS1_3_VERSION ? "shows no certificate" : "TLS 1.3"));
  }
}

TEST_CASE("bytes that were changed on the way end the stream") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  Pair pair(node, {TlsRole::kNode}, node, {TlsRole::kNode});
  REQUIRE(pair.shake().first == Handshake::kDone);
  REQUIRE(::write(pair.sockets[1], "\x17\x03\x03\x00\x20 this record was never encrypted!!", 37) >
          0);
  char room[64];
  const iovec into{room, sizeof(room)};
  CHECK(pair.server->receive({&into, 1}) == -1);
  CHECK(errno == EPROTO);
  CHECK(pair.server->failed());
  CHECK(pair.server->send({&into, 1}) == -1);
}

}  // namespace varve
