/* A metadata plugin that answers from a constant store, and breaks the contract in the way that its
 * option `lie` names. Without one it is honest. */
#include <stdlib.h>
#include <string.h>

#include "plugins/abi/metadata.h"

#define EVENTS_MAX 64u

struct varve_metadata_instance {
  char lie[64];
};
struct varve_metadata_context {
  struct varve_metadata_instance* instance;
  struct varve_metadata_event events[EVENTS_MAX];
  uint32_t event_count;
  uint64_t last_watch;
};

/* The host takes nothing away from a plugin that broke the contract; leak checkers see it here. */
static void* kept[256];
static uint32_t kept_count;
static void* keep(void* memory) {
  return kept[kept_count++ % 256] = memory;
}

static int lies(const struct varve_metadata_context* context, const char* lie) {
  return strcmp(context->instance->lie, lie) == 0;
}

#define KEY_VALUE(key_text, value_text, revision_number, flag_bits) \
  {{key_text, sizeof(key_text) - 1},                                \
   {value_text, sizeof(value_text) - 1},                            \
   revision_number,                                                 \
   flag_bits,                                                       \
   0}
static const struct varve_key_value honest[] = {KEY_VALUE("a/1", "one", 1, 0),
                                                KEY_VALUE("a/2", "two", 2, 0)};
static const struct varve_key_value disordered[] = {KEY_VALUE("a/2", "two", 2, 0),
                                                    KEY_VALUE("a/1", "one", 1, 0)};
static const struct varve_key_value foreign[] = {KEY_VALUE("b/1", "one", 1, 0)};
static const struct varve_key_value future[] = {KEY_VALUE("a/1", "one", 9, 0)};
static const struct varve_key_value never[] = {KEY_VALUE("a/1", "one", 0, 0)};
static const struct varve_key_value deleted[] = {KEY_VALUE("a/1", "", 1, VARVE_KEY_DELETED)};
static const struct varve_key_value odd_flags[] = {KEY_VALUE("a/1", "", 1, 6)};
static const struct varve_key_value no_key[] = {KEY_VALUE("", "one", 1, 0)};
static const struct varve_key_value null_value[] = {{{"a/1", 3}, {0, 5}, 1, 0, 0}};
static const struct varve_key_value endless_value[] = {{{"a/1", 3}, {"x", 1u << 20}, 1, 0, 0}};
static const struct varve_key_value change[] = {KEY_VALUE("a/3", "three", 3, 0)};
static const struct varve_key_value old_change[] = {KEY_VALUE("a/3", "three", 2, 0)};
static const struct varve_key_value full_delete[] = {KEY_VALUE("a/3", "x", 3, VARVE_KEY_DELETED)};

static void set_entries(struct varve_metadata_event* event, const struct varve_key_value* entries,
                        uint32_t count) {
  event->entries = entries;
  event->count = count;
}
#define SET_ENTRIES(event, entries) set_entries(event, entries, sizeof(entries) / sizeof(*entries))

static struct varve_metadata_event* add(struct varve_metadata_context* context, uint32_t kind,
                                        uint64_t op_id, uint64_t revision) {
  struct varve_metadata_event* event = &context->events[context->event_count++ % EVENTS_MAX];
  memset(event, 0, sizeof(*event));
  event->kind = kind;
  event->op_id = op_id;
  event->revision = revision;
  return event;
}

static int32_t instance_create(const struct varve_host* host, const struct varve_option* options,
                               uint32_t option_count, struct varve_metadata_instance** instance,
                               char* why, uint32_t why_bytes) {
  (void)host, (void)why, (void)why_bytes;
  const char* lie = option_count > 0 ? options[0].value : "";
  if (strcmp(lie, "no instance") == 0) return VARVE_OK;
  *instance = keep(calloc(1, sizeof(**instance)));
  strncpy((*instance)->lie, lie, sizeof((*instance)->lie) - 1);
  return VARVE_OK;
}
static void instance_destroy(struct varve_metadata_instance* instance) {
  free(instance);
}
static int32_t context_create(struct varve_metadata_instance* instance, uint32_t shard_index,
                              struct varve_metadata_context** context) {
  (void)shard_index;
  if (strcmp(instance->lie, "no context") == 0) return VARVE_OK;
  *context = keep(calloc(1, sizeof(**context)));
  (*context)->instance = instance;
  return VARVE_OK;
}
static void context_destroy(struct varve_metadata_context* context) {
  free(context);
}
static int32_t start(struct varve_metadata_context* context, char* why, uint32_t why_bytes) {
  if (!lies(context, "start fails")) return VARVE_OK;
  strncpy(why, "the store is on the moon", why_bytes - 1);
  return VARVE_E_IO;
}

