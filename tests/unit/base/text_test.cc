#include "core/base/text.h"

#include <catch2/catch_test_macros.hpp>
#include <cstdint>
#include <limits>

namespace varve {

TEST_CASE("text joins words and whole numbers") {
  CHECK(text("slot ", 7, " of ", uint64_t{12}) == "slot 7 of 12");
  CHECK(text() == "");
  CHECK(text(std::string("a"), std::string_view("b"), "c") == "abc");
  CHECK(text(-1, " ", std::numeric_limits<uint64_t>::max()) == "-1 18446744073709551615");
}

}  // namespace varve
