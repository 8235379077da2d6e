// TCP with certificates: who is let in, who is not, and what those who are not cost.
#include <poll.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <memory>
#include <vector>

#include "plugins/tls/kernel.h"
#include "plugins/tls/stream.h"
#include "tests/conformance/transport/raw_peer.h"
#include "tests/conformance/transport/wire.h"
#include "tests/unit/tls/pki.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// Somebody with certificates of his own, who dials the right side.
struct Guest {
  Guest(Wire& wire, std::shared_ptr<const TlsCredentials> credentials)
      : peer(wire.address()),
        stream(std::move(credentials), {TlsRole::kNode}, TlsStream::Side::kClient, peer.fd(),
               scratch) {}
  // The loopback device delivers inside the system call that sends.
  void talk(Wire& wire) {
    for (int i = 0; i < 10; ++i) {
      stream.handshake();
      wire.settle();
    }
  }

  RawPeer peer;
  TlsScratch scratch;
  TlsStream stream;
};

// What the host has told the plugin.
TlsFiles files_of_node() {
  const varve_host host = host_for(nullptr);
  return {host.tls_ca_file, host.tls_cert_file, host.tls_key_file};
}

}  // namespace

TEST_CASE("both sides are told who the other is") {
  Wire wire;
  const auto [left, right] = wire.connect();
  CHECK(wire.left().names[left] == "n1");
  CHECK(wire.right().names[right] == "n1");
}

TEST_CASE("who asks for kernel TLS is told once whether it is there") {
  const Wire::Options wanted{{"kernel_tls", "true"}};
  Wire wire(wanted);
  wire.connect();
  wire.connect();
  const int error = kernel_has_tls();
  const std::string why = std::strerror(error);
  CHECK(wire.log() == (error == 0 ? "kernel_tls: the kernel encrypts what is sent\n"
                                  : "kernel_tls: the kernel has no TLS (" + why +
                                        "; modprobe tls), so that this process encrypts what is "
                                        "sent\n"));
}

TEST_CASE("plain text in spite of certificates is what the log warns of") {
  Wire wire(Wire::Options{{"allow_plaintext", "true"}});
  const auto [left, right] = wire.connect();
  CHECK(wire.right().names[right].empty());
  CHECK_THAT(wire.log(), ContainsSubstring("[tls] is configured, and allow_plaintext = true"));
  Wire sealed;
  CHECK_THAT(sealed.log(), !ContainsSubstring("allow_plaintext"));
}

TEST_CASE("nobody is accepted without a good certificate, and the log says why") {
  Wire wire;
  Pki others;
  {
    RawPeer plain(wire.address());
    plain.send(raw_message("header", "payload"));
    wire.settle();
    CHECK_THAT(wire.log(), ContainsSubstring("does not speak TLS 1.3"));
  }
  {
    const std::string before = wire.log();
    Guest guest(wire, others.credentials("lab", TlsRole::kNode, "n2"));
    guest.talk(wire);
    // Another authority: the guest does not believe the node either, and says so first.
    CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring("it refuses this side"));
  }
  {
    const std::string before = wire.log();
    std::shared_ptr<const TlsCredentials> stranger;
    TlsFiles files = others.issue("lab", TlsRole::kNode, "n2");
    const TlsFiles own = files_of_node();
    // Believes the node, whose authority does not know him.
    std::string both = others.authority("lab").certificate;
    CertificateFacts facts;
    FILE* const ca = std::fopen(own.ca.c_str(), "r");
    REQUIRE(ca != nullptr);
    char text[4096];
    both.append(text, std::fread(text, 1, sizeof(text), ca));
    std::fclose(ca);
    write_text(files.ca, both, 0644);
    REQUIRE(TlsCredentials::load(files, stranger).empty());
    Guest guest(wire, stranger);
    guest.talk(wire);
    CHECK_THAT(wire.log().substr(before.size()), ContainsSubstring("certificate is not good"));
  }
  wire.settle();
  CHECK(wire.right().accepted.empty());
  wire.connect();
}

TEST_CASE("a peer that dies in the middle of a record is noticed at once") {
  Wire wire(Wire::Options{{"connect_timeout_ms", "600000"}});
  {
    RawPeer stranger(wire.address());
    wire.settle();
    const size_t before = open_descriptors();
    stranger.send("\x16\x03\x01\x02");
    stranger.close();
    wire.settle();
    CHECK(open_descriptors() == before - 2);
  }
  std::shared_ptr<const TlsCredentials> good;
  REQUIRE(TlsCredentials::load(files_of_node(), good).empty());
  Guest guest(wire, good);
  guest.talk(wire);
  REQUIRE(wire.right().accepted.size() == 1);
  guest.peer.send("\x17\x03\x03\x01");
  guest.peer.close();
  wire.settle();
  CHECK(wire.right().closed.contains(wire.right().accepted.front()));
}

TEST_CASE("a peer that says nothing is dropped after the time for connections") {
  Wire wire(Wire::Options{{"connect_timeout_ms", "50"}});
  RawPeer silent(wire.address());
  wire.settle();
  pollfd timer{wire.right().wait_fd(), POLLIN, 0};
  REQUIRE(::poll(&timer, 1, 20'000) == 1);
  wire.settle();
  bool ended = false;
  silent.receive(ended);
  CHECK(ended);
  CHECK_THAT(wire.log(), ContainsSubstring("no TLS handshake in time"));
  CHECK(wire.right().accepted.empty());
}

TEST_CASE("a listener that does not answer a handshake is given up") {
  Wire wire(Wire::Options{{"connect_timeout_ms", "50"}});
  RawPeer silent;
  const uint64_t op_id = wire.left().connect(silent.address());
  wire.run_until([&] { return wire.left().connected.contains(op_id); });
  CHECK(wire.left().connected[op_id].first == VARVE_E_NOT_FOUND);
}

TEST_CASE("many half-open connections keep nobody out and take little") {
  Wire wire(Wire::Options{{"connect_timeout_ms", "600000"}});
  std::vector<std::unique_ptr<RawPeer>> silent;
  const size_t before = open_descriptors();
  for (size_t i = 0; i < 400; ++i) {
    silent.push_back(std::make_unique<RawPeer>(wire.address()));
    silent.back()->send("\x16\x03\x01\x02");
    wire.settle();
  }
  // Theirs and at most 256 of ours.
  CHECK(open_descriptors() <= before + 400 + 256);
  CHECK(wire.right().accepted.empty());
  const auto [left, right] = wire.connect();
  wire.post_both(1, 8192);
  REQUIRE(wire.left().send(left, "header", {pattern(1, 5000)}) == VARVE_OK);
  wire.run_until([&] { return !wire.right().received.empty(); });
  CHECK((wire.right().received.front().payload == pattern(1, 5000)));
  CHECK_THAT(wire.log(), ContainsSubstring("too many TLS handshakes"));
}

}  // namespace varve
