/* Metadata plugins: a small, strongly ordered key-value store (SQLite on one machine, etcd). See
 * plugin.h first.
 *
 * Keys and values are bytes. Every committed transaction raises the store's revision by one; a key
 * remembers the revision of its last change (0: the key does not exist). Liveness is not its
 * business: there are no leases and no time.
 *
 * Every accepted call ends in exactly one RESULT event; what an event points at is the plugin's
 * memory, valid until the next poll. No call blocks: a plugin that must block owns a thread.
 */
#ifndef VARVE_METADATA_H
#define VARVE_METADATA_H

#include "plugins/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_KEY_BYTES_MAX 512u
#define VARVE_VALUE_BYTES_MAX 65536u
#define VARVE_TXN_ENTRIES_MAX 64u

/* Result of a commit that may or may not have been applied, now or later. */
#define VARVE_E_UNKNOWN (-12)
/* The store cannot be reached; nothing was applied and nothing will be. */
#define VARVE_E_UNAVAILABLE (-13)

struct varve_bytes {
  const void* data;
  uint64_t bytes;
};

struct varve_key_value {
  struct varve_bytes key;
  struct varve_bytes value;
  uint64_t revision; /* of the last change; in a change that deleted the key: value is empty */
  uint32_t flags;    /* VARVE_KEY_DELETED in changes */
  uint32_t reserved;
};
#define VARVE_KEY_DELETED 1u

/* One condition: the key's revision is this (0: it does not exist). */
struct varve_compare {
  struct varve_bytes key;
  uint64_t revision;
};
/* One change, applied if all conditions hold. */
struct varve_put {
  struct varve_bytes key;
  struct varve_bytes value; /* ignored when flags say delete */
  uint32_t flags;           /* VARVE_PUT_DELETE */
  uint32_t reserved;
};
#define VARVE_PUT_DELETE 1u

/* Values of varve_metadata_event.kind. */
#define VARVE_METADATA_RESULT 1u  /* op_id, result; see the call */
#define VARVE_METADATA_CHANGES 2u /* op_id of watch: changes in the order of their revisions */
#define VARVE_METADATA_RESYNC 3u  /* op_id of watch: changes were missed; read again */

/* 64 bytes for ever. */
struct varve_metadata_event {
  uint32_t kind;
  int32_t result;
  uint64_t op_id;
  uint64_t revision;  /* of the store when it answered */
  uint32_t succeeded; /* commit: 1 when the conditions held and the changes are durable */
  uint32_t count;     /* of `entries` */
  const struct varve_key_value* entries;
  uint64_t reserved[3];
};

struct varve_metadata_instance; /* the plugin's own */
struct varve_metadata_context;  /* the plugin's own */

struct varve_metadata {
  struct varve_table table;
  const char* option_help;
  int32_t (*instance_create)(const struct varve_host* host, const struct varve_option* options,
                             uint32_t option_count, struct varve_metadata_instance** instance,
                             char* why, uint32_t why_bytes);
  void (*instance_destroy)(struct varve_metadata_instance* instance);
  int32_t (*context_create)(struct varve_metadata_instance* instance, uint32_t shard_index,
                            struct varve_metadata_context** context);
  /* Waits for nothing; calls under way get no event any more (a commit may still be applied). */
  void (*context_destroy)(struct varve_metadata_context* context);
  /* All keys that begin with `prefix`, in order, as of one revision; the whole key for a get. */
  int32_t (*range)(struct varve_metadata_context* context, struct varve_bytes prefix,
                   uint64_t op_id);
  /* At most VARVE_TXN_ENTRIES_MAX of each. Result VARVE_OK with succeeded 0: a condition did not
   * hold, nothing was changed. */
  int32_t (*commit)(struct varve_metadata_context* context, const struct varve_compare* compares,
                    uint32_t compare_count, const struct varve_put* puts, uint32_t put_count,
                    uint64_t op_id);
  /* CHANGES for every key under `prefix` after `revision`, from now on and for ever. Several
   * changes of one key may be merged into the last. No RESULT. */
  int32_t (*watch)(struct varve_metadata_context* context, struct varve_bytes prefix,
                   uint64_t revision, uint64_t op_id);
  /* As in transport.h. */
  int32_t (*poll)(struct varve_metadata_context* context, struct varve_metadata_event* events,
                  uint32_t capacity);
  int32_t (*arm)(struct varve_metadata_context* context);
  int32_t (*wait_fd)(struct varve_metadata_context* context);
};

#ifdef __cplusplus
}
#endif
#endif
