/* A service plugin whose table is wrong in one way, which a definition picks. Never started. */
#include <stddef.h>

#include "plugins/abi/service.h"

#ifndef STRUCT_SIZE
#define STRUCT_SIZE sizeof(struct varve_service)
#endif
#ifndef ABI_MAJOR
#define ABI_MAJOR VARVE_ABI_MAJOR
#endif
#ifndef KIND
#define KIND VARVE_KIND_SERVICE
#endif
#ifndef NAME
#define NAME "broken"
#endif

static int32_t create(const struct varve_host* host, const struct varve_option* options,
                      uint32_t option_count, struct varve_service_instance** instance, char* why,
                      uint32_t why_bytes) {
  (void)host, (void)options, (void)option_count, (void)instance, (void)why, (void)why_bytes;
  return VARVE_E_UNSUPPORTED;
}
static void destroy(struct varve_service_instance* instance) {
  (void)instance;
}
static int32_t context(struct varve_service_instance* instance,
                       const struct varve_service_host* host, void* host_context,
                       uint32_t shard_index, struct varve_service_context** context) {
  (void)instance, (void)host, (void)host_context, (void)shard_index, (void)context;
  return VARVE_E_UNSUPPORTED;
}
static int32_t start(struct varve_service_context* context, char* why, uint32_t why_bytes) {
  (void)context, (void)why, (void)why_bytes;
  return VARVE_E_UNSUPPORTED;
}
static void nothing(struct varve_service_context* context) {
  (void)context;
}
static int32_t zero(struct varve_service_context* context) {
  (void)context;
  return 0;
}

/* A later release of the same major appends; its new member must not be taken for ours. */
struct newer_service {
  struct varve_service service;
  void* appended[4];
};

#ifdef NEWER_MINOR
#define ABI_MINOR (VARVE_ABI_MINOR + 1)
#define TABLE_BYTES sizeof(struct newer_service)
#else
#define ABI_MINOR VARVE_ABI_MINOR
#define TABLE_BYTES STRUCT_SIZE
#endif

#ifdef NO_ENTRY
const struct varve_table* another_entry(void)
#else
const struct varve_table* varve_plugin_entry(void)
#endif
{
  static const struct newer_service table = {.service = {.table = {.struct_size = TABLE_BYTES,
                                                                   .abi_major = ABI_MAJOR,
                                                                   .abi_minor = ABI_MINOR,
                                                                   .kind = KIND,
                                                                   .name = NAME},
                                                         .instance_create = create,
                                                         .instance_destroy = destroy,
                                                         .context_create = context,
                                                         .context_destroy = nothing,
                                                         .start = start,
                                                         .stop = nothing,
                                                         .stopped = zero,
#ifndef MISSING_CALLBACKS
                                                         .poll = zero,
                                                         .arm = zero,
#endif
                                                         .wait_fd = zero}};
#ifdef NULL_TABLE
  return table.service.stop ? 0 : &table.service.table;
#else
  return &table.service.table;
#endif
}
