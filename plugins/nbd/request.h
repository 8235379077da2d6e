// Requests of the transmission phase: parsing and judging them. Pure functions.
//
// Errors: bytes that are no request are kGarbage (the connection cannot go on); a request that must
// not be served is refused with an NBD error and a sentence.
#pragma once

#include <cstdint>
#include <span>

#include "plugins/nbd/handshake.h"

namespace varve {

struct NbdRequest {
  uint16_t flags = 0;
  uint16_t type = 0;
  uint64_t cookie = 0;  // the client's name for it
  uint64_t offset = 0;
  uint32_t bytes = 0;
};

// What the handshake agreed on.
struct NbdSession {
  NbdExport volume;
  bool structured = false;
  bool block_status = false;
};

enum class NbdParse { kRequest, kMore, kGarbage };

// Reads one request's header from the front of `input`; it is kNbdRequestBytes long.
NbdParse parse_request(std::span<const uint8_t> input, NbdRequest& request);

// Data that follows the header, whether or not the request is served.
uint32_t payload_bytes(const NbdRequest& request);

struct NbdRefusal {
  uint32_t error = 0;  // 0: the request may be served
  const char* why = "";
};

NbdRefusal check_request(const NbdRequest& request, const NbdSession& session);

}  // namespace varve
