// metadata_etcd with something else than one etcd cluster behind its endpoints.
#include <catch2/matchers/catch_matchers_string.hpp>
#include <future>

#include "tests/conformance/metadata/etcd_bench.h"
#include "tests/conformance/metadata/log_host.h"
#include "tests/conformance/metadata/tap.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

// Starts that must fail, all at once, for each may take as long as it is allowed to.
class NoEtcd {
 public:
  NoEtcd() : store_([](const std::string&) { return nullptr; }) {}
  // What `words` must be part of.
  void add(const std::vector<ServiceOption>& options, const std::string& words) {
    hosts_.push_back(std::make_unique<LogHost>(store_.library(), options));
    words_.push_back(words);
  }
  void check() {
    const uint64_t begin_ns = store_.runtime().clock.monotonic_ns();
    std::vector<std::future<std::string>> whys;
    for (const auto& host : hosts_) {
      whys.push_back(std::async(std::launch::async, [&host] { return host->start(); }));
    }
    for (size_t i = 0; i < whys.size(); ++i)
      CHECK_THAT(whys[i].get(), ContainsSubstring(words_[i]));
    CHECK(store_.runtime().clock.monotonic_ns() - begin_ns < 10'000 * kMillisecond);
  }
  std::string folder() const { return store_.folder(); }

 private:
  PluginStore store_;
  std::vector<std::unique_ptr<LogHost>> hosts_;
  std::vector<std::string> words_;
};

std::string write_file(const std::string& file, const std::string& content) {
  std::ofstream(file) << content;
  return file;
}

}  // namespace

TEST_CASE("a start that reaches no etcd fails in words, in time") {
  const Tap cut(0, Tap::Mode::kCut), garbage(0, Tap::Mode::kGarbage), silent(0, Tap::Mode::kSilent);
  NoEtcd none;
  const std::string nobody = "http://127.0.0.1:" + std::to_string(free_port());
  none.add({{"endpoints", nobody}}, "Connection refused");
  none.add({{"endpoints", "http://no-such-host.invalid:2379"}}, "no-such-host.invalid");
  for (const Tap* tap : {&cut, &garbage, &silent}) {
    none.add({{"endpoints", tap->url()}}, "etcd cannot be used: " + tap->url() + ": ");
  }
  none.check();
}

TEST_CASE("a file that cannot be read fails the start in words") {
  NoEtcd none;
  const std::string folder = none.folder();
  const ServiceOption endpoint{"endpoints", "https://127.0.0.1:1"};
  none.add({endpoint, {"ca_file", folder + "none"}}, folder + "none: cannot be read: No such file");
  none.add({endpoint, {"ca_file", folder}}, "cannot be read");
  const std::string empty = write_file(folder + "empty", "");
  none.add({endpoint, {"user", "a"}, {"password_file", empty}}, "empty: is empty");
  const std::string text = write_file(folder + "text", "no certificate");
  none.add({endpoint, {"ca_file", text}}, "etcd cannot be used");
  none.check();
}

TEST_CASE("an endpoint that turns hostile harms nothing, and is used again when it is good") {
  EtcdBench bench;
  Tap tap(bench.etcd().port());
  bench.start(0, {{"endpoints", tap.url()}});
  const uint64_t first = bench.put("a", "1");
  Ear ear(bench, "", first);
  for (const Tap::Mode mode : {Tap::Mode::kGarbage, Tap::Mode::kSilent}) {
    tap.set(Tap::Mode::kCut);
    tap.set(mode);
    CHECK(bench.try_put("a", "2").code() == ErrorCode::kUnavailable);
  }
  tap.set(Tap::Mode::kGarbage);  // amid what was silent
  tap.set(Tap::Mode::kCut);
  tap.set(Tap::Mode::kPass);
  const uint64_t last = bench.put("b", "1");
  CHECK(last == first + 1);
  CHECK(ear.until_heard(last));
  CHECK(ear.keys() == "b");
}

TEST_CASE("garbage in the answer to a commit is an unknown result") {
  EtcdBench bench;
  Tap tap(bench.etcd().port());
  bench.start(0, {{"endpoints", tap.url()}});
  bench.put("a", "1");
  tap.set(Tap::Mode::kGarbage);
  CHECK(bench.try_put("a", "2").code() == ErrorCode::kUnknown);
  tap.set(Tap::Mode::kCut);
  tap.set(Tap::Mode::kPass);
  CHECK(bench.put("a", "3") == 2);
}

TEST_CASE("endpoints of two etcd clusters are refused") {
  EtcdBench one, two;
  const std::string why =
      one.why_not({{"endpoints", one.etcd().url()}, {"endpoints", two.etcd().url()}});
  CHECK_THAT(why, ContainsSubstring("belongs to another etcd cluster"));
}

TEST_CASE("another cluster behind the same endpoint gets nothing") {
  EtcdBench one, two;
  Tap tap(one.etcd().port());
  LogHost host(one.plugin.library(), {{"endpoints", tap.url()}});
  REQUIRE(host.start() == "");
  tap.set(Tap::Mode::kCut);
  tap.set_server(two.etcd().port());
  tap.set(Tap::Mode::kPass);
  const varve_put put{{"a", 1}, {"b", 1}, 0, 0};
  // Until the lost connection is noticed, an answer may be lost.
  for (uint64_t op_id = 1; op_id <= 2; ++op_id) {
    REQUIRE(host.calls.commit(host.context, nullptr, 0, &put, 1, op_id) == VARVE_OK);
    const int32_t result = host.next().result;
    CHECK((result == VARVE_E_UNAVAILABLE || (op_id == 1 && result == VARVE_E_UNKNOWN)));
  }
  CHECK_THAT(host.log(), ContainsSubstring("belongs to another etcd cluster"));
  CHECK(two.range("").entries.empty());
}

}  // namespace varve
