#include "core/map/lineage.h"

#include <algorithm>

namespace varve {

Lineage::Lineage(Generation newest, std::vector<Branch> branches) : newest_(newest) {
  if (!branches.empty()) branches_ = std::move(branches);
}

void Lineage::add_view(Generation view) {
  const auto at = std::lower_bound(views_.begin(), views_.end(), view);
  if (at == views_.end() || *at != view) views_.insert(at, view);
  note(view + 1);
}

void Lineage::drop_view(Generation view) {
  std::erase(views_, view);
  drop_dead_branches();
}

Generation Lineage::snapshot() {
  const Generation view = newest_;
  add_view(view);
  return view;
}

void Lineage::roll_back(Generation to) {
  branches_.push_back({.first = ++newest_, .fork = to});
  drop_dead_branches();
}

size_t Lineage::branch_of(Generation generation) const {
  size_t branch = branches_.size() - 1;
  while (branch > 0 && branches_[branch].first > generation) --branch;
  return branch;
}

Generation Lineage::last(size_t branch) const {
  return branch + 1 == branches_.size() ? kHead : branches_[branch + 1].first - 1;
}

bool Lineage::any_view(Generation from, Generation to) const {
  const auto at = std::lower_bound(views_.begin(), views_.end(), from);
  return at != views_.end() && *at <= to;
}

// A branch that no view lies in and no other goes on from is seen by nobody. Its generations fall
// to the branch before it, behind all views of that one: nobody sees them there either.
void Lineage::drop_dead_branches() {
  for (size_t i = branches_.size() - 1; i-- > 1;) {
    const Generation from = branches_[i].first;
    const Generation to = last(i);
    const bool forked =
        std::any_of(branches_.begin() + static_cast<ptrdiff_t>(i) + 1, branches_.end(),
                    [&](const Branch& branch) { return branch.fork >= from && branch.fork <= to; });
    if (!forked && !any_view(from, to))
      branches_.erase(branches_.begin() + static_cast<ptrdiff_t>(i));
  }
}

int Lineage::seen_by(Generation view, std::span<const Generation> versions) const {
  size_t branch = branch_of(view);
  Generation limit = view;
  while (true) {
    const auto above = std::upper_bound(versions.begin(), versions.end(), limit);
    if (above == versions.begin()) return -1;
    if (*(above - 1) >= branches_[branch].first || branch == 0)
      return static_cast<int>(above - versions.begin()) - 1;
    limit = branches_[branch].fork;
    branch = branch_of(limit);
  }
}

void Lineage::find_needed(std::span<const Generation> versions, std::vector<bool>& needed) const {
  needed.assign(versions.size(), false);
  for (size_t branch = 0; branch < branches_.size(); ++branch) {
    const Generation first = branches_[branch].first;
    const Generation end = last(branch);
    // What the branch shows where it begins, then each of its own versions until the next.
    int shown = branch == 0 ? -1 : seen_by(branches_[branch].fork, versions);
    Generation since = first;
    for (size_t i = 0; i < versions.size(); ++i) {
      if (versions[i] < first || versions[i] > end) continue;
      if (shown >= 0 && versions[i] > since && any_view(since, versions[i] - 1))
        needed[static_cast<size_t>(shown)] = true;
      shown = static_cast<int>(i);
      since = versions[i];
    }
    const bool head_here = end == kHead && !headless_;
    if (shown >= 0 && (head_here || any_view(since, end)))
      needed[static_cast<size_t>(shown)] = true;
  }
}

}  // namespace varve
