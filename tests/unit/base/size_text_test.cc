#include "core/base/size_text.h"

#include <catch2/catch_test_macros.hpp>
#include <limits>
#include <string>

#include "core/base/units.h"

namespace varve {

TEST_CASE("sizes in words are read") {
  CHECK(parse_size("0") == 0);
  CHECK(parse_size("4096") == 4096);
  CHECK(parse_size("64KiB") == 64 * kKiB);
  CHECK(parse_size("10GiB") == 10 * kGiB);
  CHECK(parse_size("10 GiB") == 10 * kGiB);
  CHECK(parse_size("3TiB") == 3 * 1024 * kGiB);
  CHECK(parse_size("1PiB") == 1024 * 1024 * kGiB);
}

TEST_CASE("what is not a size is refused") {
  for (const char* words :
       {"", " ", "GiB", "-1", "+1", "1.5GiB", "10GB", "10gib", "10  GiB", "10GiB ", " 10GiB",
        "0x10", "10GiBs", "1e3", "10 ", "99999999999999999999"}) {
    INFO(words);
    CHECK(!parse_size(words).has_value());
  }
}

TEST_CASE("sizes over 2^63 - 1 bytes are refused, whatever the unit") {
  CHECK(parse_size("9223372036854775807") == std::numeric_limits<int64_t>::max());
  CHECK(!parse_size("9223372036854775808"));
  CHECK(parse_size("8191PiB").has_value());
  CHECK(!parse_size("8192PiB"));
  CHECK(!parse_size("18446744073709551615KiB"));
}

TEST_CASE("sizes are printed in the largest unit") {
  CHECK(size_text(0) == "0B");
  CHECK(size_text(1023) == "1023B");
  CHECK(size_text(kKiB) == "1KiB");
  CHECK(size_text(10 * kGiB) == "10GiB");
  CHECK(size_text(kGiB + kGiB / 2) == "1.50GiB");
  CHECK(size_text(kGiB - 1) == "1023.99MiB");
  CHECK(size_text(std::numeric_limits<uint64_t>::max()) == "16383.99PiB");
}

TEST_CASE("what is printed in whole units is read back") {
  for (const uint64_t bytes : {kKiB, 3 * kMiB, 1000 * kGiB})
    CHECK(parse_size(size_text(bytes)) == bytes);
}

}  // namespace varve
