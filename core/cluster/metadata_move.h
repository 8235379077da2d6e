// The move of a cluster's records from one metadata store into another.
//
// What a crash leaves, and how it is told apart when the move is begun again:
//
//   1  to: "move"                        nobody makes a cluster there
//   2  to: all records but the cluster's, made equal to those of one revision of `from`
//   3  from: "cluster" is the move's     nobody serves from it any more; "moved_cluster" was the
//   record 4  to: "cluster", without "move"     served from here
//
// The random token of "move" stands in `from` as well from step 3 on: a move that was begun into
// two stores ends in one of them. Before step 3 `from` is as good as before. Revisions start anew
// in `to`: no node knows any, because none runs; what their disks hold are epochs and generations,
// which are in the records (see newer_on_disk.h).
//
// Thread rule: one shard's thread. Parameters by value.
#pragma once

#include <functional>
#include <string>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/cluster/cas_loop.h"

namespace varve {

// One end of the move.
struct MoveEnd {
  MetadataStore* store = nullptr;
  std::string words;  // for people and the records: at most kRecordWordsBytesMax bytes
};

struct MetadataMoved {
  Uuid cluster{};
  uint64_t revision = 0;   // of `from`, whose records these are
  uint64_t key_count = 0;  // of the cluster
  bool was_done = false;   // earlier; nothing was changed now
};

// Nobody else changes `from` meanwhile. `say` hears of each step. Each step is tried for half a
// minute. kNotFound: there is no cluster in `from`. kAlreadyExists: `to` is not empty, or the
// cluster was moved elsewhere. kBusy: `from` was changed meanwhile. kUnavailable, kUnknown: begin
// again.
Task<Result<MetadataMoved>> move_metadata(Runtime* runtime, MoveEnd from, MoveEnd to,
                                          std::function<void(const std::string& step)> say);

}  // namespace varve
