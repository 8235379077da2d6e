// Whatever a metadata plugin does: the host stays whole, trusts it no more, and says why.
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <optional>

#include "core/cluster/plugin_metadata.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/uring_loop.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

template <typename T>
Task<void> keep(Task<T> task, std::optional<T>* into) {
  into->emplace(co_await task);
}

struct Lying {
  explicit Lying(const std::string& lie) {
    auto made = UringLoop::create();
    REQUIRE(made.ok());
    loop = std::move(*made);
    auto opened = PluginLibrary::open(VARVE_LYING_PLUGIN);
    REQUIRE(opened.ok());
    library = std::move(*opened);
    const std::vector<ServiceOption> options{{"lie", lie}};
    auto started = PluginMetadata::start(loop->runtime(), *library, options);
    status = started.status();
    if (!started.ok()) return;
    store = std::move(*started);
    loop->add_poller(*store);
  }
  ~Lying() {
    if (store == nullptr) return;
    loop->run(store->close());
    loop->remove_poller(*store);
  }
  Lying(const Lying&) = delete;
  Lying& operator=(const Lying&) = delete;

  ErrorCode range() { return loop->run(store->range("a/")).code(); }
  ErrorCode commit() {
    MetadataTransaction transaction;
    transaction.puts.push_back({"a/3", "three"});
    return loop->run(store->commit(std::move(transaction))).code();
  }
  uint64_t watch() {
    return store->watch("a/", 2, [this](const MetadataNews&) { ++heard; });
  }
  void until_broken() {
    loop->run_until([this] { return !store->broken_why().empty(); });
  }
  std::string message() const { return std::string(status.message()); }

  std::unique_ptr<UringLoop> loop;
  std::unique_ptr<PluginLibrary> library;
  std::unique_ptr<PluginMetadata> store;
  Status status;
  size_t heard = 0;
};

struct Case {
  const char* lie;
  const char* why;
};

}  // namespace

TEST_CASE("an honest plugin is believed") {
  Lying honest("");
  const auto range = honest.loop->run(honest.store->range("a/"));
  REQUIRE(range.ok());
  CHECK(range->revision == 2);
  REQUIRE(range->entries.size() == 2);
  CHECK(range->entries[1].value == "two");
  CHECK(honest.commit() == ErrorCode::kOk);
  const uint64_t watch = honest.watch();
  honest.loop->run_until([&honest] { return honest.heard == 1; });
  honest.store->unwatch(watch);
  CHECK(honest.store->broken_why().empty());
}

TEST_CASE("a plugin that fails at the start is refused with a reason") {
  CHECK_THAT(Lying("no instance").message(), ContainsSubstring("made no instance"));
  CHECK_THAT(Lying("no context").message(), ContainsSubstring("made no context"));
  CHECK(Lying("start fails").message() == "the store is on the moon");
  CHECK_THAT(Lying("wait_fd").message(), ContainsSubstring("99999, which is not open"));
}

TEST_CASE("a lie in a range is caught, and the range ends") {
  for (const Case& tried : std::vector<Case>{
           {"range returns 5", "range returned 5"},
           {"unknown operation", "RESULT of operation 4711"},
           {"range unknown", "a RESULT of -12"},
           {"odd result", "a RESULT of -2"},
           {"odd kind", "an event of kind 9"},
           {"null entries", "without its entries"},
           {"disordered", "out of order"},
           {"foreign", "outside the prefix"},
           {"future", "revision 9 in a store of revision 2"},
           {"never", "revision 0 in a store of revision 2"},
           {"deleted", "a key with flags 1"},
           {"odd flags", "a key with flags 6"},
           {"no key", "a key of 0 bytes"},
           {"null value", "a value of 5 bytes"},
           {"endless value", "a value of 1048576 bytes"},
           {"failed with entries", "a RESULT with 2 entries"},
           {"changes of a range", "which is no watch"},
           {"poll -7", "poll returned -7"},
           {"poll too many", "poll returned 33"},
       }) {
    INFO(tried.lie);
    Lying lying(tried.lie);
    CHECK(lying.range() == ErrorCode::kUnavailable);
    CHECK_THAT(lying.store->broken_why(), ContainsSubstring(tried.why));
    CHECK(lying.range() == ErrorCode::kUnavailable);
    CHECK(lying.commit() == ErrorCode::kUnavailable);
    lying.store->unwatch(lying.watch());
    CHECK(lying.store->poll() == 0);
    CHECK_FALSE(lying.store->arm());
  }
}

TEST_CASE("a commit during which the plugin breaks leaves doubt") {
  for (const Case& tried : std::vector<Case>{{"commit returns -99", "commit returned -99"},
                                             {"succeeded 7", "succeeded 7 times"},
                                             {"commit with entries", "a RESULT with 2 entries"},
                                             {"poll -7", "poll returned -7"}}) {
    INFO(tried.lie);
    Lying lying(tried.lie);
    CHECK(lying.commit() == ErrorCode::kUnknown);
    CHECK_THAT(lying.store->broken_why(), ContainsSubstring(tried.why));
    CHECK(lying.commit() == ErrorCode::kUnavailable);
  }
}

TEST_CASE("a lie in a watch is caught") {
  for (const Case& tried : std::vector<Case>{
           {"no changes", "CHANGES without any"},
           {"old change", "a change of revision 2 where at least 3 was due"},
           {"change twice", "a change of revision 3 where at least 4 was due"},
           {"full delete", "a deleted key with a value"},
           {"result of a watch", "which is not under way"},
           {"resync with entries", "a RESYNC with entries"},
       }) {
    INFO(tried.lie);
    Lying lying(tried.lie);
    lying.watch();
    lying.until_broken();
    CHECK_THAT(lying.store->broken_why(), ContainsSubstring(tried.why));
    CHECK(lying.range() == ErrorCode::kUnavailable);
  }
}

TEST_CASE("lies about calls that have ended are caught") {
  Lying twice("answered twice");
  CHECK(twice.range() == ErrorCode::kOk);
  twice.until_broken();
  CHECK_THAT(twice.store->broken_why(), ContainsSubstring("which is not under way"));
  Lying after("after unwatch");
  after.store->unwatch(after.watch());
  after.until_broken();
  CHECK_THAT(after.store->broken_why(), ContainsSubstring("which is no watch"));
  CHECK(after.heard == 0);
  Lying fails("unwatch fails");
  fails.store->unwatch(fails.watch());
  CHECK_THAT(fails.store->broken_why(), ContainsSubstring("unwatch returned -3"));
  Lying again("watch again");
  again.watch();
  CHECK_THAT(again.store->broken_why(), ContainsSubstring("watch returned -1"));
  Lying arm("arm 5");
  arm.until_broken();
  CHECK_THAT(arm.store->broken_why(), ContainsSubstring("arm returned 5"));
}

TEST_CASE("a plugin that never takes a call is unavailable") {
  Lying lying("always again");
  CHECK(lying.commit() == ErrorCode::kUnavailable);
}

TEST_CASE("closing ends calls that the plugin never answers") {
  Lying lying("range is silent");
  std::optional<Result<MetadataRange>> result;
  TaskGroup group(lying.loop->runtime().ready);
  group.start(keep(lying.store->range("a/"), &result));
  lying.loop->run(lying.store->close());
  lying.loop->run(group.done());
  REQUIRE(result.has_value());
  CHECK(result->code() == ErrorCode::kUnavailable);
  CHECK(lying.store->broken_why().empty());
}

}  // namespace varve
