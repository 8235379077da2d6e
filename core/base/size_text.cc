#include "core/base/size_text.h"

#include <array>
#include <charconv>
#include <limits>

#include "core/base/text.h"

namespace varve {
namespace {

// From 1024^0 up.
constexpr std::array<std::string_view, 6> kUnits = {"", "KiB", "MiB", "GiB", "TiB", "PiB"};

}  // namespace

std::optional<uint64_t> parse_size(std::string_view words) {
  uint64_t number = 0;
  const char* end = words.data() + words.size();
  const auto [rest, error] = std::from_chars(words.data(), end, number);
  if (error != std::errc{}) return std::nullopt;
  std::string_view unit(rest, static_cast<size_t>(end - rest));
  if (unit.size() > 1 && unit.front() == ' ') unit.remove_prefix(1);
  for (size_t power = 0; power < kUnits.size(); ++power) {
    if (unit != kUnits[power]) continue;
    const uint64_t max = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (number > max >> (10 * power)) return std::nullopt;
    return number << (10 * power);
  }
  return std::nullopt;
}

std::string size_text(uint64_t bytes) {
  size_t power = 0;
  while (power + 1 < kUnits.size() && bytes >> (10 * (power + 1)) > 0) ++power;
  if (power == 0) return text(bytes, "B");
  const uint64_t unit = uint64_t{1} << (10 * power);
  const uint64_t whole = bytes / unit;
  if (bytes % unit == 0) return text(whole, kUnits[power]);
  const uint64_t hundredths = (bytes % unit) * 100 / unit;
  return text(whole, ".", hundredths / 10, hundredths % 10, kUnits[power]);
}

}  // namespace varve
