#include "core/plugin/transport_plugin.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <vector>

#include "core/base/aligned_buffer.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// The lying transport, with a buffer posted and a connection made as far as it lets us.
struct Lying {
  explicit Lying(const std::string& lie) {
    auto opened = PluginLibrary::open(std::string(VARVE_TEST_PLUGINS) + "/lying_transport.so");
    REQUIRE(opened.ok());
    library = std::move(*opened);
    const ServiceOption option{"lie", lie};
    auto made = TransportPlugin::create(*library, {&option, 1}, 0);
    status = made.status();
    if (!made.ok()) return;
    plugin = std::move(*made);
    REQUIRE(plugin->register_memory(arena.span()).ok());
    REQUIRE(plugin->post_receive(arena.span().first(4096), 500).ok());
  }

  void poll() {
    for (const varve_transport_event& event : plugin->poll()) events.push_back(event);
  }
  ErrorCode connect() {
    const ErrorCode result = plugin->connect("anywhere", 1).code();
    poll();
    return result;
  }
  ErrorCode send(uint64_t op_id) {
    const std::byte header[3] = {};
    const std::span<const std::byte> payload = arena.span().subspan(8192, 100);
    return plugin->send(1, header, {&payload, 1}, op_id).code();
  }
  size_t count(uint32_t kind, uint64_t op_id) const {
    return static_cast<size_t>(std::count_if(events.begin(), events.end(), [&](const auto& event) {
      return event.kind == kind && event.op_id == op_id;
    }));
  }
  // What is found out when a connection is made, one message sent, and the connection ended.
  std::string found_out() {
    connect();
    send(10);
    poll();
    plugin->disconnect(1);
    poll();
    poll();
    plugin->arm();
    if (plugin->broken()) {
      CHECK(send(11) == ErrorCode::kClosed);
      CHECK(plugin->connect("anywhere", 12).code() == ErrorCode::kClosed);
      CHECK(plugin->post_receive(arena.span().first(4096), 13).code() == ErrorCode::kClosed);
      CHECK(plugin->wait_fd() == -1);
      CHECK(plugin->poll().empty());
      CHECK_FALSE(plugin->arm());
      // Whatever was accepted has ended exactly once.
      CHECK(count(VARVE_EVENT_CONNECTED, 1) + count(VARVE_EVENT_CONNECTED, 12) <= 1);
      CHECK(count(VARVE_EVENT_OP_DONE, 10) <= 1);
      CHECK(count(VARVE_EVENT_CLOSED, 0) <= 1);
      CHECK(count(VARVE_EVENT_RECEIVED, 500) <= 1);
    }
    return plugin->broken_why();
  }

  AlignedBuffer arena{16384};
  std::unique_ptr<PluginLibrary> library;
  std::unique_ptr<TransportPlugin> plugin;
  std::vector<varve_transport_event> events;
  Status status;
};

}  // namespace

TEST_CASE("an honest transport is believed, and op ids come back as they were given") {
  Lying honest("");
  CHECK(honest.found_out().empty());
  REQUIRE(honest.events.size() == 4);
  CHECK(honest.count(VARVE_EVENT_CONNECTED, 1) == 1);
  CHECK(honest.count(VARVE_EVENT_OP_DONE, 10) == 1);
  CHECK(honest.count(VARVE_EVENT_RECEIVED, 500) == 1);
  CHECK(honest.events[2].payload_bytes == 100);
  CHECK(honest.count(VARVE_EVENT_CLOSED, 0) == 1);
}

TEST_CASE("a transport that fails at the start is refused with a reason") {
  CHECK_THAT(std::string(Lying("no instance").status.message()),
             ContainsSubstring("made no instance"));
  CHECK_THAT(std::string(Lying("no reason").status.message()),
             ContainsSubstring("without saying why (-2)"));
  CHECK(Lying("a reason").status.message() == "a reason");
  CHECK(Lying("a reason").status.code() == ErrorCode::kUnsupported);
  CHECK_THAT(std::string(Lying("no context").status.message()),
             ContainsSubstring("made no context"));
  CHECK_THAT(std::string(Lying("wait_fd").status.message()),
             ContainsSubstring("99999, which is not open"));
  Lying listening("listen");
  CHECK(listening.plugin->listen("here").code() == ErrorCode::kClosed);
  CHECK_THAT(listening.plugin->broken_why(), ContainsSubstring("listen returned 0"));
}

