#include "core/daemon/service.h"

#include "core/base/log.h"
#include "core/base/text.h"

namespace varve {

Result<std::unique_ptr<Service>> Service::load(const std::string& plugin_directory,
                                               const ServiceConfig& config, const TlsConfig& tls) {
  std::unique_ptr<Service> service(new Service());
  auto library = PluginLibrary::open(plugin_path(plugin_directory, config.plugin));
  if (!library.ok()) return library.status();
  service->library_ = std::move(*library);
  service->library_->set_tls(tls);
  auto plugin = ServicePlugin::create(*service->library_, config.options);
  if (!plugin.ok()) return plugin.status();
  service->plugin_ = std::move(*plugin);
  return service;
}

Status Service::start(UringLoop& loop, VolumeTable& volumes, std::function<void()> changed) {
  host_ = std::make_unique<ServiceHost>(loop.runtime(), volumes, [this] { woken_ = true; });
  changed_ = std::move(changed);
  const Status status = plugin_->start(*host_->table(), host_->context(), [this] { changed_(); });
  if (!status.ok()) {
    failed_why_ = status.message();
    return status;
  }
  loop_ = &loop;
  loop.add_poller(*this);
  log_info(plugin_->name(), text("serving (plugin version ", library_->version(), ")"));
  return status;
}

size_t Service::poll() {
  woken_ = false;
  const size_t done = plugin_->poll();
  if (stopping_ && plugin_->stopped()) changed_();
  return done;
}

bool Service::arm() {
  return woken_ || plugin_->arm();
}

void Service::stop() {
  stopping_ = true;
  plugin_->stop();
}

bool Service::stopped() {
  return plugin_ == nullptr || plugin_->stopped();
}

void Service::detach() {
  if (loop_ != nullptr) loop_->remove_poller(*this);
  loop_ = nullptr;
}

Task<void> Service::close() {
  detach();
  const bool was_broken = broken();
  plugin_.reset();
  if (host_ == nullptr) co_return;
  co_await host_->drained();
  // A broken plugin may still use the host's table and buffers: they stay until the process ends.
  [[maybe_unused]] const ServiceHost* left = was_broken ? host_.release() : nullptr;
  host_.reset();
}

ServiceStatus Service::status() const {
  ServiceStatus status;
  status.plugin = library_->name();
  status.version = library_->version();
  if (plugin_ == nullptr) return status;
  status.reason = plugin_->broken_why().empty() ? failed_why_ : plugin_->broken_why();
  status.serving = plugin_->started() && status.reason.empty() && !stopping_;
  if (host_ == nullptr) return status;
  status.open_volume_count = host_->open_volume_count();
  status.in_flight_count = host_->in_flight_count();
  return status;
}

}  // namespace varve
