// PluginBench: a bench whose store is a plugin's, and time that passes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/metadata/bench.h"
#include "tests/conformance/metadata/plugin_store.h"

namespace varve {

struct PluginBench : Bench {
  PluginBench() : PluginBench(std::make_unique<PluginStore>()) {}
  explicit PluginBench(std::unique_ptr<PluginStore> made)
      : Bench(std::move(made)), plugin(static_cast<PluginStore&>(*store)) {}
  PluginStore& plugin;
};

// Why the plugin does not take these options; it must not.
inline std::string refused(const PluginBench& bench, const std::vector<ServiceOption>& options) {
  const auto plugin = MetadataPlugin::create(bench.plugin.library(), options);
  CHECK_FALSE(plugin.ok());
  return std::string(plugin.status().message());
}

// Lets time pass, for another process to come somewhere that we cannot see.
inline Task<void> pass(Runtime* runtime, uint64_t time_ns) {
  co_await runtime->timers.until(runtime->clock.monotonic_ns() + time_ns);
}

}  // namespace varve
