// The plugin's table: "tcp" carries messages between nodes over TCP.
#include <cstring>
#include <memory>

#include "plugins/abi/transport.h"
#include "plugins/sdk/host.h"
#include "plugins/tls/kernel.h"
#include "plugins/tls/plugin_tls.h"
#include "transports/tcp/context.h"
#include "transports/tcp/options.h"

struct varve_transport_instance {
  explicit varve_transport_instance(const varve_host* host) : log(host) {}
  varve::HostLog log;
  varve::TcpOptions options;
  varve::PluginTls tls;
};

struct varve_transport_context {
  varve::TcpContext tcp;
};

namespace varve {
namespace {

int32_t instance_create(const varve_host* host, const varve_option* options, uint32_t option_count,
                        varve_transport_instance** instance, char* why, uint32_t why_bytes) {
  const int32_t result = make_tls_instance(host, options, option_count, instance, why, why_bytes);
  if (result != VARVE_OK || !(*instance)->options.kernel_tls) return result;
  const HostLog& log = (*instance)->log;
  const int error = (*instance)->tls.configured() ? kernel_has_tls() : 0;
  if (!(*instance)->tls.configured())
    log.warn("kernel_tls = true changes nothing: there is no TLS here");
  else if (error == 0)
    log.info("kernel_tls: the kernel encrypts what is sent");
  else
    log.warn(join({"kernel_tls: the kernel has no TLS (", std::strerror(error),
                   "; modprobe tls), so that this process encrypts what is sent"}));
  (*instance)->options.kernel_tls = (*instance)->tls.configured() && error == 0;
  return result;
}

void instance_destroy(varve_transport_instance* instance) {
  delete instance;
}

int32_t context_create(varve_transport_instance* instance, uint32_t,
                       varve_transport_context** context) {
  std::unique_ptr<varve_transport_context> created(
      new varve_transport_context{TcpContext(instance->options, instance->tls, instance->log)});
  if (!created->tcp.valid()) return VARVE_E_IO;
  *context = created.release();
  return VARVE_OK;
}

void context_destroy(varve_transport_context* context) {
  delete context;
}

int32_t memory_register(varve_transport_context* context, void* base, uint64_t bytes,
                        uint64_t* memory) {
  return context->tcp.memory().add(base, bytes, memory);
}
int32_t memory_unregister(varve_transport_context* context, uint64_t memory) {
  return context->tcp.memory().remove(memory);
}

int32_t listen(varve_transport_context* context, const char* address, char* bound,
               uint32_t bound_bytes, char* why, uint32_t why_bytes) {
  std::string bound_to;
  const std::string wrong = context->tcp.listen(address, bound_to);
  if (wrong.empty()) {
    explain(bound, bound_bytes, bound_to);
    return VARVE_OK;
  }
  explain(why, why_bytes, wrong);
  return VARVE_E_INVALID;
}

int32_t connect(varve_transport_context* context, const char* address, uint64_t op_id) {
  return context->tcp.connect(address, op_id);
}
int32_t disconnect(varve_transport_context* context, uint64_t connection) {
  return context->tcp.disconnect(connection);
}
int32_t receive_post(varve_transport_context* context, const varve_slice* buffer, uint64_t op_id) {
  return context->tcp.receive_post(*buffer, op_id);
}
int32_t send(varve_transport_context* context, uint64_t connection, const varve_message* message,
             uint64_t op_id) {
  return context->tcp.send(connection, *message, op_id);
}
int32_t poll(varve_transport_context* context, varve_transport_event* events, uint32_t capacity) {
  return context->tcp.poll(events, capacity);
}
int32_t arm(varve_transport_context* context) {
  return context->tcp.arm() ? 1 : 0;
}
int32_t wait_fd(varve_transport_context* context) {
  return context->tcp.wait_fd();
}

constexpr varve_transport kTable = {
    {sizeof(varve_transport), VARVE_ABI_MAJOR, VARVE_ABI_MINOR, VARVE_KIND_TRANSPORT, "tcp",
     "0.1.0", "carries messages between nodes over TCP"},
    kTcpOptionHelp,
    instance_create,
    instance_destroy,
    context_create,
    context_destroy,
    memory_register,
    memory_unregister,
    listen,
    connect,
    disconnect,
    receive_post,
    send,
    poll,
    arm,
    wait_fd,
    VARVE_TRANSPORT_PROVES_NAMES,
    0,
};

}  // namespace
}  // namespace varve

extern "C" __attribute__((visibility("default"))) const varve_table* varve_plugin_entry() {
  return &varve::kTable.table;
}
