#include "plugins/metadata_etcd/version.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {

TEST_CASE("releases before 3.5.28 and 3.6.9 are warned of, and what is no version") {
  for (const char* old :
       {"3.3.27", "3.4.23", "3.4.99", "3.5.0", "3.5.27", "3.6.0", "3.6.8", "2.3.8"}) {
    INFO(old);
    CHECK(version_warning(old).find(old) != std::string::npos);
  }
  for (const char* good :
       {"3.5.28", "3.5.100", "3.6.9", "3.6.10", "3.7.0", "3.7.0-rc.0", "4.0.0"}) {
    INFO(good);
    CHECK(version_warning(good).empty());
  }
  for (const char* none : {"", "3", "3.6", "three", "3..9", "3.6.", "99999999999.1.1"}) {
    INFO(none);
    CHECK_FALSE(version_warning(none).empty());
  }
}

}  // namespace varve
