// Comfort for what crosses the ABI: log lines, explanations, tables of another age.
//
// Thread rule: HostLog may be used from any thread; the rest are plain functions.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "plugins/abi/plugin.h"

namespace varve {

// A copy of a table whose owner may be older or newer: members it lacks are absent (zero).
template <typename Table>
Table copy_table(const Table* from) {
  Table copy{};
  std::memcpy(&copy, from, std::min<size_t>(from->struct_size, sizeof(Table)));
  copy.struct_size = sizeof(Table);
  return copy;
}

// Fills in the `why` of a call that failed; cut to fit, always ended by NUL.
inline void explain(char* why, uint32_t why_bytes, std::string_view text) {
  if (why == nullptr || why_bytes == 0) return;
  const size_t length = std::min<size_t>(text.size(), why_bytes - 1);
  std::memcpy(why, text.data(), length);
  why[length] = '\0';
}

// instance_create for an instance with `log` and `options` that parse_options() fills in.
template <typename Instance>
int32_t make_instance(const varve_host* host, const varve_option* options, uint32_t option_count,
                      Instance** instance, char* why, uint32_t why_bytes) {
  auto created = std::make_unique<Instance>(host);
  const std::string wrong = parse_options(std::span(options, option_count), created->options);
  if (!wrong.empty()) {
    explain(why, why_bytes, wrong);
    return VARVE_E_INVALID;
  }
  *instance = created.release();
  return VARVE_OK;
}

// One string from parts, for messages off the hot path.
inline std::string join(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (std::string_view part : parts) out += part;
  return out;
}

// The host's log. `host` must outlive it.
class HostLog {
 public:
  explicit HostLog(const varve_host* host) : host_(copy_table(host)) {}

  void debug(const std::string& text) const { line(VARVE_LOG_DEBUG, text); }
  void info(const std::string& text) const { line(VARVE_LOG_INFO, text); }
  void warn(const std::string& text) const { line(VARVE_LOG_WARN, text); }

 private:
  void line(uint32_t level, const std::string& text) const {
    if (host_.log != nullptr) host_.log(host_.host, level, text.c_str());
  }

  varve_host host_;
};

}  // namespace varve
