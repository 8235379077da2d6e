// LogHost: a host of one plugin instance that keeps what the plugin logs.
//
// Thread rule: the test's thread; the log may come from any.
#pragma once

#include <poll.h>

#include <catch2/catch_test_macros.hpp>
#include <mutex>
#include <string>
#include <vector>

#include "core/plugin/plugin_library.h"
#include "plugins/abi/metadata.h"
#include "tests/conformance/metadata/plugin_under_test.h"

namespace varve {

class LogHost {
 public:
  LogHost(const PluginLibrary& library, const std::vector<ServiceOption>& given)
      : calls(library.metadata()) {
    host_.struct_size = sizeof host_;
    host_.abi_major = VARVE_ABI_MAJOR;
    host_.host = this;
    host_.log = keep_line;
    std::vector<varve_option> options;
    for (const ServiceOption& option : given) {
      options.push_back({option.key.c_str(), option.value.c_str()});
    }
    char why[512] = "";
    REQUIRE(calls.instance_create(&host_, options.data(), static_cast<uint32_t>(options.size()),
                                  &instance_, why, sizeof why) == VARVE_OK);
    REQUIRE(calls.context_create(instance_, 0, &context) == VARVE_OK);
  }
  ~LogHost() { end(); }
  LogHost(const LogHost&) = delete;
  LogHost& operator=(const LogHost&) = delete;

  // Why it does not start; empty: it does. Any thread.
  std::string start() {
    char why[1024] = "";
    const int32_t result = calls.start(context, why, sizeof why);
    return result == VARVE_OK || why[0] != '\0' ? why : "no words";
  }
  // The next event, as a host that sleeps would get it.
  varve_metadata_event next() {
    varve_metadata_event event{};
    while (calls.poll(context, &event, 1) == 0) {
      pollfd ready{calls.wait_fd(context), POLLIN, 0};
      if (calls.arm(context) == 0) REQUIRE(::poll(&ready, 1, 20'000) == 1);
    }
    return event;
  }
  void end() {
    if (instance_ == nullptr) return;
    calls.context_destroy(context);
    calls.instance_destroy(instance_);
    instance_ = nullptr;
  }
  std::string log() {
    const std::lock_guard lock(mutex_);
    return log_;
  }

  const varve_metadata& calls;
  varve_metadata_context* context = nullptr;

 private:
  static void keep_line(void* host, uint32_t, const char* text) {
    auto& self = *static_cast<LogHost*>(host);
    const std::lock_guard lock(self.mutex_);
    self.log_ += std::string(text) + "\n";
  }

  varve_host host_{};
  varve_metadata_instance* instance_ = nullptr;
  std::mutex mutex_;
  std::string log_;
};

}  // namespace varve
