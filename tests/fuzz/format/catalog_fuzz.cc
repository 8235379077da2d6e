// Catalog payloads of arbitrary bytes; what is accepted encodes to bytes that decode to the same.
#include <cstdlib>

#include "core/format/catalog_record.h"
#include "tests/fuzz/format/fuzz_input.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  const auto payload = decode_catalog(std::as_bytes(std::span(data, size)));
  if (!payload) return 0;
  const auto again = decode_catalog(encode_catalog(*payload));
  if (!again || again->records.size() != payload->records.size() ||
      again->snapshots.size() != payload->snapshots.size() ||
      again->lineages.size() != payload->lineages.size() ||
      again->keys.size() != payload->keys.size() || again->next_volume != payload->next_volume ||
      again->complete != payload->complete)
    std::abort();
  for (size_t i = 0; i < again->records.size(); ++i)
    if (again->records[i].name != payload->records[i].name) std::abort();
  return 0;
}
