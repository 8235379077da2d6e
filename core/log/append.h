// Append: one run on its way into the log. Lives in its caller's frame until it is durable.
#pragma once

#include <boost/intrusive/slist.hpp>
#include <cstddef>
#include <cstdint>

#include "core/base/error.h"
#include "core/format/entry.h"
#include "core/format/segment_header.h"
#include "core/runtime/latch.h"

namespace varve {

inline constexpr uint32_t kNoSlot = UINT32_MAX;

struct Append : boost::intrusive::slist_base_hook<> {
  Entry entry;  // the stream fills in `position`
  // entry.data_blocks() blocks and their checksums; unchanged until the append is done.
  const std::byte* data = nullptr;
  const uint32_t* crcs = nullptr;
  // In a relocated stream: where the run is now. The map moves a block only if it still points
  // there. kNoSlot: the run is new.
  uint32_t from_slot = 0;
  uint32_t from_position = 0;

  uint32_t slot = 0;  // where it went
  ErrorCode result = ErrorCode::kOk;
  Latch* done = nullptr;  // counted down once
};

using AppendQueue = boost::intrusive::slist<Append, boost::intrusive::cache_last<true>,
                                            boost::intrusive::constant_time_size<false>>;

// Told of every append that became durable, in the order of its stream, before its caller is; and,
// once, when the device failed a write.
class DurableSink {
 public:
  virtual ~DurableSink() = default;
  virtual void durable(StreamKind stream, const Append& append) = 0;
  virtual void log_failed() = 0;
};

}  // namespace varve
