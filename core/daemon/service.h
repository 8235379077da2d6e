// Service: one [[service]] of the config while it runs: the plugin and the host that it talks to.
//
//     load -> start -> stop -> (stopped) -> close -> destructor
//
// Thread rule: the shard's thread, load() before the loop runs. Ownership: borrows loop and table.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "core/daemon/node_status.h"
#include "core/plugin/plugin_library.h"
#include "core/plugin/service_plugin.h"
#include "core/runtime/task.h"
#include "core/runtime/uring_loop.h"
#include "core/volume/service_host.h"
#include "core/volume/volume_table.h"

namespace varve {

class Service final : public Poller {
 public:
  // Loads the plugin and lets it check its options. Opens nothing.
  static Result<std::unique_ptr<Service>> load(const std::string& plugin_directory,
                                               const ServiceConfig& config, const TlsConfig& tls);

  // Begins to serve. `changed` is called when stopped() or broken() may have become true.
  Status start(UringLoop& loop, VolumeTable& volumes, std::function<void()> changed);
  void stop();
  bool stopped();
  // Gives up on a plugin that does not stop.
  void abandon(const std::string& why) { plugin_->abandon(why); }
  // The plugin broke its contract. The loop must let go of it: detach().
  bool broken() const { return plugin_ != nullptr && !plugin_->broken_why().empty(); }
  // Not from inside poll().
  void detach();
  // Frees what serving took. REQUIRES stopped(), or that start() was not called or failed.
  Task<void> close();

  ServiceStatus status() const;

  size_t poll() override;
  bool arm() override;
  int wait_fd() override { return plugin_->wait_fd(); }

 private:
  Service() = default;

  std::unique_ptr<PluginLibrary> library_;
  std::unique_ptr<ServicePlugin> plugin_;
  std::unique_ptr<ServiceHost> host_;
  UringLoop* loop_ = nullptr;  // while started
  std::function<void()> changed_;
  std::string failed_why_;
  bool woken_ = false;
  bool stopping_ = false;
};

}  // namespace varve
