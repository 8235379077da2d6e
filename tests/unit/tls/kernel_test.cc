// Kernel TLS. Where the kernel has none, all of this must work as well, without it. With
// VARVE_KERNEL_TLS=1 in the environment it must have it (tests/guest).
#include "plugins/tls/kernel.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cerrno>
#include <cstdlib>
#include <vector>

#include "tests/unit/tls/pki.h"
#include "tests/unit/tls/stream_pair.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;
using Credentials = std::shared_ptr<const TlsCredentials>;
using Handshake = TlsStream::Handshake;

std::string hex(std::span<const uint8_t> bytes) {
  std::string out;
  for (const uint8_t byte : bytes) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out;
}

bool the_kernel_can() {
  const bool can = kernel_has_tls() == 0;
  if (std::getenv("VARVE_KERNEL_TLS") != nullptr) REQUIRE(can);
  return can;
}

// A server that wants the kernel, and a client that is OpenSSL alone.
struct Bare {
  explicit Bare(const Credentials& node)
      : pair(node, {TlsRole::kNode}, node, {TlsRole::kNode}, tcp_sockets()),
        client(SSL_new(node->context())) {
    SSL_set_fd(client.get(), pair.sockets[1]);
    SSL_set_connect_state(client.get());
    pair.server->want_kernel();
    Handshake end = Handshake::kGoesOn;
    for (int i = 0; i < 10 && end == Handshake::kGoesOn; ++i) {
      SSL_do_handshake(client.get());
      end = pair.server->handshake();
    }
    REQUIRE(end == Handshake::kDone);
    REQUIRE(pair.server->kernel_sends() == the_kernel_can());
  }
  // From the client to the server.
  std::string to_server(const std::string& bytes) {
    REQUIRE(SSL_write(client.get(), bytes.data(), static_cast<int>(bytes.size())) > 0);
    return at_server();
  }
  std::string at_server() {
    std::string room(100, '\0');
    const iovec into{room.data(), room.size()};
    const ssize_t got = pair.server->receive({&into, 1});
    room.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return room;
  }
  std::string to_client(std::string bytes) {
    const iovec from{bytes.data(), bytes.size()};
    REQUIRE(pair.server->send({&from, 1}) == static_cast<ssize_t>(bytes.size()));
    std::string room(100, '\0');
    const int got = SSL_read(client.get(), room.data(), static_cast<int>(room.size()));
    room.resize(got < 0 ? 0 : static_cast<size_t>(got));
    return room;
  }
  // What the server has sent and nobody has read.
  bool server_has_sent() const {
    pollfd news{pair.sockets[1], POLLIN, 0};
    return ::poll(&news, 1, 0) == 1;
  }

  StreamPair pair;
  SslPtr client;
};

}  // namespace

TEST_CASE("keys come from traffic secrets as RFC 8448 has them") {
  struct Example {
    const char* secret;
    const char* key;
    const char* nonce;
  };
  // Chapter 3: application data of the server, of the client, the client's handshake.
  for (const Example& example :
       {Example{"a11af9f05531f856ad47116b45a950328204b4f44bfb6b3a4b4f1f3fcb631643",
                "9f02283b6c9c07efc26bb9f2ac92e356", "cf782b88dd83549aadf1e984"},
        Example{"9e40646ce79a7f9dc05af8889bce6552875afa0b06df0087f792ebb7c17504a5",
                "17422dda596ed5d9acd890e3c63f5051", "5b78923dee08579033e523d9"},
        Example{"b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21",
                "dbfaa693d1762c5b666af5d950258d01", "5bd3c71b836e0b76bb73265f"}}) {
    TlsSecret secret;
    secret.read(example.secret);
    REQUIRE(hex(secret.bytes()) == example.secret);
    std::array<uint8_t, 16> key;
    std::array<uint8_t, kTlsNonceBytes> nonce;
    REQUIRE(expand_tls_label(EVP_sha256(), secret.bytes(), "key", key));
    REQUIRE(expand_tls_label(EVP_sha256(), secret.bytes(), "iv", nonce));
    CHECK(hex(key) == example.key);
    CHECK(hex(nonce) == example.nonce);
  }
}

TEST_CASE("what is no secret is none") {
  TlsSecret secret;
  for (const std::string& digits :
       {std::string("abc"), std::string("0g"), std::string("g0"), std::string(98, 'a')}) {
    secret.read("00ff");
    secret.read(digits);
    CHECK(secret.bytes().empty());
  }
  CHECK(give_kernel_sending(-1, 0x1301, secret) == EINVAL);
  secret.read(std::string(96, 'a'));
  CHECK(secret.bytes().size() == 48);
  CHECK(give_kernel_sending(-1, 0x1304, secret) == EOPNOTSUPP);
  CHECK(give_kernel_sending(-1, 0x1301, secret) == EBADF);
}