TEST_CASE("every lie of a transport is found out, and nothing is owed afterwards") {
  const std::vector<std::pair<std::string, std::string>> lies = {
      {"connect returns", "connect returned 3"},
      {"unknown connect", "which is no open connect"},
      {"same number", "has the number 0"},
      {"connected twice", "which is no open connect"},
      {"send returns", "send returned 9"},
      {"closed before done", "before the OP_DONE of 1 sends"},
      {"done twice", "which is no open send"},
      {"unknown send", "OP_DONE for op_id 4711"},
      {"unknown kind", "an event has the kind 77"},
      {"result", "an event has the result 1"},
      {"writable", "which has refused nothing"},
      {"unknown buffer", "which is no posted buffer"},
      {"no buffer", "1 bytes of payload and no buffer"},
      {"too long", "4097 bytes in a buffer of 4096"},
      {"buffer for nothing", "0 bytes in a buffer of 4096"},
      {"buffer twice", "which is no posted buffer"},
      {"no header", "with a header of 1 bytes"},
      {"long header", "with a header of 257 bytes"},
      {"closed twice", "CLOSED for connection 1, which is not open"},
      {"received after closed", "RECEIVED for connection 1, which is not open"},
      {"poll", "poll returned -7"},
      {"too many", "poll returned 65"},
      {"arm", "arm returned 5"},
  };
  for (const auto& [lie, finding] : lies) {
    INFO(lie);
    CHECK_THAT(Lying(lie).found_out(), ContainsSubstring(finding));
  }
}

TEST_CASE("what a broken transport still owed ends with closed") {
  Lying lying("no end");
  REQUIRE(lying.connect() == ErrorCode::kOk);
  CHECK(lying.events.empty());
  CHECK_FALSE(lying.plugin->arm());
  Lying sender("closed before done");
  REQUIRE(sender.connect() == ErrorCode::kOk);
  REQUIRE(sender.send(10) == ErrorCode::kOk);
  REQUIRE(sender.plugin->connect("again", 2).ok());
  sender.poll();
  REQUIRE(sender.plugin->broken());
  REQUIRE(sender.events.size() == 4);
  CHECK(sender.events.back().kind == VARVE_EVENT_CLOSED);
  CHECK(sender.events.back().result == VARVE_E_CLOSED);
  CHECK(sender.count(VARVE_EVENT_OP_DONE, 10) == 1);
  CHECK(sender.count(VARVE_EVENT_CONNECTED, 2) == 1);
}

TEST_CASE("what is sent may lie anywhere") {
  Lying honest("");
  REQUIRE(honest.connect() == ErrorCode::kOk);
  const std::vector<std::byte> elsewhere(100);
  const std::byte header{};
  const std::span<const std::byte> payload(elsewhere);
  REQUIRE(honest.plugin->send(1, {&header, 1}, {&payload, 1}, 10).ok());
  honest.poll();
  CHECK(honest.count(VARVE_EVENT_RECEIVED, 500) == 1);
}

TEST_CASE("a number in use is not given twice, and WRITABLE may follow a refusal") {
  Lying lying("again");
  REQUIRE(lying.connect() == ErrorCode::kOk);
  CHECK(lying.send(10) == ErrorCode::kBusy);
  lying.poll();
  CHECK_FALSE(lying.plugin->broken());
  CHECK(lying.count(VARVE_EVENT_WRITABLE, 0) == 1);
  CHECK(lying.count(VARVE_EVENT_OP_DONE, 10) == 0);
}

}  // namespace varve
