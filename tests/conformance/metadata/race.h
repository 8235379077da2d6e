// Clients that race to raise one counter by compare-and-swap.
#pragma once

#include <functional>
#include <string>

#include "core/cluster/metadata_store.h"

namespace varve {

inline constexpr char kCounter[] = "counter";

// Wins `count` times; `won` hears the revision of each.
inline Task<void> raise_counter(MetadataStore* store, int count,
                                const std::function<void(uint64_t)>* won) {
  const std::string key = kCounter;
  for (int wins = 0; wins < count;) {
    const Result<MetadataRange> range = co_await store->range(key);
    if (!range.ok()) continue;
    const bool there = !range->entries.empty();
    MetadataTransaction transaction;
    transaction.compares.push_back({key, there ? range->entries[0].revision : 0});
    const int value = there ? std::stoi(range->entries[0].value) : 0;
    transaction.puts.push_back({key, std::to_string(value + 1)});
    const Result<MetadataCommit> commit = co_await store->commit(std::move(transaction));
    if (!commit.ok() || !commit->succeeded) continue;
    ++wins;
    (*won)(commit->revision);
  }
}

}  // namespace varve
