// Arbitrary bytes behind a good handshake, on a real socket and against a host that may refuse,
// fail or run out of memory: the connection ends, gives everything back, and sends only whole
// replies.
//
// The first byte says how host and client behave, the second how the bytes are cut into pieces.
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "plugins/nbd/connection.h"
#include "plugins/nbd/protocol.h"
#include "plugins/sdk/bytes.h"
#include "tests/unit/nbd/test_host.h"

namespace {

using varve::append_be;

constexpr int kEnoughTurns = 100'000;

void require(bool condition) {
  if (!condition) std::abort();
}

std::string option(uint32_t code, const std::string& data) {
  std::string out;
  append_be(out, varve::kNbdOptionMagic);
  append_be(out, code);
  append_be(out, static_cast<uint32_t>(data.size()));
  return out + data;
}

// Everything that can be agreed on, for volume "v".
std::string handshake(bool structured) {
  const std::string name("\0\0\0\1v", 5);
  std::string out;
  append_be(out, varve::kNbdClientFixedNewstyle | varve::kNbdClientNoZeroes);
  if (structured) {
    std::string query;
    append_be(query, uint32_t{1});
    append_be(query, static_cast<uint32_t>(sizeof(varve::kNbdAllocation) - 1));
    out += option(varve::kNbdOptStructuredReply, {});
    out += option(varve::kNbdOptSetMetaContext, name + query + varve::kNbdAllocation);
  }
  return out + option(varve::kNbdOptGo, name + std::string(2, '\0'));
}

// Counts whole replies in what the server sent in the transmission phase; a read without structured
// replies has no length of its own, so there only the first magic is looked at.
void check_replies(const std::string& got) {
  size_t at = 18;  // the greeting
  const auto* bytes = reinterpret_cast<const uint8_t*>(got.data());
  const auto left = [&] { return got.size() - at; };
  while (left() >= 20 && varve::load_be<uint64_t>(bytes + at) == varve::kNbdOptionReplyMagic)
    at += 20 + varve::load_be<uint32_t>(bytes + at + 16);
  while (left() > 0) {
    require(left() >= varve::kNbdSimpleReplyBytes);
    const uint32_t magic = varve::load_be<uint32_t>(bytes + at);
    if (magic == varve::kNbdSimpleReplyMagic) {
      at += varve::kNbdSimpleReplyBytes;
    } else {
      require(magic == varve::kNbdChunkMagic && left() >= varve::kNbdChunkBytes);
      at += varve::kNbdChunkBytes + varve::load_be<uint32_t>(bytes + at + 16);
    }
    require(at <= got.size());
  }
}

struct Session {
  explicit Session(uint8_t manner)
      : log(host.host()),
        shard(host.service_host(), &host, log, nullptr),
        structured((manner & 1) != 0) {
    host.add_volume("v", 64 << 10, (manner & 2) != 0);
    if ((manner & 4) != 0) host.refuse_every(3);
    if ((manner & 8) != 0) host.set_buffer_budget(64 << 10);
    if ((manner & 16) != 0) host.fail(VARVE_OP_READ, VARVE_E_DAMAGED);
    if ((manner & 32) != 0) host.fail(VARVE_OP_WRITE, VARVE_E_NO_SPACE);
    leaves_early = (manner & 64) != 0;
    int pair[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    client = varve::UniqueFd(pair[0]);
    connection = std::make_unique<varve::Connection>(shard, varve::UniqueFd(pair[1]), false);
  }

  // One turn of server and client; news are always assumed.
  void turn() {
    varve_service_event events[64];
    const uint32_t count = shard.host.events(&host, events, 64);
    for (uint32_t i = 0; i < count; ++i)
      connection->on_event(varve::Operation::from_id(events[i].op_id), events[i]);
    connection->on_socket(EPOLLIN | EPOLLOUT);
    connection->turn();
    char buffer[65536];
    ssize_t bytes = 0;
    while (client.valid() && (bytes = ::recv(client.get(), buffer, sizeof(buffer), 0)) > 0)
      got.append(buffer, static_cast<size_t>(bytes));
  }

  void give(const std::string& bytes) {
    size_t sent = 0;
    for (int i = 0; i < kEnoughTurns && sent < bytes.size() && !connection->finished(); ++i) {
      const ssize_t taken =
          ::send(client.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (taken > 0) sent += static_cast<size_t>(taken);
      turn();
    }
  }

  varve::TestHost host;
  varve::HostLog log;
  varve::NbdShard shard;
  bool structured;
  bool leaves_early = false;
  varve::UniqueFd client;
  std::unique_ptr<varve::Connection> connection;
  std::string got;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  Session session(data[0]);
  const size_t piece = data[1] == 0 ? size : size_t{data[1]};
  session.give(handshake(session.structured));
  for (size_t at = 2; at < size; at += piece) {
    const size_t length = std::min(piece, size - at);
    session.give(std::string(reinterpret_cast<const char*>(data) + at, length));
  }
  if (session.leaves_early) {
    session.client.reset();
  } else {
    ::shutdown(session.client.get(), SHUT_WR);
  }
  int turns = 0;
  while (!session.connection->finished()) {
    session.turn();
    require(++turns < kEnoughTurns);
  }
  require(session.host.buffer_bytes() == 0);
  session.connection.reset();
  require(session.host.open_volumes() == 0);
  if (session.structured && !session.leaves_early) check_replies(session.got);
  return 0;
}
