// The plugin's settings, read from its config section. Opens nothing.
//
// Errors: parse_options returns a sentence that names the key, what is wrong and what is allowed;
// empty means success.
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plugins/abi/plugin.h"

namespace varve {

// Where to listen: an address of the kernel's kind.
struct ListenAddress {
  std::string text;  // as the operator wrote it
  sockaddr_storage socket{};
  socklen_t socket_bytes = 0;
  std::string unix_path;  // empty for TCP
};

struct NbdOptions {
  std::vector<ListenAddress> listen;
  uint64_t handshake_timeout_ms = 0;
  uint64_t request_timeout_ms = 0;
  bool allow_plaintext = false;
};

// One line per option, for the operator.
inline constexpr char kNbdOptionHelp[] =
    "listen = ADDRESS, ...   where clients connect: unix:/PATH or tcp:HOST:PORT (needed)\n"
    "allow_plaintext = BOOL   no TLS, also beyond loopback (false)\n"
    "handshake_timeout_ms = N   time for a client to name its volume (10000)\n"
    "request_timeout_ms = N   time for a client to move on inside a request or reply (30000)\n";

// What is wrong with it when nothing is encrypted.
std::string check_plaintext(const NbdOptions& options);
std::string parse_options(std::span<const varve_option> given, NbdOptions& options);

}  // namespace varve
