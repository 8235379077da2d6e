// Loads the plugin and drives one context of it as a host's shard would.
//
// Thread rule: run() is the shard's thread; request_stop() may come from any.
#pragma once

#include <atomic>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/nbd/test_host.h"

namespace varve {

class PluginRunner {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;

  explicit PluginRunner(TestHost& host);
  ~PluginRunner();

  const varve_service& table() const { return *table_; }
  // Creates the instance and one context and starts it. Returns what the plugin says is wrong.
  std::string start(const Options& options);
  // Until a stop is asked for and everything in flight has ended. A host that never sleeps polls
  // all the time and never arms.
  void run(bool sleeps = true);
  void request_stop();

 private:
  TestHost& host_;
  void* library_ = nullptr;
  const varve_service* table_ = nullptr;
  varve_service_instance* instance_ = nullptr;
  varve_service_context* context_ = nullptr;
  std::atomic<bool> stop_ = false;
};

}  // namespace varve
