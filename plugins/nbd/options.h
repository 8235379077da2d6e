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
};

// One line per option, for the operator.
extern const char kNbdOptionHelp[];

std::string parse_options(std::span<const varve_option> given, NbdOptions& options);

}  // namespace varve
