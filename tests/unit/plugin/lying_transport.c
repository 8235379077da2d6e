/* A transport plugin that answers itself and breaks the contract in the way that its option `lie`
 * names. Each connect makes a connection, each send is done at once and comes back as a message. */
#include <stdlib.h>
#include <string.h>

#include "plugins/abi/transport.h"

#define QUEUE 64u

struct varve_transport_instance {
  char lie[64];
};
struct varve_transport_context {
  struct varve_transport_instance* instance;
  struct varve_transport_event queue[QUEUE];
  uint32_t queued;
  uint64_t last_connection;
  struct varve_slice buffer; /* posted last */
  uint64_t buffer_op_id;
  char header[VARVE_HEADER_BYTES_MAX + 1];
};

/* The host takes nothing away from a plugin that broke the contract; leak checkers see it here. */
static void* kept[256];
static uint32_t kept_count;
static void* keep(void* memory) {
  return kept[kept_count++ % 256] = memory;
}

static int lies(const struct varve_transport_context* context, const char* lie) {
  return strcmp(context->instance->lie, lie) == 0;
}

static int32_t instance_create(const struct varve_host* host, const struct varve_option* options,
                               uint32_t option_count, struct varve_transport_instance** instance,
                               char* why, uint32_t why_bytes) {
  (void)host;
  const char* lie = option_count > 0 ? options[0].value : "";
  if (strcmp(lie, "no instance") == 0) return VARVE_OK;
  if (strcmp(lie, "no reason") == 0) return VARVE_E_INVALID;
  if (strcmp(lie, "a reason") == 0) {
    strncpy(why, "a reason", why_bytes);
    return VARVE_E_UNSUPPORTED;
  }
  struct varve_transport_instance* made = keep(calloc(1, sizeof(*made)));
  strncpy(made->lie, lie, sizeof(made->lie) - 1);
  *instance = made;
  return VARVE_OK;
}
static void instance_destroy(struct varve_transport_instance* instance) {
  free(instance);
}

static int32_t context_create(struct varve_transport_instance* instance, uint32_t shard_index,
                              struct varve_transport_context** context) {
  (void)shard_index;
  if (strcmp(instance->lie, "no context") == 0) return VARVE_OK;
  struct varve_transport_context* made = keep(calloc(1, sizeof(*made)));
  made->instance = instance;
  *context = made;
  return VARVE_OK;
}
static void context_destroy(struct varve_transport_context* context) {
  free(context);
}

static int32_t memory_register(struct varve_transport_context* context, void* base, uint64_t bytes,
                               uint64_t* memory) {
  (void)context, (void)base, (void)bytes;
  *memory = 1;
  return VARVE_OK;
}
static int32_t memory_unregister(struct varve_transport_context* context, uint64_t memory) {
  (void)context, (void)memory;
  return VARVE_OK;
}

static struct varve_transport_event* push(struct varve_transport_context* context, uint32_t kind,
                                          uint64_t connection, uint64_t op_id) {
  struct varve_transport_event* event = &context->queue[context->queued++ % QUEUE];
  memset(event, 0, sizeof(*event));
  event->kind = kind;
  event->connection = connection;
  event->op_id = op_id;
  return event;
}

static struct varve_transport_event* push_received(struct varve_transport_context* context,
                                                   uint64_t connection, uint64_t op_id,
                                                   uint32_t payload_bytes) {
  struct varve_transport_event* event = push(context, VARVE_EVENT_RECEIVED, connection, op_id);
  event->header = context->header;
  event->header_bytes = 1;
  event->payload_bytes = payload_bytes;
  return event;
}

static int32_t listen_on(struct varve_transport_context* context, const char* address, char* bound,
                         uint32_t bound_bytes, char* why, uint32_t why_bytes) {
  (void)why, (void)why_bytes;
  if (!lies(context, "listen")) strncpy(bound, address, bound_bytes);
  return VARVE_OK;
}

static int32_t connect_to(struct varve_transport_context* context, const char* address,
                          uint64_t op_id) {
  (void)address;
  if (lies(context, "connect returns")) return 3;
  if (lies(context, "unknown connect")) op_id += 1;
  if (lies(context, "no end")) return VARVE_OK;
  if (!lies(context, "same number")) ++context->last_connection;
  push(context, VARVE_EVENT_CONNECTED, context->last_connection, op_id);
  if (lies(context, "connected twice")) push(context, VARVE_EVENT_CONNECTED, 99, op_id);
  return VARVE_OK;
}

