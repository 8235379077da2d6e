// Log lines for the operator. spdlog stays inside log.cc.
//
// Thread rule: callable from any thread. Not for the data path: one line per event that an operator
// would want to know at 3 a.m.
#pragma once

#include <cstdint>
#include <string_view>

namespace varve {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError, kNone };

// Lines below `level` are dropped. Default: kInfo.
void log_set_level(LogLevel level);
// "component: message", with time and level in front, to standard error.
void log_line(LogLevel level, std::string_view component, std::string_view message);

inline void log_info(std::string_view component, std::string_view message) {
  log_line(LogLevel::kInfo, component, message);
}
inline void log_warn(std::string_view component, std::string_view message) {
  log_line(LogLevel::kWarn, component, message);
}
inline void log_error(std::string_view component, std::string_view message) {
  log_line(LogLevel::kError, component, message);
}

}  // namespace varve
