// Handshakes over memory: who is believed, and that nothing else is taken for one.
#include "plugins/tls/handshake.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <vector>

#include "tests/unit/tls/pki.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;
using State = TlsHandshake::State;
using Credentials = std::shared_ptr<const TlsCredentials>;
using Bytes = std::vector<uint8_t>;

Bytes all_of(TlsHandshake& from, size_t piece = 1000) {
  Bytes out;
  while (from.has_output()) {
    Bytes some(piece);
    some.resize(from.take(some));
    out.insert(out.end(), some.begin(), some.end());
  }
  return out;
}

struct HandshakePair {
  HandshakePair(const Credentials& server_side, const Credentials& client_side)
      : server(server_side, {TlsRole::kNode}, TlsHandshake::Side::kServer),
        client(client_side, {TlsRole::kNode}, TlsHandshake::Side::kClient) {}

  // Each flight in pieces of this size.
  void shake(size_t piece = 1'000'000) {
    client.step();
    for (int flight = 0; flight < 4; ++flight) {
      pass(client, server, piece);
      pass(server, client, piece);
    }
  }
  static void pass(TlsHandshake& from, TlsHandshake& to, size_t piece) {
    const Bytes bytes = all_of(from);
    for (size_t at = 0; at < bytes.size(); at += piece) {
      to.give(std::span(bytes).subspan(at, std::min(piece, bytes.size() - at)));
      to.step();
    }
  }

  TlsHandshake server;
  TlsHandshake client;
};

// OpenSSL alone, as somebody else may use it.
struct BareClient {
  BareClient(ssl_ctx_st* context, const Credentials& server_side)
      : server(server_side, {TlsRole::kNode}, TlsHandshake::Side::kServer), ssl(SSL_new(context)) {
    SSL_set_bio(ssl.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl.get());
  }
  // What it has to say, to the server.
  void pass() {
    Bytes flight(20'000);
    const int count = BIO_read(SSL_get_wbio(ssl.get()), flight.data(), 20'000);
    if (count <= 0) return;
    server.give(std::span(flight).first(static_cast<size_t>(count)));
    server.step();
  }
  void shake() {
    for (int i = 0; i < 4; ++i) {
      SSL_do_handshake(ssl.get());
      pass();
      const Bytes answer = all_of(server);
      BIO_write(SSL_get_rbio(ssl.get()), answer.data(), static_cast<int>(answer.size()));
    }
  }

  TlsHandshake server;
  SslPtr ssl;
};

Bytes keys_of(const TlsHandshake& side, std::string_view label, const Bytes& context) {
  Bytes keys(32);
  REQUIRE(side.export_keys(label, context, keys));
  return keys;
}

}  // namespace

TEST_CASE(
    "two nodes of a cluster find out who the other is, and have keys, in pieces of any size") {
  Pki pki;
  const auto one = pki.credentials("lab", TlsRole::kNode, "n1");
  const auto two = pki.credentials("lab", TlsRole::kNode, "n2");
  Bytes keys;
  for (const size_t piece : {1ul, 7ul, 8192ul, 1'000'000ul}) {
    HandshakePair pair(one, two);
    Bytes none(32);
    CHECK_FALSE(pair.client.export_keys("EXPORTER-x", {}, none));
    pair.shake(piece);
    REQUIRE(pair.server.state() == State::kDone);
    REQUIRE(pair.client.state() == State::kDone);
    CHECK(pair.server.peer() == TlsIdentity{"lab", TlsRole::kNode, "n2"});
    CHECK(pair.client.peer() == TlsIdentity{"lab", TlsRole::kNode, "n1"});
    const Bytes at_server = keys_of(pair.server, "EXPORTER-x", {1, 2});
    CHECK(at_server == keys_of(pair.client, "EXPORTER-x", {1, 2}));
    CHECK(at_server != keys_of(pair.client, "EXPORTER-y", {1, 2}));
    CHECK(at_server != keys_of(pair.client, "EXPORTER-x", {1, 3}));
    CHECK(at_server != keys);
    keys = at_server;
  }
}

TEST_CASE("a handshake with another cluster, another role or nobody fails on both sides") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  {
    HandshakePair pair(node, pki.credentials("lab", TlsRole::kClient, "c1"));
    pair.shake();
    CHECK(pair.server.state() == State::kFailed);
    CHECK_THAT(pair.server.why(), ContainsSubstring("and here it must be that of a node"));
    CHECK(pair.client.state() == State::kFailed);
    CHECK_THAT(pair.client.why(), ContainsSubstring("it refuses this side"));
  }
  {
    HandshakePair pair(node, pki.credentials("other", TlsRole::kNode, "n2"));
    pair.shake();
    CHECK_THAT(pair.client.why(), ContainsSubstring("certificate is not good"));
    CHECK_THAT(pair.server.why(), ContainsSubstring("it refuses this side"));
  }
  {
    // Believes the node, and has an authority that the node does not know.
    const TlsFiles files = pki.issue("other", TlsRole::kNode, "n2");
    write_text(files.ca, pki.authority("lab").certificate + pki.authority("other").certificate,
               0644);
    // One authority for both clusters, as the node sees it.
    const TlsFiles own = pki.issue("lab", TlsRole::kNode, "n1");
    write_text(own.ca, pki.authority("lab").certificate + pki.authority("other").certificate, 0644);
    Credentials trusts_both;
    REQUIRE(TlsCredentials::load(own, trusts_both).empty());
    Credentials stranger;
    REQUIRE(TlsCredentials::load(files, stranger).empty());
    HandshakePair pair(trusts_both, stranger);
    pair.shake();
    CHECK_THAT(pair.client.why(), ContainsSubstring("node n1 of cluster lab, this node's of "));
    CHECK(pair.server.state() == State::kFailed);
  }
}

