#include "tests/tools/stamp/verify.h"

#include <inttypes.h>
#include <stdio.h>

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "tests/tools/stamp/connections.h"
#include "tests/tools/stamp/history.h"
#include "tests/tools/stamp/load.h"

namespace varve {
namespace {

constexpr uint64_t kReadBlocks = 256;
constexpr uint64_t kReportedMax = 10;

struct Counts {
  uint64_t acknowledged_blocks = 0;  // hold something that was acknowledged or read before
  uint64_t unreadable_blocks = 0;
  uint64_t violations = 0;
};

void report(const History& history, uint64_t block, const Finding& finding) {
  fprintf(stderr, "VIOLATION: block %" PRIu64 " %s: it holds %s, allowed: %s\n%s", block,
          finding.what.c_str(), finding.content.c_str(), history.checker().allowed(block).c_str(),
          block_history(history.path(), block, 40).c_str());
}

// One request; its blocks are judged one by one.
void check_range(nbd_handle* handle, History& history, BlockRange range,
                 std::span<std::byte> buffer, Counts& counts) {
  const uint64_t tick = history.read_sent(range);
  for (uint64_t i = range.first; i < range.end(); ++i) {
    if (history.checker().holds_known_write(i)) ++counts.acknowledged_blocks;
  }
  if (nbd_pread(handle, buffer.data(), range.count * kBlockBytes, range.first * kBlockBytes, 0) !=
      0) {
    fprintf(stderr, "ERROR: blocks %" PRIu64 " to %" PRIu64 ": %s\n", range.first, range.end() - 1,
            nbd_get_error());
    counts.unreadable_blocks += range.count;
  } else {
    for (uint64_t i = 0; i < range.count; ++i) {
      const uint64_t block = range.first + i;
      const Finding finding =
          history.block_read(block, buffer.subspan(i * kBlockBytes, kBlockBytes), tick);
      if (!finding.what.empty() && ++counts.violations <= kReportedMax) {
        report(history, block, finding);
      }
    }
  }
  history.read_ended(range);
}

int fail(const Status& status) {
  fprintf(stderr, "stamp: %s\n", std::string(status.message()).c_str());
  return status.code() == ErrorCode::kClosed ? kExitServerGone : kExitUsage;
}

}  // namespace

int run_verify(const VerifyOptions& options) {
  Connections connections(options.uri, 1);
  const Result<SessionFacts> facts =
      connections.connect(std::chrono::milliseconds(options.reconnect_timeout_ms));
  if (!facts.ok()) return fail(facts.status());
  const uint64_t block_count = facts->size_bytes / kBlockBytes;
  Result<History> history = History::open(options.journal, facts->export_name, block_count);
  if (!history.ok()) return fail(history.status());
  history->session_started(facts->server_pid, facts->server_was_away);

  Counts counts;
  std::vector<std::byte> buffer(kReadBlocks * kBlockBytes);
  auto last = std::chrono::steady_clock::now();
  for (uint64_t first = 0; first < block_count; first += kReadBlocks) {
    const BlockRange range{first, std::min(kReadBlocks, block_count - first)};
    check_range(connections.handle(0), *history, range, buffer, counts);
    const auto now = std::chrono::steady_clock::now();
    if (options.quiet || now - last < std::chrono::seconds(3)) continue;
    last = now;
    fprintf(stderr, "verified %" PRIu64 " of %" PRIu64 " blocks\n", range.end(), block_count);
  }
  if (const Status status = history->flush(); !status.ok()) return fail(status);
  printf("%-24s %" PRIu64 "\n", "blocks", block_count);
  printf("%-24s %" PRIu64 "\n", "acknowledged_blocks", counts.acknowledged_blocks);
  printf("%-24s %" PRIu64 "\n", "unreadable_blocks", counts.unreadable_blocks);
  printf("%-24s %" PRIu64 "\n", "violations", counts.violations);
  return counts.violations + counts.unreadable_blocks > 0 ? kExitViolation : kExitOk;
}

}  // namespace varve
