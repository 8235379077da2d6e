#include "core/config/plugin_section.h"

#include <algorithm>

#include "core/base/text.h"

namespace varve {
namespace {

constexpr size_t kNameBytesMax = 64;

bool is_letter_or_digit(char letter) {
  return (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
         (letter >= '0' && letter <= '9');
}

// Appends one option, or one per element of a list. False: the value is of a kind that no option
// has.
bool append_options(const TomlValue& value, const std::string& key, bool in_list,
                    std::vector<ServiceOption>& options) {
  switch (value.kind) {
    case TomlValue::Kind::kString:
      options.push_back({key, value.string});
      return value.string.find('\0') == std::string::npos;
    case TomlValue::Kind::kInteger:
      options.push_back({key, text(value.integer)});
      return true;
    case TomlValue::Kind::kBoolean:
      options.push_back({key, value.boolean ? "true" : "false"});
      return true;
    case TomlValue::Kind::kList:
      return !in_list && std::all_of(value.children.begin(), value.children.end(),
                                     [&](const TomlValue& element) {
                                       return append_options(element, key, true, options);
                                     });
    case TomlValue::Kind::kTable:
    case TomlValue::Kind::kOther:
      return false;
  }
  return false;
}

}  // namespace

bool is_config_name(std::string_view name) {
  if (name.empty() || name.size() > kNameBytesMax || !is_letter_or_digit(name.front())) {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](char letter) {
    return is_letter_or_digit(letter) || letter == '.' || letter == '_' || letter == '-';
  });
}

std::string take_plugin(ConfigSection& section, std::string_view key, std::string_view example) {
  const std::string grammar =
      text("the name of a plugin (\"", example, "\") or the absolute path of a shared object");
  const auto plugin = section.take_string(key, grammar);
  if (!plugin) {
    if (section.take(key) == nullptr) section.fail_missing(key, grammar);
    return {};
  }
  if (!is_config_name(*plugin) && !plugin->starts_with('/')) {
    section.fail(section.take(key), key, text("must be ", grammar));
  }
  return *plugin;
}

std::vector<ServiceOption> take_options(ConfigSection& section, const TomlValue& table,
                                        std::initializer_list<std::string_view> known) {
  std::vector<ServiceOption> options;
  for (const TomlValue& value : table.children) {
    if (std::find(known.begin(), known.end(), value.key) != known.end()) continue;
    section.take(value.key);
    if (!append_options(value, value.key, false, options)) {
      section.fail(&value, value.key,
                   "must be a string, a whole number, true, false, or a list of these");
    }
  }
  return options;
}

}  // namespace varve
