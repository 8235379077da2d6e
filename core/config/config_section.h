// ConfigSection: one table of the config while it is read; collects what is wrong with it.
//
// Each reader takes the key out of the section; finish() refuses what nobody took. A getter whose
// key is absent returns nothing; one whose value is bad reports it and returns nothing.
//
// Ownership: borrows the table and the error list.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/config/node_config.h"
#include "core/config/toml_document.h"

namespace varve {

class ConfigSection {
 public:
  ConfigSection(std::string name, const TomlValue& table, std::vector<ConfigError>& errors);

  const TomlValue* take(std::string_view key);
  std::optional<std::string> take_string(std::string_view key, std::string_view allowed);
  std::optional<bool> take_bool(std::string_view key);
  // The strings of a list and where each stands.
  std::vector<TomlValue> take_strings(std::string_view key, std::string_view allowed);
  // The index of the value in `words`.
  std::optional<size_t> take_word(std::string_view key, std::span<const std::string_view> words);

  // Reports `message` for `value`, or for the whole section where it is null.
  void fail(const TomlValue* value, std::string_view key, std::string message);
  // Like fail, with "missing; " in front.
  void fail_missing(std::string_view key, std::string_view allowed);
  // Refuses the keys that nobody took, naming the nearest known one.
  void finish();

 private:
  std::string name_;  // "disk_group"; empty for the top of the file
  const TomlValue& table_;
  std::vector<ConfigError>& errors_;
  std::vector<std::string> known_;
};

}  // namespace varve
