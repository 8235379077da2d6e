#include "core/net/receive_buffers.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch_test_macros.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "tests/sim/sim_loop.h"
#include "tests/unit/net/fake_transport.h"

namespace varve {
namespace {

// What is logged while `work` runs.
template <typename Work>
std::string logged(Work work) {
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::tmpfile(), std::fclose);
  REQUIRE(file != nullptr);
  const int before = ::dup(STDERR_FILENO);
  ::dup2(::fileno(file.get()), STDERR_FILENO);
  log_set_level(LogLevel::kError);
  work();
  log_set_level(LogLevel::kNone);
  ::dup2(before, STDERR_FILENO);
  ::close(before);
  std::array<char, 4096> text{};
  std::rewind(file.get());
  return {text.data(), std::fread(text.data(), 1, text.size(), file.get())};
}

}  // namespace

TEST_CASE("receive buffers that a transport takes no more are told once, not each") {
  SimLoop loop(1);
  FakeNetwork network(loop);
  auto transport = std::make_unique<FakeTransport>(network);
  ReceiveBuffers buffers(*transport, 4, 2);
  REQUIRE(buffers.start().ok());
  std::vector<Payload> payloads;
  for (uint64_t buffer = 1; buffer <= 6; ++buffer) payloads.push_back(buffers.take(buffer, 100));
  CHECK(buffers.taken_count() == 6);
  transport->refuse_posts = true;
  const std::string lines = logged([&payloads] { payloads.clear(); });
  CHECK(std::count(lines.begin(), lines.end(), '\n') == 1);
  CHECK(lines.find("net: receive buffers are lost: closed") != std::string::npos);
  CHECK(buffers.taken_count() == 0);
  transport.reset();
}

}  // namespace varve
