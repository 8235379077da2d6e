// A pass over a disk group that somebody asked for.
#include <algorithm>

#include "core/base/log.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/base/units.h"
#include "core/daemon/node.h"

namespace varve {
namespace {

constexpr uint64_t kScrubLookNs = 100 * kMillisecond;

}  // namespace

Task<Result<OperationStatus>> Node::scrub(std::string disk_group, uint64_t rate) {
  if (stop_asked_) co_return ErrorCode::kClosed;
  const auto found = std::find_if(groups_.begin(), groups_.end(), [&](const auto& group) {
    return group->config().name == disk_group || group->config().path == disk_group;
  });
  if (found == groups_.end())
    co_return Status(ErrorCode::kNotFound, text("the config has no disk group ", disk_group));
  DiskGroup* const group = found->get();
  if (group->store() == nullptr)
    co_return Status(ErrorCode::kBusy, text("disk group ", group->config().name, " is ",
                                            group_state_name(group->state()), ": not served now"));
  OperationStatus& operation = add_operation(text("disk scrub ", group->config().name));
  operation.step = text("checking ", group->config().name);
  group->store()->scrub_now(rate);
  work_.start(run_scrub(group, rate, &operation));
  co_return operation;
}

Task<void> Node::run_scrub(DiskGroup* group, uint64_t rate, OperationStatus* operation) {
  const std::string& name = group->config().name;
  log_info("scrub", text(name, ": started, at ", size_text(rate), "/s"));
  const ScrubStats before = group->store()->stats().scrub;
  operation->progress.total = before.slots_left;
  ScrubStats now = before;
  uint64_t damaged_blocks = 0;
  while (!stop_asked_ && group->store() != nullptr && now.passes_done == before.passes_done &&
         now.slots_left > 0) {
    co_await loop_.runtime().timers.until(loop_.runtime().clock.monotonic_ns() + kScrubLookNs);
    if (group->store() == nullptr) break;
    const StoreStats stats = group->store()->stats();
    now = stats.scrub;
    damaged_blocks = stats.damaged_blocks;
    operation->progress.done = before.slots_left - std::min(before.slots_left, now.slots_left);
  }
  const uint64_t checked_bytes = (now.checked_blocks - before.checked_blocks) * kBlockBytes;
  const bool done = now.passes_done != before.passes_done;
  operation->state = done ? OperationStatus::State::kDone : OperationStatus::State::kFailed;
  if (!done) operation->code = ErrorCode::kClosed;
  operation->message = text("disk group ", name, done ? ": all checked, " : ": stopped, ",
                            size_text(checked_bytes), " read, ", now.bad_blocks - before.bad_blocks,
                            " bad blocks found, ", damaged_blocks, " blocks are damaged now");
  const uint64_t skipped = now.skipped_slots - before.skipped_slots;
  if (skipped > 0)
    operation->message += text(", ", skipped, " segments could not be checked: the log says why");
  log_info("scrub", operation->message);
  operation->step.clear();
  changed_.wake_all();
}

}  // namespace varve
