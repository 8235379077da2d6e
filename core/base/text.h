// text("slot ", 7, " is damaged"): one string from parts, for messages off the hot path.
#pragma once

#include <concepts>
#include <string>
#include <string_view>

namespace varve {

inline void append_text(std::string& out, std::string_view part) {
  out += part;
}
template <std::integral T>
void append_text(std::string& out, T part) {
  out += std::to_string(part);
}

template <typename... Parts>
std::string text(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

}  // namespace varve
