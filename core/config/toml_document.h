// TomlValue: a TOML file as a plain tree that remembers where each value stood. toml++ stays in
// toml_document.cc.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace varve {

struct TomlPlace {
  uint32_t line = 0;    // from 1; 0: the file as a whole
  uint32_t column = 0;  // from 1
};

struct TomlValue {
  enum class Kind { kString, kInteger, kBoolean, kList, kTable, kOther };

  Kind kind = Kind::kOther;
  std::string key;  // in its table; empty in a list
  TomlPlace place;  // of the key, or of the value in a list
  std::string string;
  int64_t integer = 0;
  bool boolean = false;
  std::vector<TomlValue> children;  // of a list or a table
};

struct TomlError {
  TomlPlace place;
  std::string message;
};

struct TomlDocument {
  TomlValue root;  // a table; empty after an error
  std::vector<TomlError> errors;
};

TomlDocument parse_toml(std::string_view toml);

}  // namespace varve
