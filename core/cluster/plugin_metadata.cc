#include "core/cluster/plugin_metadata.h"

#include <set>
#include <utility>

namespace varve {
namespace {

bool key_good(const std::string& key) {
  return !key.empty() && key.size() <= VARVE_KEY_BYTES_MAX;
}

// A sentence when the transaction is beyond the limits of the contract.
Status check(const MetadataTransaction& transaction) {
  if (transaction.compares.size() > VARVE_TXN_ENTRIES_MAX ||
      transaction.puts.size() > VARVE_TXN_ENTRIES_MAX) {
    return {ErrorCode::kInvalidArgument, "a transaction may have 64 conditions and 64 changes"};
  }
  std::set<std::string_view> keys;
  for (const MetadataCompare& compare : transaction.compares) {
    if (!key_good(compare.key)) {
      return {ErrorCode::kInvalidArgument, "a key must have 1 to 512 bytes"};
    }
  }
  for (const MetadataPut& put : transaction.puts) {
    if (!key_good(put.key)) return {ErrorCode::kInvalidArgument, "a key must have 1 to 512 bytes"};
    if (put.value.size() > VARVE_VALUE_BYTES_MAX) {
      return {ErrorCode::kInvalidArgument, "a value may have 65536 bytes"};
    }
    if (!keys.insert(put.key).second) {
      return {ErrorCode::kInvalidArgument, "a transaction changes a key only once"};
    }
  }
  return {};
}

varve_bytes bytes_of(const std::string& text) {
  return {text.data(), text.size()};
}

std::vector<varve_compare> table_of(const std::vector<MetadataCompare>& compares) {
  std::vector<varve_compare> table;
  table.reserve(compares.size());
  for (const MetadataCompare& compare : compares) {
    table.push_back({bytes_of(compare.key), compare.revision});
  }
  return table;
}

std::vector<varve_put> table_of(const std::vector<MetadataPut>& puts) {
  std::vector<varve_put> table;
  table.reserve(puts.size());
  for (const MetadataPut& put : puts) {
    table.push_back({bytes_of(put.key), bytes_of(put.value), put.remove ? VARVE_PUT_DELETE : 0, 0});
  }
  return table;
}

std::string copy_of(varve_bytes bytes) {
  if (bytes.bytes == 0) return {};
  return {static_cast<const char*>(bytes.data), bytes.bytes};
}

std::vector<MetadataEntry> copies_of(std::span<const varve_key_value> entries) {
  std::vector<MetadataEntry> copies;
  copies.reserve(entries.size());
  for (const varve_key_value& entry : entries) {
    copies.push_back({copy_of(entry.key), copy_of(entry.value), entry.revision,
                      (entry.flags & VARVE_KEY_DELETED) != 0});
  }
  return copies;
}

}  // namespace

// Counts the coroutines that close() must wait for.
class PluginMetadata::Inside {
 public:
  explicit Inside(PluginMetadata& store) : store_(store) { ++store_.inside_count_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;
  ~Inside() {
    --store_.inside_count_;
    store_.left_.wake_all();
  }

 private:
  PluginMetadata& store_;
};

Result<std::unique_ptr<PluginMetadata>> PluginMetadata::start(
    Runtime& runtime, const PluginLibrary& library, std::span<const ServiceOption> options) {
  auto plugin = MetadataPlugin::create(library, options);
  if (!plugin.ok()) return plugin.status();
  std::unique_ptr<PluginMetadata> store(new PluginMetadata(runtime, std::move(*plugin)));
  VARVE_TRY(store->plugin_->start(*store));
  store->tasks_.start(store->tell_watchers());
  return store;
}

PluginMetadata::PluginMetadata(Runtime& runtime, std::unique_ptr<MetadataPlugin> plugin)
    : ready_(runtime.ready),
      plugin_(std::move(plugin)),
      room_(ready_),
      left_(ready_),
      news_arrived_(ready_),
      tasks_(ready_) {}

PluginMetadata::~PluginMetadata() {
  VARVE_CHECK(inside_count_ == 0);
}

Task<Result<MetadataRange>> PluginMetadata::range(std::string prefix) {
  const Inside inside(*this);
  if (prefix.size() > VARVE_KEY_BYTES_MAX) {
    co_return Status(ErrorCode::kInvalidArgument, "a prefix may have 512 bytes");
  }
  const uint64_t op_id = ++last_op_id_;
  while (true) {
    if (closing_) co_return ErrorCode::kUnavailable;
    const Status status = plugin_->range(prefix, op_id);
    if (status.ok()) break;
    if (status.code() != ErrorCode::kBusy) co_return status;
    if (calls_.empty()) co_return ErrorCode::kUnavailable;
    co_await room_.wait();
  }
  Call call(ready_);
  calls_[op_id] = &call;
  co_await call.ended;
  if (call.code != ErrorCode::kOk) co_return call.code;
  co_return std::move(call.range);
}

Task<Result<MetadataCommit>> PluginMetadata::commit(MetadataTransaction transaction) {
  const Inside inside(*this);
  VARVE_CO_TRY(check(transaction));
  const std::vector<varve_compare> compares = table_of(transaction.compares);
  const std::vector<varve_put> puts = table_of(transaction.puts);
  const uint64_t op_id = ++last_op_id_;
  while (true) {
    if (closing_) co_return ErrorCode::kUnavailable;
    const Status status = plugin_->commit(compares, puts, op_id);
    if (status.ok()) break;
    if (status.code() != ErrorCode::kBusy) co_return status;
    if (calls_.empty()) co_return ErrorCode::kUnavailable;
    co_await room_.wait();
  }
  Call call(ready_);
  call.is_commit = true;
  calls_[op_id] = &call;
  co_await call.ended;
  if (call.code != ErrorCode::kOk) co_return call.code;
  co_return call.commit;
}

uint64_t PluginMetadata::watch(std::string prefix, uint64_t revision, MetadataWatcher watcher) {
  const uint64_t op_id = ++last_op_id_;
  // When the plugin does not take it, it is broken, or the prefix longer than any key: no news.
  if (!closing_ && plugin_->watch(prefix, revision, op_id).ok()) {
    watchers_[op_id] = std::make_shared<MetadataWatcher>(std::move(watcher));
  }
  return op_id;
}

void PluginMetadata::unwatch(uint64_t watch) {
  if (watchers_.erase(watch) > 0) plugin_->unwatch(watch);
}

Task<void> PluginMetadata::close() {
  closing_ = true;
  while (!watchers_.empty()) unwatch(watchers_.begin()->first);
  end_all();
  news_arrived_.wake_all();
  while (inside_count_ > 0) co_await left_.wait();
  co_await tasks_.done();
}

Task<void> PluginMetadata::tell_watchers() {
  while (!closing_) {
    if (news_.empty()) {
      co_await news_arrived_.wait();
      continue;
    }
    const auto [watch, news] = std::move(news_.front());
    news_.pop_front();
    const auto found = watchers_.find(watch);
    if (found == watchers_.end()) continue;
    const std::shared_ptr<MetadataWatcher> watcher = found->second;  // it may unwatch itself
    (*watcher)(news);
  }
}

void PluginMetadata::add_news(uint64_t watch, MetadataNews news) {
  news_.emplace_back(watch, std::move(news));
  news_arrived_.wake_all();
}

void PluginMetadata::end(uint64_t op_id, ErrorCode code) {
  const auto found = calls_.find(op_id);
  if (found == calls_.end()) return;  // ended by close()
  Call& call = *found->second;
  calls_.erase(found);
  call.code = code;
  call.ended.count_down();
  room_.wake_all();
}

void PluginMetadata::end_all() {
  while (!calls_.empty()) {
    const auto& [op_id, call] = *calls_.begin();
    end(op_id, call->is_commit ? ErrorCode::kUnknown : ErrorCode::kUnavailable);
  }
  room_.wake_all();
}

void PluginMetadata::range_ended(uint64_t op_id, ErrorCode code, uint64_t revision,
                                 std::span<const varve_key_value> entries) {
  if (const auto found = calls_.find(op_id); found != calls_.end()) {
    found->second->range = {revision, copies_of(entries)};
  }
  end(op_id, code);
}

void PluginMetadata::commit_ended(uint64_t op_id, ErrorCode code, bool succeeded,
                                  uint64_t revision) {
  if (const auto found = calls_.find(op_id); found != calls_.end()) {
    found->second->commit = {succeeded, revision};
  }
  end(op_id, code);
}

void PluginMetadata::changed(uint64_t watch, uint64_t revision,
                             std::span<const varve_key_value> entries) {
  add_news(watch, {false, revision, copies_of(entries)});
}

void PluginMetadata::missed(uint64_t watch, uint64_t revision) {
  add_news(watch, {true, revision, {}});
}

}  // namespace varve
