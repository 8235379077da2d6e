// The plugin's table: "rdma" carries messages between nodes over RDMA.
#include <memory>

#include "plugins/abi/transport.h"
#include "plugins/sdk/host.h"
#include "plugins/tls/plugin_tls.h"
#include "transports/rdma/context.h"
#include "transports/rdma/options.h"

struct varve_transport_instance {
  explicit varve_transport_instance(const varve_host* host) : log(host) {}
  varve::HostLog log;
  varve::RdmaOptions options;
  varve::PluginTls tls;
  varve::PluginTls* tls_or_null() { return tls.configured() ? &tls : nullptr; }
};

struct varve_transport_context {
  varve::RdmaContext rdma;
};

namespace varve {
namespace {

// varved --check comes here, too: it shows what there is to listen on. Whether RDMA is to be had at
// all is tried here as well, because only this call can say in words that it is not.
int32_t instance_create(const varve_host* host, const varve_option* options, uint32_t option_count,
                        varve_transport_instance** instance, char* why, uint32_t why_bytes) {
  const int32_t result = make_instance(host, options, option_count, instance, why, why_bytes);
  if (result != VARVE_OK) return result;
  std::unique_ptr<varve_transport_instance> created(*instance);
  *instance = nullptr;
  std::string wrong = created->tls.open(host);
  if (wrong.empty() && created->tls.configured() && !created->options.allow_plaintext)
    wrong =
        "RDMA encrypts nothing, also with [tls], which only proves who sends what; "
        "allow_plaintext = true allows that";
  if (!wrong.empty()) {
    explain(why, why_bytes, wrong);
    return VARVE_E_INVALID;
  }
  if (!RdmaContext(created->options, created->tls_or_null(), created->log).open(wrong)) {
    explain(why, why_bytes, wrong);
    return VARVE_E_IO;
  }
  created->log.info(join({"RDMA devices: ", describe_devices()}));
  created->log.info(
      created->tls.configured()
          ? "nodes prove over TLS who they are and what they send; nothing is encrypted"
          : "there is no [tls]: whoever connects is believed to be a node");
  *instance = created.release();
  return VARVE_OK;
}

void instance_destroy(varve_transport_instance* instance) {
  delete instance;
}

int32_t context_create(varve_transport_instance* instance, uint32_t,
                       varve_transport_context** context) {
  std::unique_ptr<varve_transport_context> created(new varve_transport_context{
      RdmaContext(instance->options, instance->tls_or_null(), instance->log)});
  std::string why;
  if (!created->rdma.open(why)) {
    instance->log.warn(why);
    return VARVE_E_IO;
  }
  *context = created.release();
  return VARVE_OK;
}

void context_destroy(varve_transport_context* context) {
  delete context;
}

int32_t memory_register(varve_transport_context* context, void* base, uint64_t bytes,
                        uint64_t* memory) {
  return context->rdma.memory_register(base, bytes, memory);
}
int32_t memory_unregister(varve_transport_context* context, uint64_t memory) {
  return context->rdma.memory_unregister(memory);
}

int32_t listen(varve_transport_context* context, const char* address, char* bound,
               uint32_t bound_bytes, char* why, uint32_t why_bytes) {
  std::string bound_to;
  const std::string wrong = context->rdma.listen(address, bound_to);
  if (wrong.empty()) {
    explain(bound, bound_bytes, bound_to);
    return VARVE_OK;
  }
  explain(why, why_bytes, wrong);
  return VARVE_E_INVALID;
}

int32_t connect(varve_transport_context* context, const char* address, uint64_t op_id) {
  return context->rdma.connect(address, op_id);
}
int32_t disconnect(varve_transport_context* context, uint64_t connection) {
  return context->rdma.disconnect(connection);
}
int32_t receive_post(varve_transport_context* context, const varve_slice* buffer, uint64_t op_id) {
  return context->rdma.receive_post(*buffer, op_id);
}
int32_t send(varve_transport_context* context, uint64_t connection, const varve_message* message,
             uint64_t op_id) {
  return context->rdma.send(connection, *message, op_id);
}
int32_t poll(varve_transport_context* context, varve_transport_event* events, uint32_t capacity) {
  return context->rdma.poll(events, capacity);
}
int32_t arm(varve_transport_context* context) {
  return context->rdma.arm() ? 1 : 0;
}
int32_t wait_fd(varve_transport_context* context) {
  return context->rdma.wait_fd();
}

constexpr varve_transport kTable = {
    {sizeof(varve_transport), VARVE_ABI_MAJOR, VARVE_ABI_MINOR, VARVE_KIND_TRANSPORT, "rdma",
     "0.1.0", "carries messages between nodes over RDMA (InfiniBand, RoCE)"},
    kRdmaOptionHelp,
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
