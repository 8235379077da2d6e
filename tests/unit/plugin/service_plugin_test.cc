#include "core/plugin/service_plugin.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstring>
#include <deque>
#include <vector>

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// A host with one volume of 4 KiB in memory that answers every operation at once.
struct FakeHost {
  std::vector<char> volume = std::vector<char>(4096);
  alignas(4096) char buffer[4096];
  std::deque<varve_service_event> answers;
  std::string opened;
  size_t operation_count = 0;

  void answer(uint64_t op_id, uint64_t value) {
    answers.push_back({.op_id = op_id, .result = VARVE_OK, .value = value});
  }
  static FakeHost& of(void* context) { return *static_cast<FakeHost*>(context); }

  static varve_service_host table() {
    varve_service_host table{};
    table.struct_size = sizeof(table);
    table.abi_major = VARVE_ABI_MAJOR;
    table.buffer_acquire = [](void* context, uint64_t) -> void* { return of(context).buffer; };
    table.buffer_release = [](void*, void*, uint64_t) {};
    table.volume_open = [](void* context, const char* name, uint32_t name_bytes, uint32_t,
                           uint64_t op_id) -> int32_t {
      of(context).opened.assign(name, name_bytes);
      of(context).answer(op_id, 17);
      return VARVE_OK;
    };
    table.volume_close = [](void* context, uint64_t) { of(context).opened += " closed"; };
    table.submit = [](void* context, uint64_t volume, const varve_operation* operation) -> int32_t {
      FakeHost& host = of(context);
      CHECK(volume == 17);
      ++host.operation_count;
      if (operation->kind == VARVE_OP_WRITE) memcpy(host.volume.data(), operation->data, 4096);
      if (operation->kind == VARVE_OP_READ) memcpy(operation->data, host.volume.data(), 4096);
      host.answer(operation->op_id, 0);
      return VARVE_OK;
    };
    table.events = [](void* context, varve_service_event* events, uint32_t) -> uint32_t {
      FakeHost& host = of(context);
      if (host.answers.empty()) return 0;
      *events = host.answers.front();
      host.answers.pop_front();
      return 1;
    };
    return table;
  }
};

std::unique_ptr<PluginLibrary> load(const std::string& name) {
  auto library = PluginLibrary::open(std::string(VARVE_TEST_PLUGINS) + "/" + name + ".so");
  REQUIRE(library.ok());
  return std::move(*library);
}

struct Lying {
  explicit Lying(const std::string& lie) : library(load("lying")) {
    const ServiceOption option{"lie", lie};
    auto made = ServicePlugin::create(*library, {&option, 1});
    status = made.status();
    if (made.ok()) plugin = std::move(*made);
  }
  Status start() {
    return plugin->start(host_table, &host, [this] { ++broken_count; });
  }
  std::string message() const { return std::string(status.message()); }

  FakeHost host;
  varve_service_host host_table = FakeHost::table();
  std::unique_ptr<PluginLibrary> library;
  std::unique_ptr<ServicePlugin> plugin;
  Status status;
  int broken_count = 0;
};

}  // namespace

TEST_CASE("the example service opens, writes, reads and stops") {
  FakeHost host;
  const varve_service_host table = FakeHost::table();
  const auto library = load("example");
  const ServiceOption option{"volume", "disk1"};
  auto plugin = ServicePlugin::create(*library, {&option, 1});
  REQUIRE(plugin.ok());
  REQUIRE((*plugin)->start(table, &host, [] { FAIL("the plugin is honest"); }).ok());
  CHECK_FALSE((*plugin)->stopped());
  size_t polls = 0;
  while ((*plugin)->poll() > 0) ++polls;
  CHECK(polls == 3);
  CHECK_FALSE((*plugin)->arm());
  CHECK(host.opened == "disk1 closed");
  CHECK(host.operation_count == 2);
  CHECK(std::string(host.volume.data()) == "hello");
  (*plugin)->stop();
  CHECK((*plugin)->stopped());
}

TEST_CASE("a refused option is told in the plugin's words") {
  const auto library = load("example");
  const ServiceOption option{"volum", "disk1"};
  const auto plugin = ServicePlugin::create(*library, {&option, 1});
  REQUIRE_FALSE(plugin.ok());
  CHECK(plugin.status().message() == "unknown option; allowed: volume = NAME");
}

TEST_CASE("a plugin of another kind is no service") {
  const auto library = load("idle_metadata");
  CHECK(ServicePlugin::create(*library, {}).code() == ErrorCode::kUnsupported);
}

TEST_CASE("a plugin that fails badly at the start is refused with a reason") {
  CHECK_THAT(Lying("no instance").message(), ContainsSubstring("made no instance"));
  CHECK_THAT(Lying("no reason").message(), ContainsSubstring("without saying why (-2)"));
  CHECK(Lying("endless reason").message() == std::string(512, 'x'));
  CHECK(Lying("refused with an instance").status.code() == ErrorCode::kUnsupported);
  Lying no_context("no context");
  CHECK_THAT(std::string(no_context.start().message()), ContainsSubstring("made no context"));
  Lying start_fails("start fails");
  const Status status = start_fails.start();
  CHECK(status.code() == ErrorCode::kBusy);
  CHECK(status.message() == "127.0.0.1:10809 is in use");
  CHECK_FALSE(start_fails.plugin->started());
}

TEST_CASE("a plugin whose answer is nonsense is stopped and never called again") {
  for (const std::string lie : {"poll", "arm", "stopped"}) {
    INFO(lie);
    Lying lying(lie);
    REQUIRE(lying.start().ok());
    lying.plugin->poll();
    lying.plugin->arm();
    lying.plugin->stop();
    CHECK(lying.plugin->stopped());
    CHECK(lying.broken_count == 1);
    CHECK_THAT(lying.plugin->broken_why(), ContainsSubstring(lie + " returned"));
    CHECK(lying.plugin->poll() == 0);
    CHECK_FALSE(lying.plugin->arm());
    CHECK(lying.broken_count == 1);
  }
}

TEST_CASE("a wait descriptor that is not open is refused") {
  Lying lying("wait_fd");
  CHECK_THAT(std::string(lying.start().message()), ContainsSubstring("99999, which is not open"));
  CHECK(lying.plugin->wait_fd() == -1);
  CHECK(lying.plugin->stopped());
}

TEST_CASE("odd log calls do no harm") {
  Lying lying("odd log");
  CHECK(lying.status.ok());
}

TEST_CASE("work done is passed on to the loop") {
  Lying lying("busy");
  REQUIRE(lying.start().ok());
  CHECK(lying.plugin->poll() == 3);
  CHECK_FALSE(lying.plugin->stopped());
  lying.plugin->stop();
  CHECK(lying.plugin->stopped());
}

}  // namespace varve
