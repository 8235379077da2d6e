#include "core/plugin/service_plugin.h"

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/plugin/plugin_host.h"

namespace varve {

ServicePlugin::ServicePlugin(const PluginLibrary& library)
    : library_(library), host_(plugin_host(library)) {}

ServicePlugin::~ServicePlugin() {
  // A plugin that broke the contract may still use what it holds: nothing of it is taken away.
  if (!broken_why_.empty()) return;
  if (context_ != nullptr) {
    VARVE_CHECK(stopped_);
    library_.service().context_destroy(context_);
  }
  if (instance_ != nullptr) library_.service().instance_destroy(instance_);
}

Result<std::unique_ptr<ServicePlugin>> ServicePlugin::create(
    const PluginLibrary& library, std::span<const ServiceOption> options) {
  VARVE_TRY(library.need_kind(VARVE_KIND_SERVICE));
  std::unique_ptr<ServicePlugin> plugin(new ServicePlugin(library));
  VARVE_TRY(
      make_instance(library.service().instance_create, plugin->host_, options, &plugin->instance_));
  return plugin;
}

Status ServicePlugin::start(const varve_service_host& host, void* host_context,
                            std::function<void()> broken) {
  VARVE_CHECK(context_ == nullptr);
  const varve_service& service = library_.service();
  varve_service_context* context = nullptr;
  int32_t result = service.context_create(instance_, &host, host_context, 0, &context);
  VARVE_TRY(context_made(result, context));
  PluginWords why;
  result = service.start(context, why.bytes.data(), why.room());
  Status started = plugin_started(result, why);
  if (!started.ok()) {
    service.context_destroy(context);
    return started;
  }
  context_ = context;
  broken_ = std::move(broken);
  wait_fd_ = service.wait_fd(context_);
  Status awaitable = check_wait_fd(wait_fd_);
  if (!awaitable.ok()) {
    wait_fd_ = -1;
    abandon(std::string(awaitable.message()));
  }
  return awaitable;
}

size_t ServicePlugin::poll() {
  if (context_ == nullptr || !broken_why_.empty()) return 0;
  const int32_t done = library_.service().poll(context_);
  if (done >= 0) return static_cast<size_t>(done);
  abandon(text("poll returned ", done, "; it must return 0 or how much it did"));
  return 0;
}

bool ServicePlugin::arm() {
  if (context_ == nullptr || !broken_why_.empty()) return false;
  const int32_t pending = library_.service().arm(context_);
  if (pending == 0 || pending == 1) return pending == 1;
  abandon(text("arm returned ", pending, "; it must return 0 or 1"));
  return false;
}

void ServicePlugin::stop() {
  if (context_ == nullptr || stopping_ || !broken_why_.empty()) return;
  stopping_ = true;
  library_.service().stop(context_);
}

bool ServicePlugin::stopped() {
  if (context_ == nullptr || stopped_ || !broken_why_.empty()) return true;
  if (!stopping_) return false;
  const int32_t answer = library_.service().stopped(context_);
  if (answer != 0 && answer != 1) {
    abandon(text("stopped returned ", answer, "; it must return 0 or 1"));
    return true;
  }
  stopped_ = answer == 1;
  return stopped_;
}

void ServicePlugin::abandon(std::string why) {
  if (!broken_why_.empty()) return;
  log_error(library_.name(), text("the plugin broke its contract and is stopped: ", why));
  broken_why_ = std::move(why);
  if (!stopping_) library_.service().stop(context_);
  stopping_ = true;
  if (broken_) broken_();
}

}  // namespace varve
