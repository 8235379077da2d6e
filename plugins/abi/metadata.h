/* Metadata plugins: a small, strongly ordered key-value store (SQLite on one machine, etcd). See
 * plugin.h first.
 *
 * Keys and values are bytes; a key has at least one. Every commit that changes something raises the
 * store's revision (by one, or more where others share what the store is kept in), and is durable
 * before its RESULT; one that changes nothing (no puts, or only deletes of keys that do not exist)
 * leaves it as it is. A key remembers the revision of its last change (0: the key does not exist).
 * Liveness is not the store's business: there are no leases and no time.
 *
 * Every accepted range and commit ends in exactly one RESULT event, its result being VARVE_OK,
 * VARVE_E_UNAVAILABLE or, for commits only, VARVE_E_UNKNOWN. A refused call (negative result:
 * VARVE_E_INVALID, or VARVE_E_AGAIN when too many calls are under way) gets none. Arguments are
 * copied by the call; what an event points at is the plugin's memory, valid until the next poll.
 * An op_id is the host's own and names one call or watch of the context at a time.
 *
 * No call blocks but start and instance_destroy, which may take as long as a disk or a network: a
 * plugin that must block owns a thread. Sleeping is as in transport.h.
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
  uint64_t revision; /* of the last change */
  uint32_t flags;    /* VARVE_KEY_DELETED, in changes only: the value is empty */
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
#define VARVE_METADATA_RESYNC                                         \
  3u /* op_id of watch: changes up to `revision` may have been missed \
        (read again); those after it follow */

/* 64 bytes for ever. */
struct varve_metadata_event {
  uint32_t kind;
  int32_t result;
  uint64_t op_id;
  uint64_t revision;  /* RESULT: of the store when it answered; for a commit that changed
                         something: its own. CHANGES: all changes up to this one were told */
  uint32_t succeeded; /* commit: 1 when the conditions held and the changes are durable */
  uint32_t count;     /* of `entries` */
  const struct varve_key_value* entries;
  uint64_t reserved[3];
};

struct varve_metadata_instance; /* the plugin's own */
struct varve_metadata_context;  /* the plugin's own */

struct varve_metadata {
  struct varve_table table;
  /* One line per option: "path = FILE   what it is (default)". */
  const char* option_help;
  /* Reads the options; an unknown key or bad value is VARVE_E_INVALID with `why` filled in. Opens
   * nothing. */
  int32_t (*instance_create)(const struct varve_host* host, const struct varve_option* options,
                             uint32_t option_count, struct varve_metadata_instance** instance,
                             char* why, uint32_t why_bytes);
  /* All contexts are destroyed. May wait until the plugin's threads have ended. */
  void (*instance_destroy)(struct varve_metadata_instance* instance);
  int32_t (*context_create)(struct varve_metadata_instance* instance, uint32_t shard_index,
                            struct varve_metadata_context** context);
  /* Waits for nothing; calls under way get no event any more (a commit may still be applied). */
  void (*context_destroy)(struct varve_metadata_context* context);
  /* Opens the store, making it when there is none; once, before the calls below. What an operator
   * must mend is an error with `why` filled in. */
  int32_t (*start)(struct varve_metadata_context* context, char* why, uint32_t why_bytes);
  /* All keys that begin with `prefix`, in the order of their bytes, as of one revision; the whole
   * key for a get, nothing for all keys. */
  int32_t (*range)(struct varve_metadata_context* context, struct varve_bytes prefix,
                   uint64_t op_id);
  /* At most VARVE_TXN_ENTRIES_MAX of each; no key twice among the puts. Result VARVE_OK with
   * succeeded 0: a condition did not hold, nothing was changed. */
  int32_t (*commit)(struct varve_metadata_context* context, const struct varve_compare* compares,
                    uint32_t compare_count, const struct varve_put* puts, uint32_t put_count,
                    uint64_t op_id);
  /* CHANGES for every key under `prefix` after `revision`, from now on until unwatch, however the
   * store can be reached meanwhile. Several changes of one key may be merged into the last; all
   * changes of one revision come in one event, or come merged in later ones. It begins with RESYNC
   * when deletes since `revision` are forgotten already, or when the store has not reached it (a
   * backup was put back). No RESULT, never VARVE_E_AGAIN. */
  int32_t (*watch)(struct varve_metadata_context* context, struct varve_bytes prefix,
                   uint64_t revision, uint64_t op_id);
  /* No event of the watch follows. VARVE_E_NOT_FOUND: no such watch. */
  int32_t (*unwatch)(struct varve_metadata_context* context, uint64_t op_id);
  /* Fills in at most `capacity` events, returns how many. */
  int32_t (*poll)(struct varve_metadata_context* context, struct varve_metadata_event* events,
                  uint32_t capacity);
  /* 1: something is pending, do not sleep. */
  int32_t (*arm)(struct varve_metadata_context* context);
  int32_t (*wait_fd)(struct varve_metadata_context* context);
};

#ifdef __cplusplus
}
#endif
#endif
