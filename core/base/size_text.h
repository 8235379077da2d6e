// Sizes in words: "4096", "10GiB". Shared by the config, the CLI and messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace varve {

// Bytes of "4096", "64KiB", "10GiB" (also MiB, TiB, PiB); a space before the unit is fine. Nothing
// for anything else: a fraction, a sign, another unit, more than 2^63 - 1 bytes.
std::optional<uint64_t> parse_size(std::string_view words);

// What parse_size takes, for messages.
inline constexpr std::string_view kSizeGrammar = "a whole number with KiB, MiB, GiB, TiB or PiB";

// "10GiB" where the value is a whole number of units, else two digits after the point: "1.41GiB".
std::string size_text(uint64_t bytes);

}  // namespace varve
