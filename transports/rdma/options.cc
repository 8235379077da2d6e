#include "transports/rdma/options.h"

#include <charconv>
#include <string_view>

#include "plugins/sdk/host.h"

namespace varve {
namespace {

std::string parse_number(std::string_view key, std::string_view text, uint32_t min, uint32_t max,
                         uint32_t& value) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error == std::errc{} && stop == end && value >= min && value <= max) return {};
  return join({key, ": \"", text, "\" is not a number from ", std::to_string(min), " to ",
               std::to_string(max)});
}

std::string parse_option(std::string_view key, std::string_view value, RdmaOptions& options) {
  if (key == "device") {
    options.device = value;
    const bool good = !value.empty() && value.find('/') == std::string_view::npos;
    return good ? std::string() : join({"device: \"", value, "\" is no device's name"});
  }
  if (key == "traffic_class") return parse_number(key, value, 0, 255, options.traffic_class);
  if (key == "keepalive_s") return parse_number(key, value, 1, 3600, options.keepalive_s);
  if (key == "connect_timeout_ms")
    return parse_number(key, value, 1, 3'600'000, options.connect_timeout_ms);
  if (key == "allow_plaintext") {
    options.allow_plaintext = value == "true";
    if (options.allow_plaintext || value == "false") return {};
    return join({"allow_plaintext: \"", value, "\" is neither true nor false"});
  }
  return join({key,
               ": unknown option; known are device, traffic_class, keepalive_s, "
               "connect_timeout_ms, allow_plaintext"});
}

}  // namespace

std::string parse_options(std::span<const varve_option> given, RdmaOptions& options) {
  options = {};
  for (const varve_option& option : given) {
    std::string wrong = parse_option(option.key, option.value, options);
    if (!wrong.empty()) return wrong;
  }
  return {};
}

}  // namespace varve
