// Which blocks of a member have changed, as a message: a page of runs.
//
// Thread rule: plain values. What comes from a peer is checked: runs such as a store tells them,
// behind the place that was asked for, so that pages come to an end.
// Errors: kDamaged, with what is wrong.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "core/base/error.h"
#include "core/store/store.h"
#include "core/wire/messages.h"

namespace varve {

struct ChangedMessage {
  ChangedReply body;
  std::vector<ChangedRun> runs;  // its payload
};

ChangedMessage encode_changed(const ChangedPage& page);
// REQUIRES `payload` to have the length that `body` says.
Result<ChangedPage> decode_changed(const ChangedRequest& asked, const ChangedReply& body,
                                   std::span<const std::byte> payload);

}  // namespace varve
