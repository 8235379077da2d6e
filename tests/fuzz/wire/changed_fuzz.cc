// What a member says of the blocks that it has changed: it is not believed, or it is such as a
// store tells it, and comes back as it was.
//
// Input: a ChangedRequest, a ChangedReply, and its runs.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "core/replication/changed_page.h"

namespace varve {
namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const ChangedRequest& asked, const ChangedReply& body,
           std::span<const std::byte> payload) {
  const auto page = decode_changed(asked, body, payload);
  if (!page.ok()) return;
  for (const ChangedBlocks& run : page->runs) {
    require(run.range.count >= 1 && run.range.count <= kLeafBlocks && run.sequence > asked.after);
    require(run.range.first < run.range.end() && run.range.end() <= kVolumeBlocksMax);
  }
  const ChangedMessage again = encode_changed(*page);
  const auto twice = decode_changed(asked, again.body, std::as_bytes(std::span(again.runs)));
  require(twice.ok() && twice->runs.size() == page->runs.size());
  require(twice->next_volume == page->next_volume && twice->next_block == page->next_block);
}

}  // namespace
}  // namespace varve

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  varve::ChangedRequest asked;
  varve::ChangedReply body;
  if (size < sizeof asked + sizeof body) return 0;
  std::memcpy(&asked, data, sizeof asked);
  std::memcpy(&body, data + sizeof asked, sizeof body);
  const std::span<const uint8_t> rest(data + sizeof asked + sizeof body,
                                      size - sizeof asked - sizeof body);
  body.run_count = static_cast<uint32_t>(rest.size() / sizeof(varve::ChangedRun));
  varve::check(asked, body, std::as_bytes(rest));
  return 0;
}
