// ServicePlugin: one running service (an instance and its one context on this shard) behind checks.
//
// Every answer of the plugin is checked against the contract in plugins/abi/service.h. An answer
// that the contract does not know means that the plugin's state cannot be trusted: it is logged,
// the plugin is told to stop, and is not polled again. What it holds then stays until the process
// ends.
//
//     create -> start -> (poll, arm, wait_fd) -> stop -> stopped -> destructor
//
// Thread rule: one shard's thread; only the plugin's log calls may come from others.
// Ownership: borrows the library; the host context that is given to start() must live until
// stopped() is true or, after a broken contract, until the process ends.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/uring_loop.h"
#include "plugins/abi/service.h"

namespace varve {

class ServicePlugin final : public Poller {
 public:
  // Makes the instance, which checks the options and opens nothing.
  static Result<std::unique_ptr<ServicePlugin>> create(const PluginLibrary& library,
                                                       std::span<const ServiceOption> options);
  ~ServicePlugin() override;
  ServicePlugin(const ServicePlugin&) = delete;
  ServicePlugin& operator=(const ServicePlugin&) = delete;

  // Makes the context and begins to serve. `host` is copied by nobody: it must outlive this.
  // `broken` is called once, from inside poll() or arm(), when the plugin broke the contract.
  Status start(const varve_service_host& host, void* host_context, std::function<void()> broken);

  size_t poll() override;
  bool arm() override;
  int wait_fd() override { return wait_fd_; }

  // No new clients and requests. Keep polling until stopped().
  void stop();
  bool stopped();
  // From now on the plugin counts as one that broke the contract: it did not stop in time, say.
  void abandon(std::string why);

  std::string_view name() const { return library_.name(); }
  bool started() const { return context_ != nullptr; }
  // Why the plugin is not trusted any more; empty while it is.
  const std::string& broken_why() const { return broken_why_; }

 private:
  explicit ServicePlugin(const PluginLibrary& library);

  const PluginLibrary& library_;
  varve_host host_{};
  varve_service_instance* instance_ = nullptr;
  varve_service_context* context_ = nullptr;
  std::function<void()> broken_;
  std::string broken_why_;
  int wait_fd_ = -1;
  bool stopping_ = false;
  bool stopped_ = false;
};

}  // namespace varve
