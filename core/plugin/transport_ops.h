// TransportOps: what a transport plugin owes us: the end of a connect or a send, or a receive
// buffer.
//
// The plugin gets numbers of our own making. A number that was answered is not valid any more, also
// when its place is used again; so an answer that comes twice is noticed.
//
// Thread rule: that of its owner. Ownership: plain values.
#pragma once

#include <cstdint>
#include <vector>

namespace varve {

enum class TransportOpKind : uint8_t { kNone, kConnect, kSend, kReceive };

struct TransportOp {
  TransportOpKind kind = TransportOpKind::kNone;
  uint32_t generation = 1;
  uint64_t op_id = 0;       // the caller's
  uint64_t connection = 0;  // of a send
  uint64_t bytes = 0;       // of a receive buffer
};

class TransportOps {
 public:
  // The number for the plugin; never 0.
  uint64_t begin(TransportOpKind kind, uint64_t op_id, uint64_t connection, uint64_t bytes) {
    if (free_.empty()) {
      free_.push_back(static_cast<uint32_t>(ops_.size()));
      ops_.emplace_back();
    }
    const uint32_t place = free_.back();
    free_.pop_back();
    TransportOp& op = ops_[place];
    op = {kind, op.generation, op_id, connection, bytes};
    return (uint64_t{op.generation} << 32) | place;
  }
  // Null when nothing of this kind and number is owed. Valid until the next begin().
  const TransportOp* find(uint64_t number, TransportOpKind kind) const {
    const uint64_t place = number & UINT32_MAX;
    if (place >= ops_.size()) return nullptr;
    const TransportOp& op = ops_[place];
    return op.kind == kind && op.generation == number >> 32 ? &op : nullptr;
  }
  void end(uint64_t number) {
    TransportOp& op = ops_[number & UINT32_MAX];
    op.kind = TransportOpKind::kNone;
    if (++op.generation == 0) op.generation = 1;
    free_.push_back(static_cast<uint32_t>(number & UINT32_MAX));
  }
  // Those that are owed, and places that are free (kNone).
  const std::vector<TransportOp>& all() const { return ops_; }

 private:
  std::vector<TransportOp> ops_;
  std::vector<uint32_t> free_;
};

}  // namespace varve