static int32_t range(struct varve_metadata_context* context, struct varve_bytes prefix,
                     uint64_t op_id) {
  (void)prefix;
  if (lies(context, "range returns 5")) return 5;
  if (lies(context, "range is silent")) return VARVE_OK;
  struct varve_metadata_event* event = add(context, VARVE_METADATA_RESULT, op_id, 2);
  SET_ENTRIES(event, honest);
  if (lies(context, "unknown operation")) event->op_id = 4711;
  if (lies(context, "answered twice")) *add(context, 0, 0, 0) = *event;
  if (lies(context, "range unknown")) event->result = VARVE_E_UNKNOWN;
  if (lies(context, "odd result")) event->result = VARVE_E_INVALID;
  if (lies(context, "odd kind")) event->kind = 9;
  if (lies(context, "null entries")) event->entries = 0;
  if (lies(context, "disordered")) SET_ENTRIES(event, disordered);
  if (lies(context, "foreign")) SET_ENTRIES(event, foreign);
  if (lies(context, "future")) SET_ENTRIES(event, future);
  if (lies(context, "never")) SET_ENTRIES(event, never);
  if (lies(context, "deleted")) SET_ENTRIES(event, deleted);
  if (lies(context, "odd flags")) SET_ENTRIES(event, odd_flags);
  if (lies(context, "no key")) SET_ENTRIES(event, no_key);
  if (lies(context, "null value")) SET_ENTRIES(event, null_value);
  if (lies(context, "endless value")) SET_ENTRIES(event, endless_value);
  if (lies(context, "failed with entries")) event->result = VARVE_E_UNAVAILABLE;
  if (lies(context, "changes of a range")) event->kind = VARVE_METADATA_CHANGES;
  return VARVE_OK;
}

static int32_t commit(struct varve_metadata_context* context, const struct varve_compare* compares,
                      uint32_t compare_count, const struct varve_put* puts, uint32_t put_count,
                      uint64_t op_id) {
  (void)compares, (void)compare_count, (void)puts, (void)put_count;
  if (lies(context, "commit returns -99")) return -99;
  if (lies(context, "always again")) return VARVE_E_AGAIN;
  struct varve_metadata_event* event = add(context, VARVE_METADATA_RESULT, op_id, 3);
  event->succeeded = lies(context, "succeeded 7") ? 7 : 1;
  if (lies(context, "commit with entries")) SET_ENTRIES(event, honest);
  return VARVE_OK;
}

static int32_t watch(struct varve_metadata_context* context, struct varve_bytes prefix,
                     uint64_t revision, uint64_t op_id) {
  (void)prefix, (void)revision;
  if (lies(context, "watch again")) return VARVE_E_AGAIN;
  context->last_watch = op_id;
  struct varve_metadata_event* event = add(context, VARVE_METADATA_CHANGES, op_id, 3);
  SET_ENTRIES(event, change);
  if (lies(context, "no changes")) event->count = 0;
  if (lies(context, "old change")) SET_ENTRIES(event, old_change);
  if (lies(context, "change twice")) *add(context, 0, 0, 0) = *event;
  if (lies(context, "full delete")) SET_ENTRIES(event, full_delete);
  if (lies(context, "result of a watch")) event->kind = VARVE_METADATA_RESULT;
  if (lies(context, "resync with entries")) event->kind = VARVE_METADATA_RESYNC;
  return VARVE_OK;
}

static int32_t unwatch(struct varve_metadata_context* context, uint64_t op_id) {
  if (lies(context, "unwatch fails")) return VARVE_E_NOT_FOUND;
  uint32_t left = 0;
  for (uint32_t i = 0; i < context->event_count; ++i) {
    if (context->events[i].op_id != op_id) context->events[left++] = context->events[i];
  }
  context->event_count = left;
  if (lies(context, "after unwatch")) {
    SET_ENTRIES(add(context, VARVE_METADATA_CHANGES, op_id, 3), change);
  }
  return VARVE_OK;
}

static int32_t poll(struct varve_metadata_context* context, struct varve_metadata_event* events,
                    uint32_t capacity) {
  if (lies(context, "poll -7")) return -7;
  if (lies(context, "poll too many")) return (int32_t)capacity + 1;
  const uint32_t count = context->event_count < capacity ? context->event_count : capacity;
  memcpy(events, context->events, count * sizeof(*events));
  context->event_count -= count;
  memmove(context->events, context->events + count, context->event_count * sizeof(*events));
  return (int32_t)count;
}
static int32_t arm(struct varve_metadata_context* context) {
  return lies(context, "arm 5") ? 5 : context->event_count > 0;
}
static int32_t wait_fd(struct varve_metadata_context* context) {
  return lies(context, "wait_fd") ? 99999 : -1;
}

const struct varve_table* varve_plugin_entry(void) {
  static const struct varve_metadata table = {.table = {.struct_size = sizeof(table),
                                                        .abi_major = VARVE_ABI_MAJOR,
                                                        .kind = VARVE_KIND_METADATA,
                                                        .name = "lying"},
                                              .instance_create = instance_create,
                                              .instance_destroy = instance_destroy,
                                              .context_create = context_create,
                                              .context_destroy = context_destroy,
                                              .start = start,
                                              .range = range,
                                              .commit = commit,
                                              .watch = watch,
                                              .unwatch = unwatch,
                                              .poll = poll,
                                              .arm = arm,
                                              .wait_fd = wait_fd};
  return &table.table;
}