static int32_t disconnect(struct varve_transport_context* context, uint64_t connection) {
  push(context, VARVE_EVENT_CLOSED, connection, 0);
  if (lies(context, "closed twice")) push(context, VARVE_EVENT_CLOSED, connection, 0);
  if (lies(context, "received after closed")) push_received(context, connection, 0, 0);
  return VARVE_OK;
}

static int32_t receive_post(struct varve_transport_context* context,
                            const struct varve_slice* buffer, uint64_t op_id) {
  context->buffer = *buffer;
  context->buffer_op_id = op_id;
  return VARVE_OK;
}

static int32_t send_to(struct varve_transport_context* context, uint64_t connection,
                       const struct varve_message* message, uint64_t op_id) {
  if (lies(context, "send returns")) return 9;
  if (lies(context, "closed before done")) push(context, VARVE_EVENT_CLOSED, connection, 0);
  if (lies(context, "no end")) return VARVE_OK;
  if (lies(context, "again")) {
    push(context, VARVE_EVENT_WRITABLE, connection, 0);
    return VARVE_E_AGAIN;
  }
  push(context, VARVE_EVENT_OP_DONE, connection, op_id);
  if (lies(context, "done twice")) push(context, VARVE_EVENT_OP_DONE, connection, op_id);
  if (lies(context, "unknown send")) push(context, VARVE_EVENT_OP_DONE, connection, 4711);
  if (lies(context, "unknown kind")) push(context, 77, connection, 0);
  if (lies(context, "result")) push(context, VARVE_EVENT_ACCEPTED, 5, 0)->result = 1;
  if (lies(context, "writable")) push(context, VARVE_EVENT_WRITABLE, connection, 0);
  memcpy(context->header, message->header, message->header_bytes);
  if (lies(context, "unknown buffer")) push_received(context, connection, 12345, 1);
  if (lies(context, "no buffer")) push_received(context, connection, 0, 1);
  if (lies(context, "too long"))
    push_received(context, connection, context->buffer_op_id, (uint32_t)context->buffer.bytes + 1);
  if (lies(context, "buffer for nothing"))
    push_received(context, connection, context->buffer_op_id, 0);
  if (lies(context, "no header")) push_received(context, connection, 0, 0)->header = 0;
  if (lies(context, "long header"))
    push_received(context, connection, 0, 0)->header_bytes = VARVE_HEADER_BYTES_MAX + 1;
  uint32_t payload_bytes = 0;
  if (message->slice_count > 0 && context->buffer_op_id != 0) {
    payload_bytes = (uint32_t)message->slices[0].bytes;
    memcpy(context->buffer.data, message->slices[0].data, payload_bytes);
  }
  const uint64_t buffer = payload_bytes > 0 ? context->buffer_op_id : 0;
  push_received(context, connection, buffer, payload_bytes)->header_bytes = message->header_bytes;
  if (lies(context, "buffer twice"))
    push_received(context, connection, context->buffer_op_id, payload_bytes);
  return VARVE_OK;
}

static int32_t poll(struct varve_transport_context* context, struct varve_transport_event* events,
                    uint32_t capacity) {
  if (lies(context, "poll")) return -7;
  if (lies(context, "too many")) return (int32_t)capacity + 1;
  const uint32_t count = context->queued < capacity ? context->queued : capacity;
  memcpy(events, context->queue, count * sizeof(*events));
  context->queued = 0;
  return (int32_t)count;
}
static int32_t arm(struct varve_transport_context* context) {
  return lies(context, "arm") ? 5 : context->queued > 0;
}
static int32_t wait_fd(struct varve_transport_context* context) {
  return lies(context, "wait_fd") ? 99999 : -1;
}

const struct varve_table* varve_plugin_entry(void) {
  static const struct varve_transport transport = {.table = {.struct_size = sizeof(transport),
                                                             .abi_major = VARVE_ABI_MAJOR,
                                                             .kind = VARVE_KIND_TRANSPORT,
                                                             .name = "lying"},
                                                   .instance_create = instance_create,
                                                   .instance_destroy = instance_destroy,
                                                   .context_create = context_create,
                                                   .context_destroy = context_destroy,
                                                   .memory_register = memory_register,
                                                   .memory_unregister = memory_unregister,
                                                   .listen = listen_on,
                                                   .connect = connect_to,
                                                   .disconnect = disconnect,
                                                   .receive_post = receive_post,
                                                   .send = send_to,
                                                   .poll = poll,
                                                   .arm = arm,
                                                   .wait_fd = wait_fd};
  return &transport.table;
}
