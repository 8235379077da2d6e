// Lineage: the generations of one volume, and which of them its views see. Pure.
//
// A view is the head (the volume itself) or a snapshot. It shows of each block the newest version
// on its path: all generations up to its own. Rolling a volume back begins a new branch: its path
// continues below at the snapshot that was rolled back to, past what has been given up.
//
//   generation  0 1 2 3 4 5 6 7 8        branch {0}, then branch {6, fork 2}: rolled back to
//   branch      |- - - - - -|- - ->      snapshot 2 when 5 was the newest. The head's path is
//   snapshots       2   4                0-2 and 6-; snapshot 4 goes on seeing 0-4.
//
// Thread rule: plain values.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "core/base/ids.h"

namespace varve {

struct Branch {
  Generation first = 0;  // up to the next branch's first
  Generation fork = 0;   // below `first` the path goes on here; nowhere for the first branch
};

class Lineage {
 public:
  Lineage() = default;
  // As it was stored. `branches` may be empty: none but the first.
  Lineage(Generation newest, std::vector<Branch> branches);

  // What new writes carry.
  Generation newest() const { return newest_; }
  // A version of this generation exists.
  void note(Generation generation) { newest_ = std::max(newest_, generation); }
  const std::vector<Branch>& branches() const { return branches_; }

  void add_view(Generation view);
  void drop_view(Generation view);
  // The volume is deleted and only snapshots are left, for clones.
  void drop_head() { headless_ = true; }
  bool headless() const { return headless_; }
  bool has_view(Generation view) const {
    if (view == kHead) return !headless_;
    return std::binary_search(views_.begin(), views_.end(), view);
  }
  const std::vector<Generation>& views() const { return views_; }  // ascending, without the head
  // Adds a view of all that was written so far, and begins the next generation.
  Generation snapshot();
  // The head goes on from the view `to`; what no other view sees of the rest is given up.
  void roll_back(Generation to);

  // Only the head, and it sees everything: the newest version of each block is all there is.
  bool plain() const { return views_.empty() && branches_.size() == 1 && !headless_; }
  // Whether the head sees every version unless there is a newer one.
  bool head_sees_newest() const { return branches_.size() == 1 && !headless_; }
  // The generation among `versions` (ascending) that `view` sees, by its index; -1: none.
  int seen_by(Generation view, std::span<const Generation> versions) const;
  // Sets needed[i] for each of a block's versions (ascending) that some view sees.
  void find_needed(std::span<const Generation> versions, std::vector<bool>& needed) const;

 private:
  size_t branch_of(Generation generation) const;
  // Last generation of the branch.
  Generation last(size_t branch) const;
  bool any_view(Generation from, Generation to) const;
  void drop_dead_branches();

  Generation newest_ = 0;
  bool headless_ = false;
  std::vector<Branch> branches_{Branch{}};
  std::vector<Generation> views_;
};

}  // namespace varve