TEST_CASE("the kernel sends under every suite, to a peer whose kernel does and to one's that not") {
  const bool can = the_kernel_can();
  const char* const suite =
      GENERATE("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256");
  const auto [server_wants, client_wants] =
      GENERATE(std::pair(true, true), std::pair(true, false), std::pair(false, true));
  CAPTURE(suite, server_wants, client_wants);
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  REQUIRE(SSL_CTX_set_ciphersuites(node->context(), suite) == 1);
  StreamPair pair(node, {TlsRole::kNode}, node, {TlsRole::kNode}, tcp_sockets());
  const int little = 32'768;
  for (const int socket : pair.sockets)
    REQUIRE(::setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)) == 0);
  if (server_wants) pair.server->want_kernel();
  if (client_wants) pair.client->want_kernel();
  REQUIRE(pair.shake() == std::pair(Handshake::kDone, Handshake::kDone));
  CHECK(pair.server->kernel_sends() == (can && server_wants));
  CHECK(pair.client->kernel_sends() == (can && client_wants));
  if (server_wants) CHECK((pair.server->kernel_error() == 0) == can);
  for (const size_t bytes : {1ul, 4096ul, 16'384ul, 16'385ul, 600'001ul}) {
    const size_t short_sends = transfer(*pair.client, *pair.server, stream_pattern(bytes), 65'536) +
                               transfer(*pair.server, *pair.client, stream_pattern(bytes), 65'536);
    if (bytes > 600'000) CHECK(short_sends > 0);
  }
  pair.client->say_end();
  char byte = 0;
  const iovec into{&byte, 1};
  CHECK(pair.server->receive({&into, 1}) == 0);
  CHECK_FALSE(pair.server->failed());
}

TEST_CASE("a socket for which the kernel has no TLS stays with us") {
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  StreamPair pair(node, {TlsRole::kNode}, node, {TlsRole::kNode});  // of unix sockets
  pair.server->want_kernel();
  pair.client->want_kernel();
  REQUIRE(pair.shake() == std::pair(Handshake::kDone, Handshake::kDone));
  CHECK_FALSE(pair.server->kernel_sends());
  CHECK(pair.server->kernel_error() != 0);
  transfer(*pair.client, *pair.server, stream_pattern(100'000), 65'536);
  transfer(*pair.server, *pair.client, stream_pattern(100'000), 65'536);
}

TEST_CASE("a socket that has the kernel's TLS but no keys carries our records as they are") {
  const bool can = the_kernel_can();
  Pki pki;
  const auto node = pki.credentials("lab", TlsRole::kNode, "n1");
  StreamPair pair(node, {TlsRole::kNode}, node, {TlsRole::kNode}, tcp_sockets());
  const bool has = ::setsockopt(pair.sockets[0], IPPROTO_TCP, TCP_ULP, "tls", sizeof("tls")) == 0;
  REQUIRE(has == can);
  pair.server->want_kernel();
  REQUIRE(pair.shake() == std::pair(Handshake::kDone, Handshake::kDone));
  CHECK_FALSE(pair.server->kernel_sends());
  CHECK(pair.server->kernel_error() == (can ? EEXIST : kernel_has_tls()));
  transfer(*pair.client, *pair.server, stream_pattern(100'000), 65'536);
  transfer(*pair.server, *pair.client, stream_pattern(100'000), 65'536);
}

TEST_CASE("a peer may change its keys; one that asks for ours ends what the kernel sends") {
  Pki pki;
  Bare sides(pki.credentials("lab", TlsRole::kNode, "n1"));
  REQUIRE(SSL_key_update(sides.client.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
  CHECK(sides.to_server("under its new key") == "under its new key");
  CHECK(sides.to_client("under our old key") == "under our old key");
  CHECK_FALSE(sides.pair.server->failed());
  REQUIRE(SSL_key_update(sides.client.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
  const bool kernel = sides.pair.server->kernel_sends();
  CHECK(sides.to_server("and yours?") == "and yours?");
  if (!kernel) {
    CHECK(sides.to_client("new ones") == "new ones");
    return;
  }
  CHECK(sides.pair.server->failed());
  CHECK_THAT(sides.pair.server->why(), ContainsSubstring("it asks for new keys"));
  CHECK_FALSE(sides.server_has_sent());
}

TEST_CASE("where the kernel counts the records, OpenSSL sends none of its own") {
  Pki pki;
  Bare sides(pki.credentials("lab", TlsRole::kNode, "n1"));
  const std::string broken = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
  REQUIRE(::send(sides.pair.sockets[1], broken.data(), broken.size(), 0) ==
          static_cast<ssize_t>(broken.size()));
  CHECK(sides.at_server().empty());
  CHECK(sides.pair.server->failed());
  CHECK_THAT(sides.pair.server->why(), ContainsSubstring("TLS: "));
  sides.pair.server->say_end();
  // An alert, when it was encrypted here.
  CHECK(sides.server_has_sent() == !sides.pair.server->kernel_sends());
}

}  // namespace varve
