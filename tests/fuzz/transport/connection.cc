// A peer that says good messages, frames with odd numbers and garbage, in any order and cut
// anywhere, to a connection whose host posts buffers, takes events and sends as it likes.
//
// Every byte of the input is a step or its argument. Good messages arrive as they were sent and in
// order until the connection ends; it ends once, every send once, and every buffer is given back.
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "plugins/sdk/bytes.h"
#include "transports/tcp/connection.h"
#include "transports/tcp/frame.h"

namespace {

constexpr size_t kArenaBytes = 64 << 20;
constexpr uint64_t kConnection = 7;

void require(bool condition) {
  if (!condition) std::abort();
}

void no_log(void*, uint32_t, const char*) {}

class Input {
 public:
  Input(const uint8_t* data, size_t bytes) : at_(data), end_(data + bytes) {}
  bool empty() const { return at_ == end_; }
  uint8_t byte() { return empty() ? 0 : *at_++; }
  uint32_t number() { return uint32_t{byte()} << 8 | byte(); }
  std::string bytes(size_t count) {
    const size_t taken = std::min(count, static_cast<size_t>(end_ - at_));
    std::string out(reinterpret_cast<const char*>(at_), taken);
    at_ += taken;
    return out;
  }

 private:
  const uint8_t* at_;
  const uint8_t* end_;
};

std::string fill(size_t bytes, uint8_t seed) {
  std::string out(bytes, '\0');
  for (char& letter : out) letter = static_cast<char>(seed = static_cast<uint8_t>(seed * 5 + 1));
  return out;
}

std::string frame(uint32_t header_bytes, uint32_t payload_bytes) {
  std::string out(varve::kFrameBytes, '\0');
  varve::encode_frame({static_cast<uint16_t>(header_bytes), payload_bytes},
                      reinterpret_cast<uint8_t*>(out.data()));
  return out;
}

// The memory that all sessions use: nothing in it is looked at before it was written.
uint8_t* arena() {
  static auto* const memory = static_cast<uint8_t*>(std::aligned_alloc(4096, kArenaBytes));
  return memory;
}

struct Session {
  Session() : log(&host), shard(log) {
    int pair[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) == 0);
    peer = varve::UniqueFd(pair[0]);
    connection = std::make_unique<varve::TcpConnection>(shard, varve::UniqueFd(pair[1]),
                                                        kConnection, "fuzzer", nullptr);
    require(shard.memory.add(arena(), kArenaBytes, &memory) == VARVE_OK);
  }

  void step(Input& input) {
    switch (input.byte() % 8) {
      case 0:
        good = false;
        return say(input.bytes(input.byte()));
      case 1:
        return good_message(input.byte() + 1u, input.number());
      case 2:
        return good_message(1, input.number() * 20);
      case 3:
        good = false;
        return say(frame(input.number(), input.number() << 8 | input.byte()));
      case 4:
        return post(input.byte());
      case 5:
        return send(input.byte(), input.number());
      case 6:
        piece = 1 + input.number();
        capacity = 1 + input.byte() % 64;
        quiet = input.byte() % 2 == 1;
        return turn();
      default:
        if (input.byte() == 0) connection->disconnect();
        return turn();
    }
  }

  void good_message(uint32_t header_bytes, uint32_t payload_bytes) {
    if (payload_bytes > VARVE_PAYLOAD_BYTES_MAX) return;
    const std::string header = fill(header_bytes, 3);
    const std::string payload = fill(payload_bytes, static_cast<uint8_t>(payload_bytes));
    if (good) expected.emplace_back(header, payload);
    say(frame(header_bytes, payload_bytes) + header + payload);
  }

  // What the peer sends, as far as it is taken: behind that the stream ends.
  void say(const std::string& bytes) {
    for (size_t at = 0; at < bytes.size() && !stuck;) {
      const size_t length = std::min(piece, bytes.size() - at);
      const ssize_t taken = ::send(peer.get(), bytes.data() + at, length, MSG_NOSIGNAL);
      if (taken > 0) at += static_cast<size_t>(taken);
      const bool was_waiting = connection->over() || connection->lacks_buffer();
      if (!quiet || taken <= 0) turn();
      stuck = taken <= 0 && was_waiting;
    }
  }

