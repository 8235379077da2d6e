// What a peer says in its TLS handshake: arbitrary bytes, or those of an honest peer with some
// changed. Either it fails, or the two sides are who they are and have the same keys. Then what it
// sends sealed: arbitrary bytes, of which nothing is opened; and such bytes that it has sealed.
#include "transports/rdma/session.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "plugins/tls/authority.h"
#include "transports/rdma/limits.h"

namespace {

using Bytes = std::vector<uint8_t>;
using varve::RdmaSession;
using Credentials = std::shared_ptr<const varve::TlsCredentials>;

constexpr varve::Greeting kGreeting{32, 8192, true};

void require(bool condition) {
  if (!condition) std::abort();
}

Credentials node(const varve::PemPair& authority, const std::string& name) {
  std::string folder = (std::filesystem::temp_directory_path() / "varve_fuzz.XXXXXX").string();
  require(::mkdtemp(folder.data()) != nullptr);
  varve::PemPair made;
  require(varve::issue_certificate(authority, {varve::TlsRole::kNode, name, {}, 10}, made).empty());
  const varve::TlsFiles files{folder + "/ca", folder + "/cert", folder + "/key"};
  std::ofstream(files.ca) << authority.certificate;
  std::ofstream(files.cert) << made.certificate;
  std::ofstream(files.key) << made.key;
  require(::chmod(files.key.c_str(), 0600) == 0);
  Credentials loaded;
  require(varve::TlsCredentials::load(files, loaded).empty());
  std::filesystem::remove_all(folder);
  return loaded;
}

struct Nodes {
  Nodes() {
    varve::PemPair authority;
    require(varve::make_authority("lab", 100, authority).empty());
    one = node(authority, "n1");
    two = node(authority, "n2");
  }
  Credentials one;
  Credentials two;
};

void check(const RdmaSession& one, const RdmaSession& two) {
  require(one.peer_name() == (one.asks() ? "n2" : "n1"));
  const auto sender = one.authenticator();
  const auto receiver = two.authenticator();
  require(sender != nullptr && receiver != nullptr);
  Bytes news(varve::kFrameBytes + varve::kSealBytes);
  varve::encode_frame({}, news.data());
  require(sender->seal(news.data(), varve::kFrameBytes, {}) == news.size());
  std::span<const uint8_t> frame = news;
  varve::Authenticator::PayloadSeal seal;
  require(receiver->open(frame, seal) == nullptr);
}

void send_nonsense(const RdmaSession& from, const RdmaSession& to, std::span<const uint8_t> bytes) {
  varve::Authenticator::PayloadSeal seal;
  require(to.authenticator()->open(bytes, seal) != nullptr);
  Bytes sent(bytes.begin(), bytes.end());
  sent.resize(bytes.size() + varve::kSealBytes);
  const auto count = static_cast<uint32_t>(bytes.size());
  require(from.authenticator()->seal(sent.data(), count, {}) == sent.size());
  const auto keys = to.authenticator();
  std::span<const uint8_t> opened = sent;
  varve::Frame frame;
  if (keys->open(opened, seal) == nullptr && varve::decode_frame(opened, frame) == nullptr)
    require(!keys->is_payload(seal, bytes));
}

// Three bytes at a time: where a flight is changed, and how.
void talk(RdmaSession& from, RdmaSession& to, std::span<const uint8_t>& changes) {
  Bytes flight(varve::kEagerBytes);
  while (const size_t count = from.take(flight)) {
    if (changes.size() >= 3) {
      flight[(size_t{changes[0]} << 8 | changes[1]) % count] ^= changes[2];
      changes = changes.subspan(3);
    }
    if (to.give(std::span(flight).first(count)) != nullptr) return;
  }
  if (to.ready()) to.step();
}

void in_pieces(RdmaSession& session, std::span<const uint8_t> bytes, size_t piece) {
  if (session.asks()) session.step();
  while (!bytes.empty()) {
    const size_t count = std::min(piece, bytes.size());
    if (session.give(bytes.first(count)) != nullptr) return;
    if (session.ready()) session.step();
    bytes = bytes.subspan(count);
  }
  require(!session.done());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Nodes nodes;
  if (size < 2) return 0;
  const uint8_t how = data[0];
  const size_t piece = size_t{data[1]} + 1;
  std::span<const uint8_t> rest(data + 2, size - 2);
  RdmaSession asker(nodes.one, true, kGreeting, kGreeting);
  RdmaSession asked(nodes.two, false, kGreeting, kGreeting);
  if ((how & 1) != 0) {
    in_pieces((how & 2) != 0 ? asker : asked, rest, piece);
    return 0;
  }
  asker.step();
  std::span<const uint8_t> none;
  std::span<const uint8_t>& changes = (how & 2) != 0 ? none : rest;
  for (int i = 0; i < 3; ++i) {
    talk(asker, asked, changes);
    talk(asked, asker, changes);
  }
  if (!asker.done() || !asked.done()) return 0;
  check(asker, asked);
  check(asked, asker);
  send_nonsense(asker, asked, rest);
  return 0;
}
