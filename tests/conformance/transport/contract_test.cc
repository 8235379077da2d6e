// Arguments that the contract does not allow, and sleeping.
#include <poll.h>

#include <catch2/catch_test_macros.hpp>
#include <cstring>

#include "core/base/aligned_buffer.h"
#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

varve_message message_of(const char* header, uint32_t header_bytes) {
  varve_message message{};
  message.struct_size = sizeof(message);
  message.header = header;
  message.header_bytes = header_bytes;
  return message;
}

bool readable(int fd, int milliseconds = 0) {
  pollfd ready{fd, POLLIN, 0};
  return ::poll(&ready, 1, milliseconds) == 1;
}

}  // namespace

TEST_CASE("the table says what it is") {
  const varve_transport& table = transport_under_test();
  CHECK(table.table.struct_size == sizeof(varve_transport));
  CHECK(table.table.abi_major == VARVE_ABI_MAJOR);
  CHECK(table.table.kind == VARVE_KIND_TRANSPORT);
  CHECK(strlen(table.table.name) > 0);
}

TEST_CASE("an unknown option is refused in words") {
  const varve_transport& table = transport_under_test();
  const varve_option option{"no_such_option", "1"};
  std::string log;
  const varve_host host = host_for(&log);
  varve_transport_instance* instance = nullptr;
  char why[256] = "";
  CHECK(table.instance_create(&host, &option, 1, &instance, why, sizeof(why)) == VARVE_E_INVALID);
  INFO(why);
  CHECK(std::string(why).find("no_such_option") != std::string::npos);
}

TEST_CASE("messages that the contract does not allow are refused") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  const std::string header(300, 'h');
  varve_transport_context* const context = wire.left().context();
  const auto send = [&](const varve_message& message) {
    return wire.table().send(context, left, &message, 77);
  };
  varve_message message = message_of(header.data(), 0);
  CHECK(send(message) == VARVE_E_INVALID);
  message = message_of(header.data(), VARVE_HEADER_BYTES_MAX + 1);
  CHECK(send(message) == VARVE_E_INVALID);
  message = message_of(header.data(), 10);
  message.struct_size = 8;
  CHECK(send(message) == VARVE_E_INVALID);
  message = message_of(header.data(), 10);
  message.slice_count = VARVE_MESSAGE_SLICES_MAX + 1;
  CHECK(send(message) == VARVE_E_INVALID);
  message.slice_count = 1;
  message.slices[0] = wire.left().slice(VARVE_PAYLOAD_BYTES_MAX + 1);
  CHECK(send(message) == VARVE_E_INVALID);
  message.slice_count = 2;
  message.slices[0] = message.slices[1] = wire.left().slice(VARVE_PAYLOAD_BYTES_MAX / 2 + 1);
  CHECK(send(message) == VARVE_E_INVALID);
  message.slice_count = 1;
  message.slices[0].bytes = 0;
  CHECK(send(message) == VARVE_E_INVALID);
  message.slices[0] = {const_cast<char*>(header.data()), 16, message.slices[0].memory};
  CHECK(send(message) == VARVE_E_INVALID);
  message.slices[0] = wire.left().slice(16);
  message.slices[0].memory += 7;
  CHECK(send(message) == VARVE_E_INVALID);
  wire.settle();
  CHECK(wire.right().received.empty());
}

TEST_CASE("receive buffers that the contract does not allow are refused") {
  Wire wire;
  varve_transport_context* const context = wire.left().context();
  varve_slice buffer = wire.left().slice(8192);
  CHECK(wire.table().receive_post(context, &buffer, 0) == VARVE_E_INVALID);
  buffer.data = static_cast<char*>(buffer.data) + 512;
  buffer.bytes = 4096;
  CHECK(wire.table().receive_post(context, &buffer, 5) == VARVE_E_INVALID);
  buffer = wire.left().slice(4096);
  buffer.memory = 0;
  CHECK(wire.table().receive_post(context, &buffer, 5) == VARVE_E_INVALID);
}

TEST_CASE("memory that was given back is not used any more") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  varve_transport_context* const context = wire.left().context();
  AlignedBuffer arena(4096);
  uint64_t memory = 0;
  REQUIRE(wire.table().memory_register(context, arena.data(), arena.size(), &memory) == VARVE_OK);
  REQUIRE(wire.table().memory_unregister(context, memory) == VARVE_OK);
  CHECK(wire.table().memory_unregister(context, memory) == VARVE_E_NOT_FOUND);
  varve_message message = message_of("h", 1);
  message.slice_count = 1;
  message.slices[0] = {arena.data(), 16, memory};
  CHECK(wire.table().send(context, left, &message, 5) == VARVE_E_INVALID);
}

TEST_CASE("what is sent may lie in memory that was not registered") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  wire.right().post(65536);
  std::string elsewhere = pattern(1, 50'001);
  varve_message message = message_of("h", 1);
  message.slice_count = 1;
  message.slices[0] = {elsewhere.data() + 1, elsewhere.size() - 1, 0};
  wire.left().expect_send(left, 999'999);
  REQUIRE(wire.table().send(wire.left().context(), left, &message, 999'999) == VARVE_OK);
  wire.run_until(
      [&] { return wire.right().received.size() == 1 && wire.left().sends_in_flight() == 0; });
  CHECK((wire.right().received.front().payload == elsewhere.substr(1)));
  message.slices[0].data = nullptr;
  CHECK(wire.table().send(wire.left().context(), left, &message, 5) == VARVE_E_INVALID);
}

TEST_CASE("an idle transport lets its host sleep, and wakes it") {
  Wire wire;
  const uint64_t left = wire.connect().first;
  wire.settle();
  REQUIRE_FALSE(wire.right().arm());
  REQUIRE_FALSE(readable(wire.right().wait_fd()));
  REQUIRE(wire.left().send(left, "wake up") == VARVE_OK);
  wire.left().poll();
  CHECK((wire.right().arm() || readable(wire.right().wait_fd(), 20'000)));
  wire.run_until([&] { return !wire.right().received.empty(); });
  wire.settle();
  CHECK_FALSE(wire.right().arm());
  CHECK_FALSE(readable(wire.right().wait_fd()));
}

}  // namespace varve
