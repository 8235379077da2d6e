#include "core/daemon/arguments.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

namespace varve {
namespace {

using Action = DaemonArguments::Action;

Result<DaemonArguments> parse(std::vector<std::string_view> words) {
  return parse_daemon_arguments(words);
}

}  // namespace

TEST_CASE("varved's arguments") {
  CHECK(parse({})->config_path == "/etc/varve/node.toml");
  CHECK(parse({"--config", "a.toml"})->config_path == "a.toml");
  CHECK(parse({"--config=a=b.toml"})->config_path == "a=b.toml");
  CHECK(parse({"--config", "a", "--check"})->action == Action::kCheck);
  CHECK(parse({"--describe-plugin", "x.so"})->plugin_path == "x.so");
  CHECK(parse({"--describe-plugin=x.so"})->action == Action::kDescribePlugin);
  CHECK(parse({"--help"})->action == Action::kHelp);
  CHECK(parse({"--version"})->action == Action::kVersion);
}

TEST_CASE("wrong arguments are named") {
  for (const auto& words : std::vector<std::vector<std::string_view>>{
           {"x"}, {"--config"}, {"--config="}, {"--chek"}, {"--check=1"}, {"--describe-plugin"}}) {
    const auto arguments = parse(words);
    INFO(words[0]);
    REQUIRE_FALSE(arguments.ok());
    CHECK(arguments.status().message().find("see varved --help") != std::string_view::npos);
  }
  CHECK(parse({"--chek"}).status().message().find("\"--chek\"") != std::string_view::npos);
}

}  // namespace varve
