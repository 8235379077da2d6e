// A well-behaved client (libnbd) against the plugin as a host loads it.
#include <libnbd.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cerrno>
#include <random>
#include <set>

#include "tests/unit/nbd/served.h"

namespace varve {
namespace {

constexpr uint64_t kSize = 8 << 20;

std::vector<uint8_t> random_bytes(std::mt19937_64& random, size_t count) {
  std::vector<uint8_t> bytes(count);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

TEST_CASE("any offset and length is written and read back") {
  TestHost host;
  auto& volume = host.add_volume("v", kSize);
  Served served(host);
  Nbd nbd = connect_to(served.path(), "v");
  REQUIRE(nbd_get_size(nbd.get()) == static_cast<int64_t>(kSize));
  std::mt19937_64 random(1);
  std::vector<uint8_t> expected(kSize);
  for (const size_t length :
       {1u, 511u, 513u, 4095u, 4096u, 4097u, 16384u, 16385u, 65536u, 65537u, 1000003u, 3000000u}) {
    const uint64_t offset = random() % (kSize - length);
    const auto bytes = random_bytes(random, length);
    REQUIRE(nbd_pwrite(nbd.get(), bytes.data(), length, offset, 0) == 0);
    std::copy(bytes.begin(), bytes.end(), expected.begin() + static_cast<ptrdiff_t>(offset));
    std::vector<uint8_t> read(length);
    REQUIRE(nbd_pread(nbd.get(), read.data(), length, offset, LIBNBD_CMD_FLAG_DF) == 0);
    CHECK(read == bytes);
  }
  CHECK(nbd_flush(nbd.get(), 0) == 0);
  CHECK(volume.bytes == expected);
}

TEST_CASE("trim, zeroes, FUA and block status reach the host") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  Nbd nbd = connect_to(served.path(), "v");
  const std::vector<uint8_t> ones(3 * 4096, 1);
  REQUIRE(nbd_pwrite(nbd.get(), ones.data(), ones.size(), 4096, LIBNBD_CMD_FLAG_FUA) == 0);
  CHECK(nbd_trim(nbd.get(), 4096, 4096, LIBNBD_CMD_FLAG_FUA) == 0);
  CHECK(nbd_zero(nbd.get(), 4096, 8192, LIBNBD_CMD_FLAG_NO_HOLE | LIBNBD_CMD_FLAG_FAST_ZERO) == 0);
  std::vector<uint32_t> entries;
  const auto collect = [](void* data, const char*, uint64_t, uint32_t* pairs, size_t count, int*) {
    static_cast<std::vector<uint32_t>*>(data)->assign(pairs, pairs + count);
    return 0;
  };
  const nbd_extent_callback extent{collect, &entries, nullptr};
  REQUIRE(nbd_block_status(nbd.get(), kSize, 0, extent, 0) == 0);
  CHECK(entries == std::vector<uint32_t>{12288, 3, 4096, 0, kSize - 16384, 3});
  REQUIRE(nbd_block_status(nbd.get(), kSize - 100, 100, extent, LIBNBD_CMD_FLAG_REQ_ONE) == 0);
  CHECK(entries == std::vector<uint32_t>{12288 - 100, 3});
}

TEST_CASE("64 requests in flight complete in any order, each with its own data") {
  TestHost host;
  auto& volume = host.add_volume("v", kSize);
  std::mt19937_64 random(2);
  volume.bytes = random_bytes(random, kSize);
  Served served(host);
  Nbd nbd = connect_to(served.path(), "v");
  host.hold(true);
  constexpr size_t kDepth = 64;
  constexpr size_t kLength = 5000;
  std::vector<std::vector<uint8_t>> read(kDepth, std::vector<uint8_t>(kLength));
  std::set<int64_t> cookies;
  for (size_t i = 0; i < kDepth; ++i)
    cookies.insert(
        nbd_aio_pread(nbd.get(), read[i].data(), kLength, i * 7777, NBD_NULL_COMPLETION, 0));
  REQUIRE(cookies.size() == kDepth);
  REQUIRE(eventually([&] { return nbd_poll(nbd.get(), 0) >= 0 && host.held_count() == kDepth; }));
  host.hold(false);
  host.release(true);
  while (!cookies.empty()) {
    REQUIRE(nbd_poll(nbd.get(), 5000) == 1);
    std::erase_if(cookies,
                  [&](int64_t id) { return nbd_aio_command_completed(nbd.get(), id) == 1; });
  }
  for (size_t i = 0; i < kDepth; ++i)
    CHECK(std::equal(read[i].begin(), read[i].end(),
                     volume.bytes.begin() + static_cast<ptrdiff_t>(i * 7777)));
}

TEST_CASE("a write on one connection is read on another") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  std::vector<Nbd> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(connect_to(served.path(), "v"));
  CHECK(nbd_can_multi_conn(clients[0].get()) == 1);
  for (size_t i = 0; i < clients.size(); ++i) {
    const std::vector<uint8_t> bytes(100, static_cast<uint8_t>(i + 1));
    REQUIRE(nbd_pwrite(clients[i].get(), bytes.data(), 100, i * 100, 0) == 0);
    std::vector<uint8_t> read(100);
    REQUIRE(nbd_pread(clients[(i + 1) % 8].get(), read.data(), 100, i * 100, 0) == 0);
    CHECK(read == bytes);
  }
}

TEST_CASE("all volumes are listed, many too, and each is served under its name") {
  TestHost host;
  for (int i = 0; i < 1000; ++i) host.add_volume("volume-" + std::to_string(i), 4096u + i);
  Served served(host);
  Nbd nbd(nbd_create());
  nbd_set_opt_mode(nbd.get(), true);
  REQUIRE(nbd_connect_unix(nbd.get(), served.path().c_str()) == 0);
  size_t count = 0;
  const auto add = [](void* data, const char*, const char*) {
    ++*static_cast<size_t*>(data);
    return 0;
  };
  CHECK(nbd_opt_list(nbd.get(), nbd_list_callback{add, &count, nullptr}) == 1000);
  CHECK(count == 1000);
  nbd_opt_abort(nbd.get());
  Nbd other = connect_to(served.path(), "volume-41");
  CHECK(nbd_get_size(other.get()) == 4096 + 41);
}

TEST_CASE("a volume that cannot be opened is refused in words and another can be chosen") {
  TestHost host;
  host.add_volume("v", kSize);
  host.fail_open("busy", VARVE_E_BUSY);
  Served served(host);
  Nbd nbd(nbd_create());
  nbd_set_opt_mode(nbd.get(), true);
  REQUIRE(nbd_connect_unix(nbd.get(), served.path().c_str()) == 0);
  for (const char* name : {"", "missing", "busy"}) {
    nbd_set_export_name(nbd.get(), name);
    CHECK(nbd_opt_go(nbd.get()) == -1);
  }
  nbd_set_export_name(nbd.get(), "v");
  CHECK(nbd_opt_info(nbd.get()) == 0);
  REQUIRE(nbd_opt_go(nbd.get()) == 0);
  CHECK(nbd_get_size(nbd.get()) == static_cast<int64_t>(kSize));
}

TEST_CASE("the host's errors become the client's, and the connection goes on") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  Nbd nbd = connect_to(served.path(), "v");
  std::vector<uint8_t> bytes(100000, 1);
  host.fail(VARVE_OP_READ, VARVE_E_DAMAGED);
  host.fail(VARVE_OP_WRITE, VARVE_E_NO_SPACE);
  CHECK(nbd_pread(nbd.get(), bytes.data(), 4096, 0, 0) == -1);
  CHECK(nbd_get_errno() == EIO);
  CHECK(nbd_pwrite(nbd.get(), bytes.data(), bytes.size(), 0, 0) == -1);
  CHECK(nbd_get_errno() == ENOSPC);
  CHECK(nbd_flush(nbd.get(), 0) == 0);
}

