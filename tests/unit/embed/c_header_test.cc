#include "tests/unit/embed/c_header_test.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

#include "core/embed/varve.h"

namespace varve {
namespace {

TEST_CASE("a program in C compiles against varve.h and links") {
  CHECK(create_engine_from_c() == VARVE_E_NOT_FOUND);
  CHECK(std::string(varve_last_error()) == "disk /nonexistent/disk.img does not exist");
}

TEST_CASE("every error has a name of its own") {
  for (int error = VARVE_OK; error >= VARVE_E_NEWER_FORMAT; --error) {
    const std::string name = varve_error_name(error);
    for (int other = VARVE_OK; other > error; --other)
      if (name != "unknown error") CHECK(name != varve_error_name(other));
  }
  CHECK(std::string(varve_error_name(VARVE_E_NO_SPACE)) == "no space");
  CHECK(std::string(varve_error_name(1)) == "unknown error");
}

}  // namespace
}  // namespace varve
