// Bench: a store under test with calls that wait, and ears for its watches.
#pragma once

#include <catch2/catch_test_macros.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/runtime/wait_list.h"
#include "tests/conformance/metadata/store_under_test.h"

namespace varve {

// Longer than anything that works; a test that waits for it fails.
inline constexpr uint64_t kPatienceNs = 20'000 * kMillisecond;

template <typename T>
Task<void> keep(Task<T> task, std::optional<T>* into) {
  into->emplace(co_await task);
}

class Bench {
 public:
  explicit Bench(std::unique_ptr<StoreUnderTest> made = make_store_under_test())
      : store(std::move(made)) {}

  template <typename T>
  T wait(Task<T> task) {
    std::optional<T> value;
    store->run(keep(std::move(task), &value));
    return std::move(*value);
  }
  uint64_t now_ns() { return store->runtime().clock.monotonic_ns(); }

  // These must work.
  MetadataRange range(const std::string& prefix, size_t client = 0) {
    auto result = wait(store->client(client).range(prefix));
    REQUIRE(result.ok());
    return *result;
  }
  MetadataCommit commit(const MetadataTransaction& transaction, size_t client = 0) {
    auto result = wait(store->client(client).commit(transaction));
    INFO(result.status().message());
    REQUIRE(result.ok());
    return *result;
  }
  // Returns the revision.
  uint64_t put(const std::string& key, const std::string& value, size_t client = 0) {
    const MetadataCommit commit = this->commit({{}, {{key, value}}}, client);
    CHECK(commit.succeeded);
    return commit.revision;
  }
  uint64_t remove(const std::string& key, size_t client = 0) {
    const MetadataCommit commit = this->commit({{}, {{key, "", true}}}, client);
    CHECK(commit.succeeded);
    return commit.revision;
  }

  std::unique_ptr<StoreUnderTest> store;
};

// Hears one watch.
class Ear {
 public:
  Ear(Bench& bench, const std::string& prefix, uint64_t revision, size_t client = 0)
      : bench_(bench),
        store_(bench.store->client(client)),
        woken_(bench.store->runtime().ready),
        watch_(store_.watch(prefix, revision, [this](const MetadataNews& news) { hear(news); })) {}
  ~Ear() { store_.unwatch(watch_); }
  Ear(const Ear&) = delete;
  Ear& operator=(const Ear&) = delete;

  // Waits until `condition` holds; false: it did not in time. Looked at when this watch hears
  // something, and after look_again().
  bool until(std::function<bool()> condition) {
    bool held = false;
    bench_.store->run(listen(&condition, &held));
    return held;
  }
  // For conditions that something else than this watch brings about.
  void look_again() { woken_.wake_all(); }
  bool until_heard(uint64_t revision) {
    return until([this, revision] { return last_revision >= revision; });
  }
  std::string keys() const {
    std::string keys;
    for (const MetadataEntry& entry : entries) {
      keys += (keys.empty() ? "" : " ") + std::string(entry.deleted ? "-" : "") + entry.key;
    }
    return keys;
  }

  std::vector<MetadataEntry> entries;
  uint64_t last_revision = 0;
  size_t resync_count = 0;
  uint64_t missed_revision = 0;  // changes up to it may have been missed
  bool in_order = true;

 private:
  void hear(const MetadataNews& news) {
    if (news.missed) {
      ++resync_count;
      missed_revision = news.revision;
    }
    for (const MetadataEntry& entry : news.entries) {
      in_order &= entry.revision >= last_revision;
      last_revision = entry.revision;
      entries.push_back(entry);
    }
    woken_.wake_all();
  }
  Task<void> listen(const std::function<bool()>* condition, bool* held) {
    const uint64_t deadline_ns = bench_.now_ns() + kPatienceNs;
    TimerQueue& timers = bench_.store->runtime().timers;
    while (!(*held = (*condition)())) {
      const bool woken = co_await woken_.wait_until(timers, deadline_ns);
      if (!woken) break;
    }
  }

  Bench& bench_;
  MetadataStore& store_;
  WaitList woken_;
  uint64_t watch_;
};

}  // namespace varve
