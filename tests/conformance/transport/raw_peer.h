// RawPeer: a TCP socket that says what it likes to a transport. And frames to say it with.
//
// Thread rule: one thread. Errors: the test fails.
#pragma once

#include <cstdint>
#include <string>

#include "plugins/sdk/unique_fd.h"

namespace varve {

class RawPeer {
 public:
  // Connects to a listener of the transport: HOST:PORT, IPv4. Non-blocking.
  explicit RawPeer(const std::string& address);
  // Listens on loopback without ever accepting.
  RawPeer();

  std::string address() const;  // where it listens
  // How much the kernel took.
  size_t send(const std::string& bytes);
  // What has arrived. `ended` tells whether the other side has closed.
  std::string receive(bool& ended);
  // Closes with a reset.
  void reset_connection();
  int fd() const { return fd_.get(); }
  void close() { fd_.reset(); }

 private:
  UniqueFd fd_;
};

// A frame with these contents and the right checksum, for better or worse.
std::string raw_frame(uint32_t magic, uint16_t version, uint16_t header_bytes,
                      uint32_t payload_bytes);
// A good message.
std::string raw_message(const std::string& header, const std::string& payload);

}  // namespace varve
