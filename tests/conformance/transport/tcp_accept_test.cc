// More peers than can be taken at once.
#include <sys/resource.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <memory>
#include <vector>

#include "tests/conformance/transport/raw_peer.h"
#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// While it lives, this process can open `more` descriptors. UBSan looks for memory through a pipe:
// no new kinds of objects meanwhile.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(size_t more) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    rlimit lowered = before_;
    // Counting takes one itself; tests leave no holes below.
    lowered.rlim_cur = open_descriptors() - 1 + more;
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
  }
  ~DescriptorLimit() { ::setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_{};
};

std::vector<std::unique_ptr<RawPeer>> connect_many(const Wire& wire, size_t count) {
  std::vector<std::unique_ptr<RawPeer>> peers;
  for (size_t i = 0; i < count; ++i) peers.push_back(std::make_unique<RawPeer>(wire.address()));
  return peers;
}

}  // namespace

TEST_CASE("peers that come all at once are all accepted") {
  Wire wire;
  const auto peers = connect_many(wire, 200);
  wire.run_until([&] { return wire.right().accepted.size() == peers.size(); });
}

TEST_CASE("without descriptors peers wait until a connection has ended") {
  Wire wire;
  const auto peers = connect_many(wire, 12);
  {
    const DescriptorLimit limit(4);
    wire.run_until([&] { return !wire.right().accepted.empty(); });
    wire.settle();
  }
  wire.settle();
  const size_t accepted = wire.right().accepted.size();
  REQUIRE(accepted < peers.size());
  CHECK_THAT(wire.log(), ContainsSubstring("cannot accept peers: Too many open files"));
  wire.right().disconnect(*wire.right().open.begin());
  wire.run_until([&] { return wire.right().accepted.size() == peers.size(); });
}

}  // namespace varve
