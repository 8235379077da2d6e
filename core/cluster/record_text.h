// RecordWriter, RecordReader: the text of the records in the metadata store, one "key=value" a
// line in a fixed order, the first line "record=<kind>".
//
//     record=node
//     id=3
//     name=node3
//
// There is one text for one record: what a reader accepts is what a writer writes, byte for byte.
// Values hold no control characters. New fields come with a new format version of the cluster.
//
// Thread rule: plain values. Errors: the first one counts; after it the reader returns zeroes and
// empty values, and finish() tells it.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"

namespace varve {

inline constexpr size_t kRecordWordsBytesMax = 255;
inline constexpr uint64_t kRecordIdMax = std::numeric_limits<uint32_t>::max();

// 32 lower-case hexadecimal digits.
std::string uuid_text(const Uuid& uuid);
// Nothing of another form is accepted: false.
bool parse_uuid(std::string_view words, Uuid& uuid);
// Words without control characters, at most kRecordWordsBytesMax bytes.
bool record_words_allowed(std::string_view words);

class RecordWriter {
 public:
  explicit RecordWriter(std::string_view kind) { words("record", kind); }

  void words(std::string_view key, std::string_view value);
  void number(std::string_view key, uint64_t value);
  void uuid(std::string_view key, const Uuid& value) { words(key, uuid_text(value)); }
  void flag(std::string_view key, bool value) { words(key, value ? "yes" : "no"); }
  template <typename Id>
  void id(std::string_view key, Id value) {
    number(key, static_cast<uint32_t>(value));
  }
  template <typename Id>
  void ids(std::string_view key, const std::vector<Id>& values) {
    std::vector<uint64_t> numbers;
    numbers.reserve(values.size());
    for (const Id value : values) numbers.push_back(static_cast<uint32_t>(value));
    list(key, numbers);
  }
  std::string take() { return std::move(text_); }

 private:
  void list(std::string_view key, const std::vector<uint64_t>& values);

  std::string text_;
};

class RecordReader {
 public:
  // `text` outlives the reader.
  RecordReader(std::string_view kind, std::string_view text);

  std::string_view words(std::string_view key, size_t bytes_max = kRecordWordsBytesMax);
  uint64_t number(std::string_view key, uint64_t min, uint64_t max);
  Uuid uuid(std::string_view key);
  bool flag(std::string_view key);
  template <typename Id>
  Id id(std::string_view key) {
    return Id{static_cast<uint32_t>(number(key, 1, kRecordIdMax))};
  }
  template <typename Id>
  Id id_or_none(std::string_view key) {
    return Id{static_cast<uint32_t>(number(key, 0, kRecordIdMax))};
  }
  // 0 to count_max ids, none twice.
  template <typename Id>
  std::vector<Id> ids(std::string_view key, size_t count_max) {
    std::vector<Id> values;
    for (const uint64_t value : list(key, count_max)) {
      values.push_back(Id{static_cast<uint32_t>(value)});
    }
    return values;
  }
  // The field `key` is wrong in a way that only its record knows.
  void fail(std::string_view key, std::string_view why);
  bool ok() const { return status_.ok(); }
  // The next line has this field, which not every record has.
  bool next_is(std::string_view key) const;
  // Lines are left that nobody has read yet.
  bool has_more() const { return ok() && !rest_.empty(); }
  // kDamaged when anything was wrong, or lines are left.
  Status finish();

 private:
  std::vector<uint64_t> list(std::string_view key, size_t count_max);

  std::string kind_;
  std::string_view rest_;
  Status status_;
};

}  // namespace varve
