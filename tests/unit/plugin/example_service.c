/* The smallest complete service plugin, to read and to copy: it opens the volume that its option
 * names, writes the text "hello" to its start, reads it back, says so in the log, and idles. */
#include <stdlib.h>
#include <string.h>

#include "plugins/abi/service.h"

#define BUFFER_BYTES 4096u

/* Our own numbers for the operations: each event brings one of them back. */
enum step { STEP_OPEN = 1, STEP_WRITE = 2, STEP_READ = 3, STEP_IDLE = 4 };

struct varve_service_instance {
  const struct varve_host* host;
  char volume_name[256];
};

struct varve_service_context {
  struct varve_service_instance* instance;
  const struct varve_service_host* host;
  void* host_context;
  char* buffer;
  uint64_t volume;
  enum step step; /* the operation that is in flight, or STEP_IDLE */
  int volume_open;
};

static void explain(char* why, uint32_t why_bytes, const char* text) {
  if (why_bytes == 0) return;
  strncpy(why, text, why_bytes - 1);
  why[why_bytes - 1] = '\0';
}

static int32_t instance_create(const struct varve_host* host, const struct varve_option* options,
                               uint32_t option_count, struct varve_service_instance** instance,
                               char* why, uint32_t why_bytes) {
  struct varve_service_instance* made = calloc(1, sizeof(*made));
  if (!made) return VARVE_E_NO_MEMORY;
  made->host = host;
  for (uint32_t i = 0; i < option_count; ++i) {
    if (strcmp(options[i].key, "volume") != 0) {
      explain(why, why_bytes, "unknown option; allowed: volume = NAME");
      free(made);
      return VARVE_E_INVALID;
    }
    strncpy(made->volume_name, options[i].value, sizeof(made->volume_name) - 1);
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
  (void)shard_index;
  struct varve_service_context* made = calloc(1, sizeof(*made));
  if (!made) return VARVE_E_NO_MEMORY;
  made->instance = instance;
  made->host = host;
  made->host_context = host_context;
  made->step = STEP_IDLE;
  made->buffer = host->buffer_acquire(host_context, BUFFER_BYTES);
  *context = made;
  return made->buffer ? VARVE_OK : VARVE_E_NO_MEMORY;
}

static void context_destroy(struct varve_service_context* context) {
  context->host->buffer_release(context->host_context, context->buffer, BUFFER_BYTES);
  free(context);
}

static int32_t start(struct varve_service_context* context, char* why, uint32_t why_bytes) {
  const char* name = context->instance->volume_name;
  const int32_t result =
      context->host->volume_open(context->host_context, name, (uint32_t)strlen(name), 0, STEP_OPEN);
  if (result != VARVE_OK) {
    explain(why, why_bytes, "the host takes no volume_open");
    return result;
  }
  context->step = STEP_OPEN;
  return VARVE_OK;
}

static void submit(struct varve_service_context* context, enum step step, uint32_t kind) {
  struct varve_operation operation = {.struct_size = sizeof(operation),
                                      .kind = kind,
                                      .op_id = step,
                                      .bytes = BUFFER_BYTES,
                                      .data = context->buffer};
  const int32_t result = context->host->submit(context->host_context, context->volume, &operation);
  context->step = result == VARVE_OK ? step : STEP_IDLE;
}

static void end(struct varve_service_context* context, uint32_t level, const char* text) {
  const struct varve_host* host = context->instance->host;
  host->log(host->host, level, text);
  if (context->volume_open) context->host->volume_close(context->host_context, context->volume);
  context->volume_open = 0;
  context->step = STEP_IDLE;
}

static int32_t poll(struct varve_service_context* context) {
  struct varve_service_event event;
  if (context->host->events(context->host_context, &event, 1) == 0) return 0;
  if (event.result != VARVE_OK) {
    end(context, VARVE_LOG_ERROR, "the host refused");
  } else if (event.op_id == STEP_OPEN) {
    context->volume = event.value;
    context->volume_open = 1;
    strcpy(context->buffer, "hello");
    submit(context, STEP_WRITE, VARVE_OP_WRITE);
  } else if (event.op_id == STEP_WRITE) {
    memset(context->buffer, 0, BUFFER_BYTES);
    submit(context, STEP_READ, VARVE_OP_READ);
  } else {
    end(context, VARVE_LOG_INFO, context->buffer);
  }
  return 1;
}

/* Events of the host wake the shard by themselves; this plugin has nothing else to wait for. */
static int32_t arm(struct varve_service_context* context) {
  (void)context;
  return 0;
}
static int32_t wait_fd(struct varve_service_context* context) {
  (void)context;
  return -1;
}

/* One round of three operations: stopping is to let it end. */
static void stop(struct varve_service_context* context) {
  (void)context;
}
static int32_t stopped(struct varve_service_context* context) {
  return context->step == STEP_IDLE ? 1 : 0;
}

const struct varve_table* varve_plugin_entry(void) {
  static const struct varve_service service = {
      .table = {.struct_size = sizeof(service),
                .abi_major = VARVE_ABI_MAJOR,
                .abi_minor = VARVE_ABI_MINOR,
                .kind = VARVE_KIND_SERVICE,
                .name = "example",
                .version = "1.2",
                .description = "says hello to a volume"},
      .option_help = "volume = NAME   which volume to greet (required)\n",
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
