// Another process on a plugin's store:   client PLUGIN.so FOLDER/ counter|chain|echo [COUNT]
//
//     counter   wins COUNT times at raising the counter; prints the revision of each
//     chain     for ever: chain/<n> and last = n in one commit; prints n when it is acknowledged
//     echo      commits the key that a line of its input names; prints the revision and the time at
//               which it was acknowledged
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>

#include "core/cluster/plugin_metadata.h"
#include "core/runtime/uring_loop.h"
#include "tests/conformance/metadata/plugin_under_test.h"
#include "tests/conformance/metadata/race.h"

namespace varve {
namespace {

void say(const std::string& line) {
  const std::string ended = line + "\n";
  if (write(STDOUT_FILENO, ended.data(), ended.size()) < 0) _exit(3);
}

Task<void> chain(MetadataStore* store) {
  const std::string last = "last";
  while (true) {
    const Result<MetadataRange> range = co_await store->range(last);
    if (!range.ok()) continue;
    const bool there = !range->entries.empty();
    const int next = there ? std::stoi(range->entries[0].value) + 1 : 1;
    MetadataTransaction transaction;
    transaction.compares.push_back({last, there ? range->entries[0].revision : 0});
    transaction.puts.push_back({"chain/" + std::to_string(next), std::string(5000, 'x')});
    transaction.puts.push_back({last, std::to_string(next)});
    const Result<MetadataCommit> commit = co_await store->commit(std::move(transaction));
    if (commit.ok() && commit->succeeded) say(std::to_string(next));
  }
}

Task<void> echo(MetadataStore* store, Clock* clock) {
  std::string line;
  while (std::getline(std::cin, line)) {
    MetadataTransaction transaction;
    transaction.puts.push_back({line, "x"});
    const Result<MetadataCommit> commit = co_await store->commit(std::move(transaction));
    const uint64_t revision = commit.ok() ? commit->revision : 0;
    say(std::to_string(revision) + " " + std::to_string(clock->monotonic_ns()));
  }
}

int run(const std::string& plugin, const std::string& folder, const std::string& mode, int count) {
  auto loop = UringLoop::create();
  auto library = PluginLibrary::open(plugin);
  if (!loop.ok() || !library.ok()) return 1;
  const std::vector<ServiceOption> options = options_for(folder);
  auto store = PluginMetadata::start((*loop)->runtime(), **library, options);
  if (!store.ok()) {
    fprintf(stderr, "%s\n", std::string(store.status().message()).c_str());
    return 1;
  }
  (*loop)->add_poller(**store);
  const std::function<void(uint64_t)> won = [](uint64_t revision) {
    say(std::to_string(revision));
  };
  if (mode == "counter") (*loop)->run(raise_counter(store->get(), count, &won));
  if (mode == "chain") (*loop)->run(chain(store->get()));
  if (mode == "echo") (*loop)->run(echo(store->get(), &(*loop)->runtime().clock));
  (*loop)->run((*store)->close());
  (*loop)->remove_poller(**store);
  return 0;
}

}  // namespace
}  // namespace varve

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  return varve::run(argv[1], argv[2], argv[3], argc > 4 ? atoi(argv[4]) : 0);
}
