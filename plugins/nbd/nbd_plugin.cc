// The plugin's table: "nbd" serves volumes to NBD clients over TCP and unix sockets.
#include <memory>

#include "plugins/abi/service.h"
#include "plugins/nbd/listeners.h"
#include "plugins/nbd/options.h"
#include "plugins/nbd/server.h"
#include "plugins/sdk/host.h"
#include "plugins/tls/plugin_tls.h"

struct varve_service_instance {
  explicit varve_service_instance(const varve_host* host) : log(host) {}
  varve::HostLog log;
  varve::NbdOptions options;
  varve::PluginTls tls;
  varve::Listeners listeners;
};

struct varve_service_context {
  varve::Server server;
};

namespace varve {
namespace {

// Plain text reaches as far as TLS lets it.
int32_t make_nbd_instance(const varve_host* host, const varve_option* options,
                          uint32_t option_count, varve_service_instance** instance, char* why,
                          uint32_t why_bytes) {
  varve_service_instance* made = nullptr;
  const int32_t result = make_tls_instance(host, options, option_count, &made, why, why_bytes);
  if (result != VARVE_OK) return result;
  const std::string wrong = made->tls.configured() ? std::string() : check_plaintext(made->options);
  if (wrong.empty()) return *instance = made, VARVE_OK;
  delete made;
  return explain(why, why_bytes, wrong), VARVE_E_INVALID;
}

void instance_destroy(varve_service_instance* instance) {
  delete instance;
}

int32_t context_create(varve_service_instance* instance, const varve_service_host* host,
                       void* host_context, uint32_t, varve_service_context** context) {
  std::unique_ptr<varve_service_context> created(new varve_service_context{Server(
      instance->options, instance->tls, instance->listeners, instance->log, host, host_context)});
  if (!created->server.valid()) return VARVE_E_IO;
  *context = created.release();
  return VARVE_OK;
}

void context_destroy(varve_service_context* context) {
  delete context;
}

int32_t start(varve_service_context* context, char* why, uint32_t why_bytes) {
  const std::string wrong = context->server.start();
  if (wrong.empty()) return VARVE_OK;
  explain(why, why_bytes, wrong);
  return VARVE_E_IO;
}

void stop(varve_service_context* context) {
  context->server.stop();
}
int32_t stopped(varve_service_context* context) {
  return context->server.stopped() ? 1 : 0;
}
int32_t poll(varve_service_context* context) {
  return context->server.poll();
}
int32_t arm(varve_service_context* context) {
  return context->server.arm() ? 1 : 0;
}
int32_t wait_fd(varve_service_context* context) {
  return context->server.wait_fd();
}

constexpr varve_service kTable = {
    {sizeof(varve_service), VARVE_ABI_MAJOR, VARVE_ABI_MINOR, VARVE_KIND_SERVICE, "nbd", "0.1.0",
     "serves volumes to NBD clients over TCP and unix sockets"},
    kNbdOptionHelp,
    make_nbd_instance,
    instance_destroy,
    context_create,
    context_destroy,
    start,
    stop,
    stopped,
    poll,
    arm,
    wait_fd,
};

}  // namespace
}  // namespace varve

extern "C" __attribute__((visibility("default"))) const varve_table* varve_plugin_entry() {
  return &varve::kTable.table;
}
