#include "core/base/size_text.h"

#include <catch2/catch_test_macros.hpp>

#include "core/base/units.h"

namespace varve {

TEST_CASE("sizes are whole numbers with a binary unit") {
  CHECK(parse_size("0") == 0u);
  CHECK(parse_size("4096") == 4096u);
  CHECK(parse_size("10GiB") == 10 * kGiB);
  CHECK(parse_size("10 GiB") == 10 * kGiB);
  CHECK(parse_size("1PiB") == (uint64_t{1} << 50));
  CHECK(parse_size("8191PiB") == (uint64_t{8191} << 50));
}

TEST_CASE("what is not a size is refused") {
  for (const char* words :
       {"", " ", "GiB", "1.5TiB", "-1", "+1", "10GB", "10G", "10gib", "10  GiB", "10GiB ", " 10",
        "10 ", "0x10", "8192PiB", "9223372036854775808", "99999999999999999999"}) {
    INFO(words);
    CHECK_FALSE(parse_size(words));
  }
}

TEST_CASE("sizes are printed short") {
  CHECK(size_text(0) == "0B");
  CHECK(size_text(1023) == "1023B");
  CHECK(size_text(4096) == "4KiB");
  CHECK(size_text(10 * kGiB) == "10GiB");
  CHECK(size_text(kGiB + kGiB / 2) == "1.50GiB");
  CHECK(size_text(kGiB - 1) == "1023.99MiB");
}

TEST_CASE("a whole size survives printing and parsing") {
  for (uint64_t bytes : {uint64_t{kKiB}, 3 * kMiB, 1023 * kGiB, 7 * 1024 * kGiB}) {
    CHECK(parse_size(size_text(bytes)) == bytes);
  }
}

}  // namespace varve
