// What only the C table shows.
#include <poll.h>

#include <algorithm>
#include <map>
#include <set>

#include "plugins/abi/metadata.h"
#include "tests/conformance/metadata/bench.h"
#include "tests/conformance/metadata/plugin_store.h"

namespace varve {
namespace {

// One instance with one context, called as a host would.
class Table {
 public:
  explicit Table(PluginStore& store) : calls(store.library().metadata()) {
    host_.struct_size = sizeof(host_);
    host_.abi_major = VARVE_ABI_MAJOR;
    host_.log = [](void*, uint32_t, const char*) {};
    std::vector<varve_option> options;
    const std::vector<ServiceOption> given = store.options();
    for (const ServiceOption& option : given) {
      options.push_back({option.key.c_str(), option.value.c_str()});
    }
    char why[256] = "";
    REQUIRE(calls.instance_create(&host_, options.data(), static_cast<uint32_t>(options.size()),
                                  &instance_, why, sizeof why) == VARVE_OK);
    REQUIRE(calls.context_create(instance_, 0, &context) == VARVE_OK);
    INFO(why);
    REQUIRE(calls.start(context, why, sizeof why) == VARVE_OK);
  }
  ~Table() {
    destroy_context();
    calls.instance_destroy(instance_);
  }
  Table(const Table&) = delete;
  Table& operator=(const Table&) = delete;

  void destroy_context() {
    if (context != nullptr) calls.context_destroy(context);
    context = nullptr;
  }
  int32_t put(const std::string& key, const std::string& value, uint64_t op_id) {
    const varve_put put{{key.data(), key.size()}, {value.data(), value.size()}, 0, 0};
    return calls.commit(context, nullptr, 0, &put, 1, op_id);
  }
  bool readable(int timeout_ms) {
    pollfd ready{calls.wait_fd(context), POLLIN, 0};
    return ::poll(&ready, 1, timeout_ms) == 1;
  }
  // The next event, as a host that sleeps would get it.
  varve_metadata_event next() {
    varve_metadata_event event{};
    while (calls.poll(context, &event, 1) == 0) {
      if (calls.arm(context) == 0) REQUIRE(readable(20'000));
    }
    return event;
  }

  const varve_metadata& calls;
  varve_metadata_context* context = nullptr;

 private:
  varve_host host_{};
  varve_metadata_instance* instance_ = nullptr;
};

}  // namespace

TEST_CASE("the wait descriptor is readable when there is something to poll, and only then") {
  PluginStore store;
  Table table(store);
  CHECK_FALSE(table.readable(0));
  CHECK(table.calls.arm(table.context) == 0);
  REQUIRE(table.put("a", "1", 7) == VARVE_OK);
  REQUIRE(table.put("b", "1", 8) == VARVE_OK);
  std::set<uint64_t> op_ids{7, 8};  // in any order
  while (!op_ids.empty()) {
    const varve_metadata_event event = table.next();
    CHECK(event.kind == VARVE_METADATA_RESULT);
    REQUIRE(op_ids.erase(event.op_id) == 1);
    CHECK(event.result == VARVE_OK);
    CHECK(event.succeeded == 1);
    CHECK(event.count == 0);
  }
  varve_metadata_event event{};
  CHECK(table.calls.poll(table.context, &event, 1) == 0);
  CHECK(table.calls.arm(table.context) == 0);
  CHECK_FALSE(table.readable(0));
}

TEST_CASE("every accepted call gets one result, every refused one none") {
  PluginStore store;
  Table table(store);
  constexpr uint64_t kCalls = 3000;
  std::map<uint64_t, int> results;
  uint64_t accepted = 0, refused = 0;
  const auto take = [&] {
    const varve_metadata_event event = table.next();
    REQUIRE(event.kind == VARVE_METADATA_RESULT);
    ++results[event.op_id];
  };
  for (uint64_t op_id = 1; op_id <= kCalls; ++op_id) {
    const int32_t result = table.calls.range(table.context, {"a", 1}, op_id);
    if (result == VARVE_OK) ++accepted;
    if (result == VARVE_E_AGAIN) {
      ++refused;
      take();
    }
  }
  CHECK(accepted + refused == kCalls);
  while (results.size() < accepted) take();
  CHECK(std::all_of(results.begin(), results.end(), [](const auto& r) { return r.second == 1; }));
  varve_metadata_event event{};
  CHECK(table.calls.poll(table.context, &event, 1) == 0);
}

TEST_CASE("what breaks the limits is refused at once") {
  PluginStore store;
  Table table(store);
  const std::string key(VARVE_KEY_BYTES_MAX + 1, 'k'), value(VARVE_VALUE_BYTES_MAX + 1, 'v');
  CHECK(table.put(key, "", 1) == VARVE_E_INVALID);
  CHECK(table.put("", "", 1) == VARVE_E_INVALID);
  CHECK(table.put("a", value, 1) == VARVE_E_INVALID);
  CHECK(table.calls.range(table.context, {key.data(), key.size()}, 1) == VARVE_E_INVALID);
  CHECK(table.calls.range(table.context, {nullptr, 1}, 1) == VARVE_E_INVALID);
  CHECK(table.calls.watch(table.context, {key.data(), key.size()}, 0, 1) == VARVE_E_INVALID);
  CHECK(table.calls.commit(table.context, nullptr, 1, nullptr, 0, 1) == VARVE_E_INVALID);
  CHECK(table.calls.commit(table.context, nullptr, 0, nullptr, 1, 1) == VARVE_E_INVALID);
  const std::vector<varve_put> puts(VARVE_TXN_ENTRIES_MAX + 1);
  CHECK(table.calls.commit(table.context, nullptr, 0, puts.data(), VARVE_TXN_ENTRIES_MAX + 1, 1) ==
        VARVE_E_INVALID);
  const varve_put odd{{"a", 1}, {"b", 1}, 8, 0};
  CHECK(table.calls.commit(table.context, nullptr, 0, &odd, 1, 1) == VARVE_E_INVALID);
  CHECK(table.calls.unwatch(table.context, 5) == VARVE_E_NOT_FOUND);
}

TEST_CASE("a context that goes with calls under way waits for nothing and harms nothing") {
  Bench bench(std::make_unique<PluginStore>());
  auto& store = static_cast<PluginStore&>(*bench.store);
  uint64_t accepted = 0;
  {
    Table table(store);
    REQUIRE(table.calls.watch(table.context, {"", 0}, 0, 1000) == VARVE_OK);
    const std::string value(20'000, 'v');
    for (uint64_t i = 1; i <= 200; ++i) {
      if (table.put("k" + std::to_string(i), value, i) == VARVE_OK) ++accepted;
      REQUIRE(table.calls.range(table.context, {"k", 1}, 2000 + i) <= VARVE_OK);
    }
    const varve_metadata_event first = table.next();
    CHECK(first.result == VARVE_OK);
    const uint64_t begin_ns = bench.now_ns();
    table.destroy_context();
    CHECK(bench.now_ns() - begin_ns < 100 * kMillisecond);
  }
  const MetadataRange range = bench.range("k");
  CHECK(range.entries.size() == range.revision);
  CHECK(range.revision <= accepted);
  bench.put("next", "works");
}

}  // namespace varve
