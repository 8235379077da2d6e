// What a scrub finds to be bad on this node is mended from another member, version by version:
// where it lies, under the number that it has. The group need not know.
#include "core/base/log.h"
#include "core/base/text.h"
#include "core/replication/fetch_block.h"
#include "core/replication/replication_node.h"

namespace varve {

Task<bool> ReplicationNode::heal(Store* store, BadBlock bad) {
  const auto seen = records_.find(bad.group);
  if (bad.group == GroupId{}) co_return true;  // nobody has another copy
  if (stopping_ || seen == records_.end()) co_return false;
  const GroupRecord record = seen->second.record;
  FetchRequest request;
  request.group = bad.group;
  request.epoch = record.epoch;
  request.volume = bad.volume;
  request.generation = bad.generation;
  request.block = bad.block;
  request.sequence = bad.sequence;
  AlignedBuffer data(kBlockBytes);
  // Nobody else has it.
  if (record.members.size() < 2) co_return true;
  ++healing_;
  Status status = ErrorCode::kUnavailable;
  for (const GroupMember& member : record.members) {
    if (member.node == node_ || stopping_) continue;
    const bool good = co_await fetch_block(runtime_, peers_, member.node, request, data.data());
    if (good) status = co_await store->heal(bad, data.data());
    if (status.ok() || status.code() == ErrorCode::kNotFound) break;
  }
  if (status.ok())
    log_warn("scrub", text("mended block ", bad.block, " of volume ",
                           static_cast<uint32_t>(bad.volume), " from another member"));
  if (--healing_ == 0) changed_.wake_all();
  co_return status.ok() || status.code() == ErrorCode::kNotFound;
}

}  // namespace varve
