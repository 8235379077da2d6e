#include "core/config/config_section.h"

#include <algorithm>

#include "core/base/text.h"

namespace varve {
namespace {

// Levenshtein's distance: how many letters to add, drop or change.
size_t edit_distance(std::string_view left, std::string_view right) {
  std::vector<size_t> row(right.size() + 1);
  for (size_t column = 0; column < row.size(); ++column) row[column] = column;
  for (size_t line = 1; line <= left.size(); ++line) {
    size_t diagonal = row[0];
    row[0] = line;
    for (size_t column = 1; column <= right.size(); ++column) {
      const size_t change = diagonal + (left[line - 1] == right[column - 1] ? 0 : 1);
      diagonal = row[column];
      row[column] = std::min({change, row[column] + 1, row[column - 1] + 1});
    }
  }
  return row.back();
}

std::string joined(std::span<const std::string_view> words) {
  std::string out;
  for (const std::string_view word : words) {
    if (!out.empty()) out += ", ";
    out += text("\"", word, "\"");
  }
  return out;
}

// The known key that `key` was probably meant to be; empty when none is near.
std::string nearest(std::string_view key, const std::vector<std::string>& known) {
  constexpr size_t kKeyBytesMax = 64;  // longer ones are no typing errors
  std::string best;
  size_t best_distance = 3;
  if (key.size() > kKeyBytesMax) return best;
  for (const std::string& candidate : known) {
    const size_t distance = edit_distance(key, candidate);
    if (distance >= best_distance || distance >= candidate.size()) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

}  // namespace

ConfigSection::ConfigSection(std::string name, const TomlValue& table,
                             std::vector<ConfigError>& errors)
    : name_(std::move(name)), table_(table), errors_(errors) {}

const TomlValue* ConfigSection::take(std::string_view key) {
  known_.emplace_back(key);
  for (const TomlValue& value : table_.children) {
    if (value.key == key) return &value;
  }
  return nullptr;
}

std::optional<std::string> ConfigSection::take_string(std::string_view key,
                                                      std::string_view allowed) {
  const TomlValue* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->kind == TomlValue::Kind::kString && value->string.find('\0') == std::string::npos) {
    return value->string;
  }
  fail(value, key, text("must be ", allowed));
  return std::nullopt;
}

std::vector<TomlValue> ConfigSection::take_strings(std::string_view key, std::string_view allowed) {
  const TomlValue* list = take(key);
  if (list == nullptr) return {};
  const auto is_string = [](const TomlValue& value) {
    return value.kind == TomlValue::Kind::kString && value.string.find('\0') == std::string::npos;
  };
  if (list->kind == TomlValue::Kind::kList &&
      std::all_of(list->children.begin(), list->children.end(), is_string))
    return list->children;
  fail(list, key, text("must be a list; each: ", allowed));
  return {};
}

std::optional<bool> ConfigSection::take_bool(std::string_view key) {
  const TomlValue* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->kind == TomlValue::Kind::kBoolean) return value->boolean;
  fail(value, key, "must be true or false");
  return std::nullopt;
}

std::optional<size_t> ConfigSection::take_word(std::string_view key,
                                               std::span<const std::string_view> words) {
  const TomlValue* value = take(key);
  if (value == nullptr) return std::nullopt;
  if (value->kind == TomlValue::Kind::kString) {
    const auto found = std::find(words.begin(), words.end(), value->string);
    if (found != words.end()) return static_cast<size_t>(found - words.begin());
    fail(value, key, text("\"", value->string, "\" is not one of ", joined(words)));
    return std::nullopt;
  }
  fail(value, key, text("must be one of ", joined(words)));
  return std::nullopt;
}

void ConfigSection::fail(const TomlValue* value, std::string_view key, std::string message) {
  std::string path = name_;
  if (!path.empty() && !key.empty()) path += '.';
  path += key;
  errors_.push_back({value ? value->place : table_.place, std::move(path), std::move(message)});
}

void ConfigSection::fail_missing(std::string_view key, std::string_view allowed) {
  fail(nullptr, key, text("missing; must be ", allowed));
}

void ConfigSection::finish() {
  for (const TomlValue& value : table_.children) {
    if (std::find(known_.begin(), known_.end(), value.key) != known_.end()) continue;
    const std::string meant = nearest(value.key, known_);
    std::string message = "unknown key; ";
    if (!meant.empty()) {
      message += text("did you mean \"", meant, "\"?");
    } else {
      const std::vector<std::string_view> words(known_.begin(), known_.end());
      message += text("known here: ", joined(words));
    }
    fail(&value, value.key, std::move(message));
  }
}

}  // namespace varve
