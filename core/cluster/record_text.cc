#include "core/cluster/record_text.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "core/base/text.h"
#include "core/cluster/record_key.h"

namespace varve {
namespace {

constexpr std::string_view kDigits = "0123456789abcdef";

// Digits without a sign or leading zeroes.
std::optional<uint64_t> parse_number(std::string_view words) {
  uint64_t value = 0;
  const char* end = words.data() + words.size();
  const auto [rest, error] = std::from_chars(words.data(), end, value);
  if (error != std::errc{} || rest != end) return std::nullopt;
  if (words.size() > 1 && words.front() == '0') return std::nullopt;
  return value;
}

}  // namespace

std::string uuid_text(const Uuid& uuid) {
  std::string out;
  for (const std::byte part : uuid) {
    out += kDigits[std::to_integer<size_t>(part >> 4)];
    out += kDigits[std::to_integer<size_t>(part & std::byte{15})];
  }
  return out;
}

bool parse_uuid(std::string_view words, Uuid& uuid) {
  if (words.size() != 2 * uuid.size()) return false;
  for (size_t i = 0; i < uuid.size(); ++i) {
    const size_t high = kDigits.find(words[2 * i]);
    const size_t low = kDigits.find(words[2 * i + 1]);
    if (high == std::string_view::npos || low == std::string_view::npos) return false;
    uuid[i] = static_cast<std::byte>(high * 16 + low);
  }
  return true;
}

bool record_words_allowed(std::string_view words) {
  return words.size() <= kRecordWordsBytesMax &&
         std::none_of(words.begin(), words.end(), [](char letter) {
           const auto code = static_cast<unsigned char>(letter);
           return code < 0x20 || code == 0x7f;
         });
}

std::optional<uint32_t> parse_id_value(std::string_view value) {
  const auto parsed = parse_number(value);
  if (!parsed || *parsed == 0 || *parsed > kRecordIdMax) return std::nullopt;
  return static_cast<uint32_t>(*parsed);
}

void RecordWriter::words(std::string_view key, std::string_view value) {
  text_ += text(key, "=", value, "\n");
}

void RecordWriter::number(std::string_view key, uint64_t value) {
  text_ += text(key, "=", value, "\n");
}

void RecordWriter::list(std::string_view key, const std::vector<uint64_t>& values) {
  std::string joined;
  for (const uint64_t value : values) joined += text(joined.empty() ? "" : ",", value);
  words(key, joined);
}

RecordReader::RecordReader(std::string_view kind, std::string_view text)
    : kind_(kind), rest_(text) {
  if (words("record") != kind_) fail("record", "another kind");
}

std::string_view RecordReader::words(std::string_view key, size_t bytes_max) {
  if (!ok()) return {};
  const size_t end = rest_.find('\n');
  if (end == std::string_view::npos) {
    fail(key, rest_.empty() ? "missing" : "a line without an end");
    return {};
  }
  const std::string_view line = rest_.substr(0, end);
  if (!line.starts_with(key) || line.size() <= key.size() || line[key.size()] != '=') {
    fail(key, "missing, or not in its place");
    return {};
  }
  rest_.remove_prefix(end + 1);
  const std::string_view value = line.substr(key.size() + 1);
  if (value.size() > bytes_max) {
    fail(key, text("longer than ", bytes_max, " bytes"));
    return {};
  }
  return value;
}

bool RecordReader::next_is(std::string_view key) const {
  return ok() && rest_.starts_with(key) && rest_.substr(key.size()).starts_with('=');
}

uint64_t RecordReader::number(std::string_view key, uint64_t min, uint64_t max) {
  const std::string_view value = words(key);
  if (!ok()) return 0;
  const auto parsed = parse_number(value);
  if (parsed && *parsed >= min && *parsed <= max) return *parsed;
  fail(key, text("must be a number from ", min, " to ", max));
  return 0;
}

Uuid RecordReader::uuid(std::string_view key) {
  const std::string_view value = words(key);
  Uuid uuid{};
  if (ok() && !parse_uuid(value, uuid)) fail(key, "must be 32 hexadecimal digits in lower case");
  return uuid;
}

bool RecordReader::flag(std::string_view key) {
  const std::string_view value = words(key);
  if (ok() && value != "yes" && value != "no") fail(key, "must be yes or no");
  return value == "yes";
}

std::vector<uint64_t> RecordReader::list(std::string_view key, size_t count_max) {
  constexpr size_t kBytesEach = 11;
  std::string_view value = words(key, count_max * kBytesEach);
  std::vector<uint64_t> numbers;
  while (ok() && (!value.empty() || !numbers.empty())) {
    const size_t comma = value.find(',');
    const auto parsed = parse_number(value.substr(0, comma));
    const bool usable = parsed && *parsed > 0 && *parsed <= kRecordIdMax &&
                        std::find(numbers.begin(), numbers.end(), *parsed) == numbers.end() &&
                        numbers.size() < count_max;
    if (!usable) {
      fail(key, text("must be at most ", count_max, " different ids with commas between them"));
      break;
    }
    numbers.push_back(*parsed);
    if (comma == std::string_view::npos) break;
    value.remove_prefix(comma + 1);
  }
  return numbers;
}

void RecordReader::fail(std::string_view key, std::string_view why) {
  if (!ok()) return;
  status_ = Status(ErrorCode::kDamaged, text("record ", kind_, ": ", key, ": ", why));
}

Status RecordReader::finish() {
  if (ok() && !rest_.empty()) fail("end", "more lines than this release knows");
  return status_;
}

}  // namespace varve
