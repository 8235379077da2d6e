// fetch_block: one version of a block from another member, for who has it damaged.
//
// Thread rule: one shard's thread.
#pragma once

#include <cstddef>

#include "core/net/peers.h"

namespace varve {

// Into `out`, 4 KiB. False: it did not answer in time, or has not got it whole.
Task<bool> fetch_block(Runtime& runtime, Peers& peers, NodeId node, FetchRequest request,
                       std::byte* out);

}  // namespace varve
