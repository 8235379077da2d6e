#include <catch2/catch_session.hpp>
#include <string_view>

#include "tests/conformance/transport/remote_side.h"

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "--serve-side") varve::serve_sides(argv[2]);
  return Catch::Session().run(argc, argv);
}
