// The plugin's settings, read from its config section. Opens nothing.
//
// Errors: parse_options returns a sentence that names the key, what is wrong and what is allowed;
// empty means success.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "plugins/abi/plugin.h"
#include "transports/tcp/limits.h"

namespace varve {

struct TcpOptions {
  uint32_t keepalive_s = kKeepaliveSeconds;
  uint32_t user_timeout_ms = kUserTimeoutMs;
  uint32_t connect_timeout_ms = kConnectTimeoutMs;
  bool allow_plaintext = false;
  bool kernel_tls = false;
};

// One line per option, for the operator.
inline constexpr char kTcpOptionHelp[] =
    "keepalive_s = N   an idle peer is asked for a sign of life after this long (5)\n"
    "user_timeout_ms = N   a peer that takes nothing for this long is gone (5000)\n"
    "connect_timeout_ms = N   time for a connection to be made, its TLS handshake included (2000)\n"
    "allow_plaintext = BOOL   no TLS, also beyond loopback (false)\n"
    "kernel_tls = BOOL   with TLS, the kernel encrypts what is sent, if it can (false)\n";

std::string parse_options(std::span<const varve_option> given, TcpOptions& options);

}  // namespace varve
