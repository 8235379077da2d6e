// What the two programs say to each other when the right side of a Wire lives in another process or
// on another machine: frames over TCP, beside the transport under test.
//
// Only programs of one build talk like this, on a network of the test's own: nothing is checked
// beyond what finds a mistake in the tests.
// Thread rule: one thread for each RemoteSocket.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "plugins/sdk/unique_fd.h"

namespace varve {

// Calls are as the functions of varve_transport. kPost is not answered: what the contract says of a
// good buffer is that it is taken. kKill is not answered either.
enum class RemoteWord : uint32_t {
  kInstance = 1,
  kContext,
  kDestroyContext,
  kMemory,
  kListen,
  kConnect,
  kDisconnect,
  kPost,
  kSend,
  kPoll,
  kArm,
  kKill,
  // What comes back. kWake: after an arm that returned 0 wait_fd has become readable.
  kReply,
  kLog,
  kWake,
};

// A frame's contents, written and read in the same order.
class RemoteBody {
 public:
  RemoteBody() = default;
  explicit RemoteBody(std::string bytes) : bytes_(std::move(bytes)) {}

  RemoteBody& put(uint64_t number);
  RemoteBody& put(std::string_view text);
  uint64_t number();
  std::string text();
  const std::string& bytes() const { return bytes_; }

 private:
  std::string_view taken(size_t bytes);

  std::string bytes_;
  size_t at_ = 0;
};

struct RemoteFrame {
  RemoteWord word;
  RemoteBody body;
};

class RemoteSocket {
 public:
  explicit RemoteSocket(UniqueFd fd);
  // Goes out with the next `flush`.
  void put(RemoteWord word, const RemoteBody& body = {});
  // False: the other program is gone.
  bool flush();
  // Waits for a frame; none: the other program is gone.
  std::optional<RemoteFrame> read();
  int fd() const { return fd_.get(); }

 private:
  UniqueFd fd_;
  std::string out_;
};

// HOST:PORT, IPv4. Not valid: nobody listens there.
UniqueFd connect_to(const std::string& address);
// `bound` is where it listens, with the port that was chosen for port 0. Ends the program with a
// sentence when that cannot be.
UniqueFd listen_on(const std::string& address, std::string& bound);

}  // namespace varve