TEST_CASE("a client that shows no certificate is refused") {
  Pki pki;
  const SslContextPtr context(SSL_CTX_new(TLS_method()));
  BareClient bare(context.get(), pki.credentials("lab", TlsRole::kNode, "n1"));
  bare.shake();
  CHECK(bare.server.state() == State::kFailed);
  CHECK_THAT(bare.server.why(), ContainsSubstring("shows no certificate"));
}

TEST_CASE("a peer that sends data or new keys behind its handshake is refused") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  for (const bool data : {false, true}) {
    BareClient bare(node->context(), node);
    bare.shake();
    REQUIRE(bare.server.state() == State::kDone);
    if (data)
      REQUIRE(SSL_write(bare.ssl.get(), "more", 4) == 4);
    else
      REQUIRE(SSL_key_update(bare.ssl.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
    SSL_do_handshake(bare.ssl.get());
    bare.pass();
    CHECK(bare.server.state() == State::kFailed);
    CHECK_THAT(bare.server.why(), ContainsSubstring("more than a TLS handshake"));
  }
}

TEST_CASE("what is no handshake fails, and what is a part of one only waits") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  for (const std::string& text :
       {std::string("GET / HTTP/1.1\r\n\r\n"), std::string(500, '\0'),
        std::string("VRVT0123456789"), std::string("\x16\x03\x01\xff\xff\x01", 6)}) {
    TlsHandshake server(node, {TlsRole::kNode}, TlsHandshake::Side::kServer);
    server.give({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
    CHECK(server.step() == State::kFailed);
    CHECK_FALSE(server.why().empty());
    CHECK(server.step() == State::kFailed);
  }
  HandshakePair pair(node, node);
  pair.client.step();
  const Bytes hello = all_of(pair.client);
  for (size_t bytes = 0; bytes < hello.size(); ++bytes) {
    TlsHandshake server(node, {TlsRole::kNode}, TlsHandshake::Side::kServer);
    server.give(std::span(hello).first(bytes));
    REQUIRE(server.step() == State::kGoesOn);
    REQUIRE_FALSE(server.has_output());
  }
}

TEST_CASE("every changed byte of a handshake ends it") {
  Pki pki;
  const auto one = pki.credentials("lab", TlsRole::kNode, "n1");
  const auto two = pki.credentials("lab", TlsRole::kNode, "n2");
  HandshakePair whole(one, two);
  whole.client.step();
  const size_t hello_bytes = all_of(whole.client).size();
  // A step of 37 leaves no part of a record out, and takes a second less.
  for (size_t at = 0; at < hello_bytes; at += 37) {
    HandshakePair pair(one, two);
    pair.client.step();
    Bytes hello = all_of(pair.client);
    if (at >= hello.size()) break;
    hello[at] ^= 0x41;
    pair.server.give(hello);
    pair.server.step();
    pair.shake();
    CHECK_FALSE((pair.server.state() == State::kDone && pair.client.state() == State::kDone));
  }
}

}  // namespace varve
