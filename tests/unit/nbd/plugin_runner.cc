#include "tests/unit/nbd/plugin_runner.h"

#include <dlfcn.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace varve {

PluginRunner::PluginRunner(TestHost& host) : host_(host) {
  library_ = ::dlopen(VARVE_NBD_PLUGIN, RTLD_NOW | RTLD_LOCAL);
  if (library_ == nullptr) {
    std::fprintf(stderr, "%s\n", ::dlerror());
    std::abort();
  }
  auto* entry =
      reinterpret_cast<varve_plugin_entry_function*>(::dlsym(library_, VARVE_PLUGIN_ENTRY));
  table_ = reinterpret_cast<const varve_service*>(entry());
}

// The library stays loaded: leak checkers need its symbols at exit.
PluginRunner::~PluginRunner() {
  if (context_ != nullptr) table_->context_destroy(context_);
  if (instance_ != nullptr) table_->instance_destroy(instance_);
}

std::string PluginRunner::start(const Options& options) {
  std::vector<varve_option> given;
  for (const auto& [key, value] : options) given.push_back({key.c_str(), value.c_str()});
  char why[512] = "";
  if (table_->instance_create(host_.host(), given.data(), static_cast<uint32_t>(given.size()),
                              &instance_, why, sizeof(why)) != VARVE_OK)
    return why;
  if (table_->context_create(instance_, host_.service_host(), &host_, 0, &context_) != VARVE_OK)
    return "no context";
  if (table_->start(context_, why, sizeof(why)) != VARVE_OK) return why;
  return {};
}

void PluginRunner::run(bool sleeps) {
  bool stopping = false;
  while (true) {
    if (stop_ && !std::exchange(stopping, true)) table_->stop(context_);
    while (table_->poll(context_) > 0) {
    }
    if (stopping && table_->stopped(context_) == 1) return;
    if (!sleeps || table_->arm(context_) != 0) continue;
    pollfd ready[2] = {{table_->wait_fd(context_), POLLIN, 0}, {host_.event_fd(), POLLIN, 0}};
    ::poll(ready, 2, -1);
    uint64_t count = 0;
    if ((ready[1].revents & POLLIN) != 0 && ::read(host_.event_fd(), &count, sizeof(count)) < 0)
      std::abort();
  }
}

void PluginRunner::request_stop() {
  stop_ = true;
  host_.wake();
}

}  // namespace varve
