// What only metadata_etcd promises, on one etcd that works.
#include <catch2/matchers/catch_matchers_string.hpp>

#include "tests/conformance/metadata/etcd_process.h"
#include "tests/conformance/metadata/plugin_bench.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

}  // namespace

TEST_CASE("a wrong option is refused in words") {
  const PluginBench bench;
  const ServiceOption good{"endpoints", "http://127.0.0.1:1"};
  CHECK_THAT(refused(bench, {good, {"path", "/x"}}), ContainsSubstring("path: unknown option"));
  CHECK_THAT(refused(bench, {}), ContainsSubstring("endpoints: is missing"));
  for (const char* url : {"127.0.0.1:2379", "ftp://a:1", "http://", "http://a", "http://a:0",
                          "http://a:65536", "http://a:1/v3", "http://:1", "http://a b:1", ""}) {
    CHECK_THAT(refused(bench, {{"endpoints", url}}),
               ContainsSubstring("is not \"http://HOST:PORT\""));
  }
  CHECK_THAT(refused(bench, {good, good}), ContainsSubstring("given twice"));
  CHECK_THAT(refused(bench, {good, {"endpoints", "https://a:1"}}), ContainsSubstring("all with"));
  CHECK_THAT(refused(bench, {good, {"prefix", "varve"}}), ContainsSubstring("must begin and end"));
  CHECK_THAT(refused(bench, {good, {"user", "a"}}), ContainsSubstring("both or neither"));
  CHECK_THAT(refused(bench, {good, {"ca_file", "/x"}}), ContainsSubstring("https://"));
  CHECK_THAT(refused(bench, {good, {"user", "a"}, {"password_file", "x"}}),
             ContainsSubstring("is not the absolute path"));
}

}  // namespace varve
