// ViewPart: the records under one prefix as this node knows them; a part of ClusterView.
//
// What comes is older or newer than what is known; per key the higher revision wins, and a whole
// range is taken only when nothing newer was heard of.
//
// Thread rule: one shard's thread.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "core/base/text.h"
#include "core/cluster/cas_loop.h"
#include "core/cluster/metadata_store.h"
#include "core/cluster/record_key.h"

namespace varve {

class ViewPart {
 public:
  explicit ViewPart(std::string_view prefix) : prefix_(prefix) {}
  ViewPart(const ViewPart&) = delete;
  ViewPart& operator=(const ViewPart&) = delete;
  virtual ~ViewPart() = default;

  const std::string& prefix() const { return prefix_; }
  // Records that cannot be read, by key, with the reason; what was known before stays.
  const std::map<std::string, std::string>& unreadable() const { return unreadable_; }

  // False: all of it is known already. What was missed has to come by replace(), and a range from
  // before it is refused: no watch would ever tell the difference.
  bool apply(const MetadataNews& news) {
    heard_revision_ = std::max(heard_revision_, news.revision);
    bool any = false;
    for (const MetadataEntry& entry : news.entries) any |= apply(entry);
    return any;
  }

  // Everything. False: it is older than what is known; ask again.
  bool replace(const MetadataRange& range) {
    if (range.revision < std::max(heard_revision_, range_revision_)) return false;
    range_revision_ = range.revision;
    std::map<std::string, uint64_t> before = std::exchange(revisions_, {});
    for (const MetadataEntry& entry : range.entries) {
      const auto known = before.find(entry.key);
      const bool is_new = known == before.end() || known->second != entry.revision;
      if (known != before.end()) before.erase(known);
      revisions_[entry.key] = entry.revision;
      if (is_new) take(entry);
    }
    for (const auto& [key, revision] : before) {
      MetadataEntry gone;
      gone.key = key;
      gone.deleted = true;
      take(gone);
    }
    return true;
  }
  uint64_t range_revision() const { return range_revision_; }

  uint64_t watch = 0;
  bool is_loading = false;
  bool load_again = false;

 protected:
  // Why the record cannot be used; empty when it can.
  virtual std::string put(const MetadataEntry& entry) = 0;
  virtual void remove(const std::string& key) = 0;

 private:
  bool apply(const MetadataEntry& entry) {
    if (entry.revision <= range_revision_) return false;
    uint64_t& known = revisions_[entry.key];
    if (entry.revision <= known) return false;
    known = entry.revision;
    if (entry.deleted) revisions_.erase(entry.key);
    take(entry);
    return true;
  }
  void take(const MetadataEntry& entry) {
    unreadable_.erase(entry.key);
    if (entry.deleted) {
      remove(entry.key);
    } else if (std::string why = put(entry); !why.empty()) {
      unreadable_[entry.key] = std::move(why);
    }
  }

  const std::string prefix_;
  uint64_t range_revision_ = 0;                // everything up to it is known
  uint64_t heard_revision_ = 0;                // changes up to it were told or missed
  std::map<std::string, uint64_t> revisions_;  // of what is there, by key
  std::map<std::string, std::string> unreadable_;
};

// The records of "<prefix><id>".
template <typename Id, typename Record>
class ViewTable final : public ViewPart {
 public:
  using Map = std::map<Id, Versioned<Record>>;

  ViewTable(std::string_view prefix, RecordDecoder<Record> decode)
      : ViewPart(prefix), decode_(decode) {}

  const Map& all() const { return records_; }
  const Versioned<Record>* find(Id id) const {
    const auto found = records_.find(id);
    return found == records_.end() ? nullptr : &found->second;
  }

 protected:
  std::string put(const MetadataEntry& entry) override {
    Result<Record> record = decode_(entry.value);
    if (!record.ok()) return std::string(record.status().message());
    if (record_key(record->id) != entry.key) return "the record of another key";
    const Id id = record->id;
    records_[id] = {std::move(*record), entry.revision};
    return {};
  }
  void remove(const std::string& key) override {
    const auto id = parse_id_value(std::string_view(key).substr(prefix().size()));
    if (id) records_.erase(Id{*id});
  }

 private:
  RecordDecoder<Record> decode_;
  Map records_;
};

// The one record of a key.
template <typename Record>
class ViewSingle final : public ViewPart {
 public:
  ViewSingle(std::string_view key, RecordDecoder<Record> decode) : ViewPart(key), decode_(decode) {}

  const Versioned<Record>& get() const { return record_; }

 protected:
  std::string put(const MetadataEntry& entry) override {
    if (entry.key != prefix()) return {};
    Result<Record> record = decode_(entry.value);
    if (!record.ok()) return std::string(record.status().message());
    record_ = {std::move(*record), entry.revision};
    return {};
  }
  void remove(const std::string& key) override {
    if (key == prefix()) record_ = {};
  }

 private:
  RecordDecoder<Record> decode_;
  Versioned<Record> record_;
};

}  // namespace varve