TEST_CASE("requests outside the volume, empty or too large are refused and data is skipped") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  Nbd nbd = connect_to(served.path(), "v");
  std::vector<uint8_t> bytes(33 << 20);
  CHECK(nbd_pwrite(nbd.get(), bytes.data(), 8192, kSize - 4096, 0) == -1);
  CHECK(nbd_get_errno() == ENOSPC);
  CHECK(nbd_pwrite(nbd.get(), bytes.data(), bytes.size(), 0, 0) == -1);
  CHECK(nbd_pread(nbd.get(), bytes.data(), 8192, kSize - 4096, 0) == -1);
  CHECK(nbd_get_errno() == EINVAL);
  CHECK(nbd_pread(nbd.get(), bytes.data(), 0, 0, 0) == -1);
  CHECK(nbd_get_errno() == EINVAL);
  CHECK(nbd_trim(nbd.get(), 8192, kSize - 4096, 0) == -1);
  CHECK(nbd_cache(nbd.get(), 4096, 0, 0) == -1);
  CHECK(nbd_pread(nbd.get(), bytes.data(), 4096, 0, 0) == 0);
}

TEST_CASE("a read-only volume is shown as such and takes no writes") {
  TestHost host;
  host.add_volume("v@s", kSize, true);
  Served served(host);
  Nbd nbd = connect_to(served.path(), "v@s");
  CHECK(nbd_is_read_only(nbd.get()) == 1);
  const uint8_t byte = 1;
  CHECK(nbd_pwrite(nbd.get(), &byte, 1, 0, 0) == -1);
  CHECK(nbd_get_errno() == EPERM);
  CHECK(host.submitted(VARVE_OP_WRITE) == 0);
}

