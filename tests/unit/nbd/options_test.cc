// Settings: what is accepted, and that a refusal names the key and what is allowed.
#include "plugins/nbd/options.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {
namespace {

std::string wrong(const std::vector<varve_option>& given) {
  NbdOptions options;
  const std::string bad = parse_options(given, options);
  return bad.empty() ? check_plaintext(options) : bad;
}

TEST_CASE("addresses in every allowed form are read") {
  CHECK(wrong({{"listen", "unix:/run/varve/nbd.sock"},
               {"listen", "tcp:127.0.0.1:10809"},
               {"listen", "tcp:localhost:0"},
               {"listen", "tcp:[::1]:10809"}}) == "");
}

TEST_CASE("what is no address is refused with the allowed forms") {
  for (const char* address : {"", "10809", "tcp:10809", "tcp:1.2.3:1", "tcp:127.0.0.1:65536",
                              "tcp:127.0.0.1:", "tcp:host.example:1", "tcp:::1:10809", "tcp:[x]:1"})
    CHECK(wrong({{"listen", address}}).find("allowed are unix:/PATH") != std::string::npos);
  CHECK(wrong({{"listen", "unix:relative"}}).find("must begin with /") != std::string::npos);
  const std::string long_path = "unix:/" + std::string(107, 'x');
  CHECK(wrong({{"listen", long_path.c_str()}}).find("107 bytes") != std::string::npos);
  CHECK(wrong({}).find("listen: missing") != std::string::npos);
}

TEST_CASE("beyond loopback, plaintext must be allowed in words") {
  for (const char* address : {"tcp:0.0.0.0:1", "tcp:10.1.2.3:1", "tcp:[::]:1", "tcp:[fd00::1]:1"}) {
    CHECK(wrong({{"listen", address}}).find("allow_plaintext = true") != std::string::npos);
    CHECK(wrong({{"listen", address}, {"allow_plaintext", "true"}}) == "");
    CHECK(wrong({{"listen", address}, {"allow_plaintext", "false"}}) != "");
  }
}

TEST_CASE("unknown keys and bad values name the key") {
  const varve_option listen{"listen", "tcp:127.0.0.1:1"};
  CHECK(wrong({listen, {"lissten", "x"}}).starts_with("lissten: unknown option"));
  CHECK(wrong({listen, {"allow_plaintext", "yes"}}).starts_with("allow_plaintext:"));
  CHECK(wrong({listen, {"handshake_timeout_ms", "0"}}).starts_with("handshake_timeout_ms:"));
  CHECK(wrong({listen, {"request_timeout_ms", "1s"}}).starts_with("request_timeout_ms:"));
}

}  // namespace
}  // namespace varve
