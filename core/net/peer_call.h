// PeerCall: one call on its way, in the frame of the task that makes it.
//
// Thread rule: one shard's thread. Ownership: body and slices are borrowed until the call ends.
#pragma once

#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <span>

#include "core/base/error.h"
#include "core/net/incoming_request.h"
#include "core/net/send_table.h"

namespace varve {

enum class CallState : uint8_t { kNew, kQueued, kSent, kEnded };

struct PeerCall : OutgoingMessage {
  PeerCall(RunQueue& ready, MessageType type_in, std::span<const std::byte> body_in,
           Slices slices_in)
      : OutgoingMessage(ready), body(body_in), payload_slices(slices_in) {
    type = type_in;
  }

  std::span<const std::byte> body;
  Slices payload_slices;
  uint64_t request_id = 0;     // rises in the order of the calls
  uint32_t longest_bytes = 0;  // the longer payload of the two, its own and its reply's
  uint64_t given_ns = 0;       // from call() to its deadline
  CallState state = CallState::kNew;
  Status status;
  MessageBody reply_body;  // when the status is kOk
  Payload payload;
  boost::intrusive::set_member_hook<> pending_hook;
};

}  // namespace varve
