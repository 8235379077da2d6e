#include "transports/tcp/options.h"

#include <charconv>
#include <string_view>

#include "plugins/sdk/host.h"

namespace varve {
namespace {

std::string parse_number(std::string_view key, std::string_view text, uint32_t max,
                         uint32_t& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc{} && stop == end && value >= 1 && value <= max) return {};
  return join({key, ": \"", text, "\" is not a number from 1 to ", std::to_string(max)});
}

std::string parse_switch(std::string_view key, std::string_view text, bool& value) {
  value = text == "true";
  if (value || text == "false") return {};
  return join({key, ": \"", text, "\" is neither true nor false"});
}

std::string parse_option(std::string_view key, std::string_view value, TcpOptions& options) {
  constexpr uint32_t kHourMs = 3'600'000;
  if (key == "keepalive_s") return parse_number(key, value, 3600, options.keepalive_s);
  if (key == "user_timeout_ms") return parse_number(key, value, kHourMs, options.user_timeout_ms);
  if (key == "connect_timeout_ms")
    return parse_number(key, value, kHourMs, options.connect_timeout_ms);
  if (key == "allow_plaintext") return parse_switch(key, value, options.allow_plaintext);
  if (key == "kernel_tls") return parse_switch(key, value, options.kernel_tls);
  return join({key,
               ": unknown option; known are keepalive_s, user_timeout_ms, connect_timeout_ms, "
               "allow_plaintext, kernel_tls"});
}

}  // namespace

std::string parse_options(std::span<const varve_option> given, TcpOptions& options) {
  options = {};
  for (const varve_option& option : given) {
    std::string wrong = parse_option(option.key, option.value, options);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace varve
