/* A service plugin that breaks the contract in the way that its option `lie` names, and counts the
 * calls that the host makes to it (through the log, which is all that it has). */
#include <stdlib.h>
#include <string.h>

#include "plugins/abi/service.h"

struct varve_service_instance {
  const struct varve_host* host;
  char lie[64];
};
struct varve_service_context {
  struct varve_service_instance* instance;
};

/* The host takes nothing away from a plugin that broke the contract; leak checkers see it here. */
static void* kept[64];
static uint32_t kept_count;
static void* keep(void* memory) {
  return kept[kept_count++ % 64] = memory;
}

static int lies(const struct varve_service_context* context, const char* lie) {
  return strcmp(context->instance->lie, lie) == 0;
}

static int32_t instance_create(const struct varve_host* host, const struct varve_option* options,
                               uint32_t option_count, struct varve_service_instance** instance,
                               char* why, uint32_t why_bytes) {
  const char* lie = option_count > 0 ? options[0].value : "";
  if (strcmp(lie, "no instance") == 0) return VARVE_OK;
  if (strcmp(lie, "no reason") == 0) return VARVE_E_INVALID;
  if (strcmp(lie, "endless reason") == 0) {
    memset(why, 'x', why_bytes);
    return VARVE_E_INVALID;
  }
  if (strcmp(lie, "refused with an instance") == 0) {
    *instance = (struct varve_service_instance*)8;
    return VARVE_E_UNSUPPORTED;
  }
  struct varve_service_instance* made = keep(calloc(1, sizeof(*made)));
  made->host = host;
  strncpy(made->lie, lie, sizeof(made->lie) - 1);
  if (strcmp(lie, "odd log") == 0) {
    host->log(host->host, 77, "two\nlines\x1b[31m");
    host->log(host->host, VARVE_LOG_INFO, 0);
  }
  *instance = made;
  return VARVE_OK;
}
static void instance_destroy(struct varve_service_instance* instance) {
  free(instance);
}

static int32_t context_create(struct varve_service_instance* instance,
                              const struct varve_service_host* host, void* host_context,
                              uint32_t shard_index, struct varve_service_context** context) {
  (void)host, (void)host_context, (void)shard_index;
  if (strcmp(instance->lie, "no context") == 0) return VARVE_OK;
  struct varve_service_context* made = keep(calloc(1, sizeof(*made)));
  made->instance = instance;
  *context = made;
  return VARVE_OK;
}
static void context_destroy(struct varve_service_context* context) {
  free(context);
}

static int32_t start(struct varve_service_context* context, char* why, uint32_t why_bytes) {
  if (!lies(context, "start fails")) return VARVE_OK;
  strncpy(why, "127.0.0.1:10809 is in use", why_bytes - 1);
  return VARVE_E_BUSY;
}
static void stop(struct varve_service_context* context) {
  const struct varve_host* host = context->instance->host;
  host->log(host->host, VARVE_LOG_INFO, "told to stop");
}
static int32_t stopped(struct varve_service_context* context) {
  return lies(context, "stopped") ? 42 : 1;
}
static int32_t poll(struct varve_service_context* context) {
  return lies(context, "poll") ? -7 : lies(context, "busy") ? 3 : 0;
}
static int32_t arm(struct varve_service_context* context) {
  return lies(context, "arm") ? 5 : 0;
}
static int32_t wait_fd(struct varve_service_context* context) {
  return lies(context, "wait_fd") ? 99999 : -1;
}

const struct varve_table* varve_plugin_entry(void) {
  static const struct varve_service service = {.table = {.struct_size = sizeof(service),
                                                         .abi_major = VARVE_ABI_MAJOR,
                                                         .kind = VARVE_KIND_SERVICE,
                                                         .name = "lying"},
                                               .instance_create = instance_create,
                                               .instance_destroy = instance_destroy,
                                               .context_create = context_create,
                                               .context_destroy = context_destroy,
                                               .start = start,
                                               .stop = stop,
                                               .stopped = stopped,
                                               .poll = poll,
                                               .arm = arm,
                                               .wait_fd = wait_fd};
  return &service.table;
}