// Many clients at once write and read back their own parts, while the host behaves as `prepare`
// says; afterwards the data must be right.
void busy_clients(TestHost& host) {
  auto& volume = host.add_volume("v", kSize);
  constexpr size_t kClients = 4;
  constexpr size_t kRequests = 300;
  constexpr size_t kLength = 6000;
  {
    Served served(host);
    std::vector<std::thread> threads;
    std::vector<size_t> good(kClients);
    for (size_t c = 0; c < kClients; ++c) {
      threads.emplace_back([&, c] {
        Nbd nbd = connect_to(served.path(), "v");
        const std::vector<uint8_t> bytes(kLength, static_cast<uint8_t>(c + 1));
        for (size_t i = 0; i < kRequests; ++i)
          nbd_aio_pwrite(nbd.get(), bytes.data(), kLength, (i * kClients + c) * kLength,
                         NBD_NULL_COMPLETION, 0);
        while (nbd_aio_in_flight(nbd.get()) > 0 && nbd_poll(nbd.get(), 5000) == 1) {
          int64_t id = 0;
          while ((id = nbd_aio_peek_command_completed(nbd.get())) > 0)
            good[c] += nbd_aio_command_completed(nbd.get(), id) == 1;
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const size_t count : good) CHECK(count == kRequests);
  }
  for (size_t i = 0; i < kClients * kRequests; ++i) {
    const auto part = volume.bytes.begin() + static_cast<ptrdiff_t>(i * kLength);
    REQUIRE(
        std::all_of(part, part + kLength, [&](uint8_t byte) { return byte == i % kClients + 1; }));
  }
}

TEST_CASE("requests wait while the host has no memory; nothing is lost") {
  TestHost host;
  host.set_buffer_budget(20000);
  busy_clients(host);
  CHECK(host.peak_buffer_bytes() <= 20000);
}

TEST_CASE("requests that the host refuses for now are submitted again") {
  TestHost host;
  host.refuse_every(3);
  busy_clients(host);
}

TEST_CASE("with free memory and room, more is in flight than one connection may have") {
  TestHost host;
  busy_clients(host);
}

TEST_CASE("a connection that waits for memory goes on by itself when there is some") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host);
  Nbd nbd = connect_to(served.path(), "v");
  host.set_buffer_budget(0);
  const std::vector<uint8_t> bytes(4096, 1);
  nbd_aio_pwrite(nbd.get(), bytes.data(), 4096, 0, NBD_NULL_COMPLETION, 0);
  REQUIRE(eventually([&] { return host.refused_buffers() > 0; }));
  host.set_buffer_budget(1 << 20);
  CHECK(nbd_poll(nbd.get(), 5000) == 1);
}

TEST_CASE("a host that is always busy and never sleeps is served too") {
  TestHost host;
  host.add_volume("v", kSize);
  Served served(host, {}, false);
  Nbd nbd = connect_to(served.path(), "v");
  std::vector<uint8_t> bytes(100000, 1);
  for (int i = 0; i < 10; ++i) {
    CHECK(nbd_pwrite(nbd.get(), bytes.data(), bytes.size(), 0, 0) == 0);
    CHECK(nbd_pread(nbd.get(), bytes.data(), bytes.size(), 0, 0) == 0);
  }
}

}  // namespace
}  // namespace varve
