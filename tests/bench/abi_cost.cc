// What the ABI adds to a call: the TCP plugin's through its table, beside the same code linked into
// this program.
#include <algorithm>
#include <cstdio>

#include "plugins/sdk/host.h"
#include "tests/bench/echo_plugin.h"
#include "transports/tcp/context.h"

namespace varve {
namespace {

constexpr int kRounds = 7;
constexpr int kCalls = 4'000'000;

// In nanoseconds.
template <typename Call>
double call_cost(Call call) {
  const SystemClock clock;
  const uint64_t begin_ns = clock.monotonic_ns();
  for (int i = 0; i < kCalls; ++i) {
    call();
    asm volatile("" ::: "memory");  // each call is made, and its function looked up anew
  }
  return static_cast<double>(clock.monotonic_ns() - begin_ns) / kCalls;
}

}  // namespace

// arm() of an idle context does next to nothing, so what is around it shows. The fastest of a few
// rounds: whatever else runs only adds to it.
void measure_abi(const std::string& plugin) {
  EchoContext context(plugin, "");
  if (context.library().name() != "tcp") fail("the ABI is measured with the TCP plugin");
  const varve_transport& table = context.table();
  const TcpOptions options;
  const HostLog log(&context.host());
  PluginTls tls;
  TcpContext direct(options, tls, log);
  if (!direct.valid()) fail("no descriptors are left");

  double table_ns = 1e9;
  double direct_ns = 1e9;
  for (int round = 0; round < kRounds; ++round) {
    table_ns = std::min(table_ns, call_cost([&] { return table.arm(context.get()); }));
    direct_ns = std::min(direct_ns, call_cost([&] { return direct.arm(); }));
  }
  printf("table_ns %.3f direct_ns %.3f\n", table_ns, direct_ns);
}

}  // namespace varve
