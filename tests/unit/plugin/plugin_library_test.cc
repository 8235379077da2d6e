#include "core/plugin/plugin_library.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

std::string test_plugin(const std::string& name) {
  return std::string(VARVE_TEST_PLUGINS) + "/" + name + ".so";
}

// Why the plugin was refused; fails the test when it was not.
std::string refusal(const std::string& name, ErrorCode code) {
  const auto library = PluginLibrary::open(test_plugin(name));
  REQUIRE_FALSE(library.ok());
  CHECK(library.code() == code);
  CHECK_THAT(std::string(library.status().message()), ContainsSubstring(test_plugin(name)));
  return std::string(library.status().message());
}

}  // namespace

TEST_CASE("a good plugin is loaded and described") {
  const auto library = PluginLibrary::open(test_plugin("example"));
  REQUIRE(library.ok());
  CHECK((*library)->name() == "example");
  const std::string description = (*library)->describe();
  for (const char* part : {"name:         example\n", "version:      1.2\n",
                           "kind:         service\n", "ABI:  ", "instance_create instance_destroy",
                           "wait_fd\n", "  volume = NAME   which volume"}) {
    CHECK_THAT(description, ContainsSubstring(part));
  }
}

TEST_CASE("a plugin with a larger minor is loaded by what is known here") {
  const auto library = PluginLibrary::open(test_plugin("newer_minor"));
  REQUIRE(library.ok());
  CHECK((*library)->service().table.abi_minor == VARVE_ABI_MINOR + 1);
  CHECK_THAT((*library)->describe(), ContainsSubstring("options:\n  none"));
}

TEST_CASE("a table that ends early lacks the callbacks behind its end, by name") {
  CHECK_THAT(refusal("shorter_table", ErrorCode::kInvalidArgument),
             ContainsSubstring("lacks required callbacks: stop, stopped, poll, arm, wait_fd"));
}

TEST_CASE("missing callbacks are named") {
  CHECK_THAT(
      refusal("missing_callbacks", ErrorCode::kInvalidArgument),
      ContainsSubstring("lacks required callbacks: poll, arm") && !ContainsSubstring("wait_fd"));
}

TEST_CASE("another ABI major is refused, naming both") {
  CHECK_THAT(refusal("wrong_major", ErrorCode::kUnsupported),
             ContainsSubstring("was built for plugin ABI 2.2; this release needs 1.x"));
}

TEST_CASE("plugins of each kind are loaded and described") {
  const auto transport = PluginLibrary::open(test_plugin("idle_transport"));
  REQUIRE(transport.ok());
  CHECK((*transport)->kind() == VARVE_KIND_TRANSPORT);
  CHECK((*transport)->transport().wait_fd != nullptr);
  CHECK_THAT((*transport)->describe(),
             ContainsSubstring("kind:         transport\n") &&
                 ContainsSubstring("memory_register memory_unregister listen connect disconnect "
                                   "receive_post send poll arm wait_fd\n") &&
                 ContainsSubstring("  none = NONE   nothing"));
  const auto metadata = PluginLibrary::open(test_plugin("idle_metadata"));
  REQUIRE(metadata.ok());
  CHECK((*metadata)->kind() == VARVE_KIND_METADATA);
  CHECK((*metadata)->metadata().wait_fd != nullptr);
  CHECK_THAT(
      (*metadata)->describe(),
      ContainsSubstring("kind:         metadata\n") &&
          ContainsSubstring("context_destroy start range commit watch unwatch poll arm wait_fd\n"));
}

TEST_CASE("a plugin of another kind than is needed is refused in words") {
  const auto library = PluginLibrary::open(test_plugin("idle_transport"));
  REQUIRE(library.ok());
  CHECK((*library)->need_kind(VARVE_KIND_TRANSPORT).ok());
  const Status status = (*library)->need_kind(VARVE_KIND_SERVICE);
  CHECK(status.code() == ErrorCode::kUnsupported);
  CHECK_THAT(std::string(status.message()),
             ContainsSubstring("is of kind transport; a plugin of kind service is needed"));
}

TEST_CASE("a table is measured by the callbacks of its own kind") {
  CHECK_THAT(refusal("wrong_kind", ErrorCode::kInvalidArgument),
             ContainsSubstring("lacks required callbacks: send, poll, arm, wait_fd"));
  CHECK(refusal("metadata_without_watch", ErrorCode::kInvalidArgument)
            .ends_with("lacks required callbacks: watch"));
}

TEST_CASE("an unknown kind is refused") {
  CHECK_THAT(refusal("unknown_kind", ErrorCode::kUnsupported),
             ContainsSubstring("is of kind unknown (99)"));
}

TEST_CASE("what is no plugin is refused") {
  CHECK_THAT(refusal("no_entry", ErrorCode::kInvalidArgument),
             ContainsSubstring("is no Varve plugin"));
  CHECK_THAT(refusal("null_table", ErrorCode::kInvalidArgument),
             ContainsSubstring("returned no table"));
  CHECK_THAT(refusal("tiny_table", ErrorCode::kInvalidArgument),
             ContainsSubstring("its table says 4 bytes"));
  CHECK_THAT(refusal("no_name", ErrorCode::kInvalidArgument), ContainsSubstring("has no name"));
  CHECK_THAT(refusal("text", ErrorCode::kNotFound), ContainsSubstring("cannot be loaded"));
  CHECK_FALSE(PluginLibrary::open("example.so").ok());
}

TEST_CASE("for a plugin that is not there those that are there are named") {
  CHECK_THAT(refusal("nowhere", ErrorCode::kNotFound),
             ContainsSubstring("nowhere.so: no such file; there are: ") &&
                 ContainsSubstring(", null_table, ") && !ContainsSubstring(".so,"));
  const auto missing = PluginLibrary::open("/nowhere/at_all.so");
  CHECK(missing.status().message() ==
        "/nowhere/at_all.so: no such file; there is no plugin in that folder");
}

TEST_CASE("a plugin is found by name in the directory, or by its absolute path") {
  CHECK(plugin_path("/lib/varve/plugins", "nbd") == "/lib/varve/plugins/nbd.so");
  CHECK(plugin_path("/lib/varve/plugins", "/opt/x.so") == "/opt/x.so");
}

}  // namespace varve
