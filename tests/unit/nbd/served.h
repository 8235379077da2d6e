// A test host whose volumes the plugin serves on a unix socket, from a thread of its own.
//
// Ownership: ends the plugin with it and checks that the plugin gave everything back.
#pragma once

#include <libnbd.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "tests/unit/nbd/plugin_runner.h"
#include "tests/unit/nbd/test_host.h"

namespace varve {

class Served {
 public:
  // `host` is prepared before; further options as given.
  explicit Served(TestHost& host, PluginRunner::Options options = {}, bool sleeps = true);
  ~Served();

  // Asks the plugin to stop without waiting, and waits for its end.
  void begin_stop() { runner_.request_stop(); }
  void join();
  const std::string& path() const { return path_; }

 private:
  std::filesystem::path folder_;
  std::string path_;
  TestHost& host_;
  PluginRunner runner_;
  std::thread thread_;
};

// A libnbd handle that closes itself.
struct NbdClose {
  void operator()(nbd_handle* handle) const { nbd_close(handle); }
};
using Nbd = std::unique_ptr<nbd_handle, NbdClose>;

// Connected to `volume` with structured replies and block status; checks nothing by itself.
Nbd connect_to(const std::string& path, const char* volume);

// Waits for `condition`; false when it has not come true in 5 seconds.
bool eventually(const std::function<bool()>& condition);

}  // namespace varve
