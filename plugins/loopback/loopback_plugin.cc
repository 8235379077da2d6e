// The plugin's table: "loopback" carries messages between contexts of one process.
#include <memory>
#include <string_view>

#include "plugins/loopback/loopback.h"
#include "plugins/sdk/host.h"

struct varve_transport_instance {
  varve::Loopback loopback;
};

struct varve_transport_context {
  varve::LoopbackContext context;
};

namespace varve {
namespace {

bool is_address(std::string_view address) {
  return address.starts_with("loopback:") && address.size() > 9;
}

int32_t instance_create(const varve_host*, const varve_option* options, uint32_t option_count,
                        varve_transport_instance** instance, char* why, uint32_t why_bytes) {
  if (option_count > 0) {
    explain(why, why_bytes, join({options[0].key, ": unknown option; there are none"}));
    return VARVE_E_INVALID;
  }
  *instance = new varve_transport_instance;
  return VARVE_OK;
}

void instance_destroy(varve_transport_instance* instance) {
  delete instance;
}

int32_t context_create(varve_transport_instance* instance, uint32_t,
                       varve_transport_context** context) {
  std::unique_ptr<varve_transport_context> created(
      new varve_transport_context{LoopbackContext(instance->loopback)});
  if (!created->context.valid()) return VARVE_E_IO;
  *context = created.release();
  return VARVE_OK;
}

void context_destroy(varve_transport_context* context) {
  delete context;
}

int32_t memory_register(varve_transport_context* context, void* base, uint64_t bytes,
                        uint64_t* memory) {
  return context->context.memory().add(base, bytes, memory);
}
int32_t memory_unregister(varve_transport_context* context, uint64_t memory) {
  return context->context.memory().remove(memory);
}

int32_t listen(varve_transport_context* context, const char* address, char* bound,
               uint32_t bound_bytes, char* why, uint32_t why_bytes) {
  if (!is_address(address)) {
    explain(why, why_bytes,
            join({"listen: \"", address, "\" is not an address; allowed is loopback:NAME"}));
    return VARVE_E_INVALID;
  }
  const int32_t result = context->context.listen(address);
  if (result == VARVE_OK) {
    explain(bound, bound_bytes, address);
  } else {
    explain(why, why_bytes, join({"listen: \"", address, "\" is taken"}));
  }
  return result;
}

int32_t connect(varve_transport_context* context, const char* address, uint64_t op_id) {
  return is_address(address) ? context->context.connect(address, op_id) : VARVE_E_INVALID;
}
int32_t disconnect(varve_transport_context* context, uint64_t connection) {
  return context->context.disconnect(connection);
}
int32_t receive_post(varve_transport_context* context, const varve_slice* buffer, uint64_t op_id) {
  return context->context.receive_post(*buffer, op_id);
}
int32_t send(varve_transport_context* context, uint64_t connection, const varve_message* message,
             uint64_t op_id) {
  return context->context.send(connection, *message, op_id);
}
int32_t poll(varve_transport_context* context, varve_transport_event* events, uint32_t capacity) {
  return context->context.poll(events, capacity);
}
int32_t arm(varve_transport_context* context) {
  return context->context.arm() ? 1 : 0;
}
int32_t wait_fd(varve_transport_context* context) {
  return context->context.wait_fd();
}

constexpr varve_transport kTable = {
    {sizeof(varve_transport), VARVE_ABI_MAJOR, VARVE_ABI_MINOR, VARVE_KIND_TRANSPORT, "loopback",
     "0.1.0", "carries messages between contexts of one process"},
    "",
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
};

}  // namespace
}  // namespace varve

extern "C" __attribute__((visibility("default"))) const varve_table* varve_plugin_entry() {
  return &varve::kTable.table;
}
