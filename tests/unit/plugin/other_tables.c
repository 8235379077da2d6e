/* A transport or metadata plugin (TRANSPORT or METADATA is defined) with all callbacks and no deed:
 * each refuses. Never started. */
#include "plugins/abi/metadata.h"
#include "plugins/abi/transport.h"

#ifdef TRANSPORT
#define NAME(part) varve_transport##part
#define KIND VARVE_KIND_TRANSPORT
#else
#define NAME(part) varve_metadata##part
#define KIND VARVE_KIND_METADATA
#endif
typedef struct NAME(_instance) instance_type;
typedef struct NAME(_context) context_type;
typedef struct NAME(_event) event_type;

static int32_t instance_create(const struct varve_host* host, const struct varve_option* options,
                               uint32_t option_count, instance_type** instance, char* why,
                               uint32_t why_bytes) {
  (void)host, (void)options, (void)option_count, (void)instance, (void)why, (void)why_bytes;
  return VARVE_E_UNSUPPORTED;
}
static void instance_destroy(instance_type* instance) {
  (void)instance;
}
static int32_t context_create(instance_type* instance, uint32_t shard_index,
                              context_type** context) {
  (void)instance, (void)shard_index, (void)context;
  return VARVE_E_UNSUPPORTED;
}
static void context_destroy(context_type* context) {
  (void)context;
}
static int32_t poll(context_type* context, event_type* events, uint32_t capacity) {
  (void)context, (void)events, (void)capacity;
  return 0;
}
static int32_t zero(context_type* context) {
  (void)context;
  return 0;
}

#ifdef TRANSPORT
static int32_t memory_register(context_type* context, void* base, uint64_t bytes,
                               uint64_t* memory) {
  (void)context, (void)base, (void)bytes, (void)memory;
  return VARVE_E_UNSUPPORTED;
}
static int32_t memory_unregister(context_type* context, uint64_t memory) {
  (void)context, (void)memory;
  return VARVE_E_UNSUPPORTED;
}
static int32_t listen(context_type* context, const char* address, char* bound, uint32_t bound_bytes,
                      char* why, uint32_t why_bytes) {
  (void)context, (void)address, (void)bound, (void)bound_bytes, (void)why, (void)why_bytes;
  return VARVE_E_UNSUPPORTED;
}
static int32_t connect(context_type* context, const char* address, uint64_t op_id) {
  (void)context, (void)address, (void)op_id;
  return VARVE_E_UNSUPPORTED;
}
static int32_t disconnect(context_type* context, uint64_t connection) {
  (void)context, (void)connection;
  return VARVE_E_UNSUPPORTED;
}
static int32_t receive_post(context_type* context, const struct varve_slice* buffer,
                            uint64_t op_id) {
  (void)context, (void)buffer, (void)op_id;
  return VARVE_E_UNSUPPORTED;
}
static int32_t send(context_type* context, uint64_t connection, const struct varve_message* message,
                    uint64_t op_id) {
  (void)context, (void)connection, (void)message, (void)op_id;
  return VARVE_E_UNSUPPORTED;
}
#else
static int32_t start(context_type* context, char* why, uint32_t why_bytes) {
  (void)context, (void)why, (void)why_bytes;
  return VARVE_E_UNSUPPORTED;
}
static int32_t range(context_type* context, struct varve_bytes prefix, uint64_t op_id) {
  (void)context, (void)prefix, (void)op_id;
  return VARVE_E_UNSUPPORTED;
}
static int32_t commit(context_type* context, const struct varve_compare* compares,
                      uint32_t compare_count, const struct varve_put* puts, uint32_t put_count,
                      uint64_t op_id) {
  (void)context, (void)compares, (void)compare_count, (void)puts, (void)put_count, (void)op_id;
  return VARVE_E_UNSUPPORTED;
}
static int32_t watch(context_type* context, struct varve_bytes prefix, uint64_t revision,
                     uint64_t op_id) {
  (void)context, (void)prefix, (void)revision, (void)op_id;
  return VARVE_E_UNSUPPORTED;
}
static int32_t unwatch(context_type* context, uint64_t op_id) {
  (void)context, (void)op_id;
  return VARVE_E_UNSUPPORTED;
}
#endif

const struct varve_table* varve_plugin_entry(void) {
  static const struct NAME() table = {.table = {.struct_size = sizeof(table),
                                                .abi_major = VARVE_ABI_MAJOR,
                                                .kind = KIND,
                                                .name = "idle"},
                                      .option_help = "none = NONE   nothing\n",
                                      .instance_create = instance_create,
                                      .instance_destroy = instance_destroy,
                                      .context_create = context_create,
                                      .context_destroy = context_destroy,
#ifdef TRANSPORT
                                      .memory_register = memory_register,
                                      .memory_unregister = memory_unregister,
                                      .listen = listen,
                                      .connect = connect,
                                      .disconnect = disconnect,
                                      .receive_post = receive_post,
                                      .send = send,
#else
                                      .start = start,
                                      .range = range,
                                      .commit = commit,
#ifndef LACKS_WATCH
                                      .watch = watch,
#endif
                                      .unwatch = unwatch,
#endif
                                      .poll = poll,
                                      .arm = zero,
                                      .wait_fd = zero};
#ifdef LACKS_WATCH
  (void)watch;
#endif
  return &table.table;
}
