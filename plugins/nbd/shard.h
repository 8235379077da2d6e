// What the connections of one context share.
//
// Thread rule: the context's thread. Ownership: the server owns it and outlives its connections.
#pragma once

#include <cstdint>
#include <vector>

#include "plugins/abi/service.h"
#include "plugins/nbd/deadlines.h"
#include "plugins/nbd/limits.h"
#include "plugins/nbd/operation.h"
#include "plugins/sdk/host.h"
#include "plugins/sdk/unique_fd.h"
#include "plugins/tls/plugin_tls.h"
#include "plugins/tls/stream.h"

namespace varve {

struct NbdShard {
  // `of_tls`: null where nobody speaks it.
  NbdShard(const varve_service_host* service_host, void* context, const HostLog& host_log,
           PluginTls* of_tls)
      : host(copy_table(service_host)),
        host_context(context),
        log(host_log),
        tls(of_tls),
        operations(host, host_context),
        receive_buffer(kReceiveBytes) {}
  NbdShard(const NbdShard&) = delete;
  NbdShard& operator=(const NbdShard&) = delete;

  varve_service_host host;
  void* host_context;
  const HostLog& log;
  PluginTls* tls;
  TlsScratch tls_scratch;
  uint32_t tls_steps_left = kTlsStepsPerTurn;  // of handshakes, until others have had their turn
  LogLimiter refusals;
  LogLimiter silence;  // apart, so that those who say nothing hide nobody
  OperationPool operations;
  Deadlines deadlines;
  UniqueFd epoll;
  std::vector<uint8_t> receive_buffer;  // holds nothing between two turns
  uint64_t handshake_timeout_ms = kHandshakeTimeoutMs;
  uint64_t request_timeout_ms = kRequestTimeoutMs;
  uint64_t reply_timeout_ms = kRequestTimeoutMs;
};

}  // namespace varve