  void post(uint8_t choice) {
    static constexpr std::array<uint64_t, 4> kSizes{4096, 8192, 65536, VARVE_PAYLOAD_BYTES_MAX};
    const uint64_t bytes = kSizes[choice % 4];
    if (used + bytes > kArenaBytes / 2) return;
    const varve_slice buffer{arena() + used, bytes, memory};
    used += bytes;
    require(varve::check_receive(buffer, ++last_op_id, shard.memory) == VARVE_OK);
    shard.buffers.put({static_cast<uint8_t*>(buffer.data), bytes, last_op_id});
    posted.emplace(last_op_id, buffer);
    turn();
  }

  void send(uint8_t header_bytes, uint32_t payload_bytes) {
    if (connection->leaving()) return;
    const std::string header = fill(header_bytes + 1u, 9);
    varve_message message{};
    message.struct_size = sizeof(message);
    message.header = header.data();
    message.header_bytes = static_cast<uint32_t>(header.size());
    message.slice_count = payload_bytes > 0 ? 1 : 0;
    message.slices[0] = {arena() + kArenaBytes / 2 + payload_bytes % 7, payload_bytes, memory};
    uint32_t bytes = 0;
    require(varve::check_message(message, shard.memory, bytes) == VARVE_OK);
    const int32_t result = connection->send(message, bytes, ++last_op_id);
    require(result == VARVE_OK || result == VARVE_E_AGAIN);
    if (result == VARVE_OK) require(sends.insert(last_op_id).second);
  }

  // One poll of the context, with news from the socket assumed.
  void turn() {
    std::array<varve_transport_event, 64> events;
    shard.events.begin(capacity);
    connection->on_socket(EPOLLIN | EPOLLOUT);
    connection->turn();
    const int32_t count = shard.events.take(events.data());
    require(count >= 0 && count <= static_cast<int32_t>(capacity));
    for (int32_t i = 0; i < count; ++i) happened(events[static_cast<size_t>(i)]);
  }

  void happened(const varve_transport_event& event) {
    require(!closed && event.connection == kConnection);
    if (event.kind == VARVE_EVENT_OP_DONE) {
      require(sends.erase(event.op_id) == 1);
    } else if (event.kind == VARVE_EVENT_CLOSED) {
      require(sends.empty());
      closed = true;
    } else if (event.kind == VARVE_EVENT_RECEIVED) {
      received(event);
    } else {
      require(event.kind == VARVE_EVENT_WRITABLE);
    }
  }

  void received(const varve_transport_event& event) {
    require(event.header_bytes >= 1 && event.header_bytes <= VARVE_HEADER_BYTES_MAX);
    require((event.op_id == 0) == (event.payload_bytes == 0));
    const std::string header(static_cast<const char*>(event.header), event.header_bytes);
    std::string payload;
    if (event.op_id != 0) {
      const auto buffer = posted.find(event.op_id);
      require(buffer != posted.end() && event.payload_bytes <= buffer->second.bytes);
      payload.assign(static_cast<const char*>(buffer->second.data), event.payload_bytes);
      posted.erase(buffer);
    }
    if (expected.empty()) return;  // the peer's odd frames may be messages, too
    require(expected.front() == std::pair(header, payload));
    expected.pop_front();
  }

  void finish() {
    peer.reset();
    connection->disconnect();
    for (int i = 0; i < 1000 && !closed; ++i) turn();
    require(closed && connection->over());
    size_t left = 0;
    while (shard.buffers.take(1).data != nullptr) ++left;
    require(left == posted.size());
  }

  varve_host host{sizeof(varve_host), VARVE_ABI_MAJOR, VARVE_ABI_MINOR, 0, nullptr, no_log};
  varve::HostLog log;
  varve::TcpShard shard;
  uint64_t memory = 0;
  varve::UniqueFd peer;
  std::unique_ptr<varve::TcpConnection> connection;
  size_t piece = SIZE_MAX;
  uint32_t capacity = 64;
  bool quiet = false;  // the host has no turn until the socket is full
  bool good = true;    // nothing but good messages so far
  bool stuck = false;
  bool closed = false;
  uint64_t used = 0;
  uint64_t last_op_id = 0;
  std::deque<std::pair<std::string, std::string>> expected;
  std::map<uint64_t, varve_slice> posted;
  std::set<uint64_t> sends;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Session session;
  for (Input input(data, size); !input.empty();) session.step(input);
  session.finish();
  return 0;
}
