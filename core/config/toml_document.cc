#include "core/config/toml_document.h"

// toml++ 3.3 asserts what its own caller did not check: "[=" ends the process. The code behind each
// assertion reports such input as an error; with NDEBUG the optimizer would take it for impossible.
#undef NDEBUG
#define TOML_ASSERT(expression) static_assert(true)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES 32
#include <toml++/toml.h>

namespace varve {
namespace {

TomlPlace place_of(const toml::source_region& region) {
  return {region.begin.line, region.begin.column};
}

// Dotted keys nest without end; a value below this depth becomes kOther, which no key allows.
constexpr int kDepthMax = 64;

TomlValue convert(const toml::node& node, int depth) {
  TomlValue value;
  value.place = place_of(node.source());
  if (depth == kDepthMax) return value;
  if (const auto* table = node.as_table()) {
    value.kind = TomlValue::Kind::kTable;
    for (const auto& [key, child] : *table) {
      TomlValue converted = convert(child, depth + 1);
      converted.key = key.str();
      if (key.source().begin) converted.place = place_of(key.source());
      value.children.push_back(std::move(converted));
    }
  } else if (const auto* list = node.as_array()) {
    value.kind = TomlValue::Kind::kList;
    for (const auto& child : *list) value.children.push_back(convert(child, depth + 1));
  } else if (const auto* string = node.as_string()) {
    value.kind = TomlValue::Kind::kString;
    value.string = string->get();
  } else if (const auto* integer = node.as_integer()) {
    value.kind = TomlValue::Kind::kInteger;
    value.integer = integer->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.kind = TomlValue::Kind::kBoolean;
    value.boolean = boolean->get();
  }
  return value;
}

}  // namespace

TomlDocument parse_toml(std::string_view toml) {
  TomlDocument document;
  document.root.kind = TomlValue::Kind::kTable;
  const toml::parse_result result = toml::parse(toml);
  if (!result) {
    document.errors.push_back(
        {place_of(result.error().source()), std::string(result.error().description())});
    return document;
  }
  document.root = convert(result.table(), 0);
  return document;
}

}  // namespace varve
