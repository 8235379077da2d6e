/* Service plugins: they serve volumes to clients (NBD, later ublk and CSI). See plugin.h first.
 *
 * A service asks the host for volumes and submits operations on them; the host answers through
 * events that the service pulls. An accepted operation (result VARVE_OK) gets exactly one event,
 * also after volume_close or stop; a refused one gets none. Until its event the buffers of an
 * operation belong to the host and must stay valid and, for a write, unchanged.
 *
 * Sleeping: the host calls poll until it returns 0, then arm; when arm returns 0 the host may sleep
 * until wait_fd becomes readable or one of this context's operations completes. A new event always
 * makes the host call poll again.
 */
#ifndef VARVE_SERVICE_H
#define VARVE_SERVICE_H

#include "plugins/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values of varve_operation.kind. */
#define VARVE_OP_READ 1u
#define VARVE_OP_WRITE 2u
#define VARVE_OP_FLUSH 3u        /* a barrier: all operations completed before it are durable */
#define VARVE_OP_TRIM 4u         /* the range then reads as zeroes */
#define VARVE_OP_WRITE_ZEROES 5u /* like trim, never merely a hint */
#define VARVE_OP_BLOCK_STATUS 6u

/* Values of varve_operation.flags. */
#define VARVE_OP_FUA 1u /* durable before the event; always so today */

/* Values of `flags` in volume_open. */
#define VARVE_OPEN_READ_ONLY 1u
#define VARVE_OPEN_SHARED 2u /* refused as unsupported for now */
#define VARVE_OPEN_FORCE 4u  /* take the volume over from another holder */

/* A run of bytes that are alike, filled in by block_status. */
struct varve_extent {
  uint64_t bytes;
  uint32_t flags; /* VARVE_EXTENT_... */
  uint32_t reserved;
};
#define VARVE_EXTENT_HOLE 1u /* takes no space */
#define VARVE_EXTENT_ZERO 2u /* reads as zeroes */

/* One operation on an open volume. Any offset and length inside the volume is served; multiples of
 * 4096 at 4096-aligned buffers are fast, partial blocks are read, merged and written whole. */
struct varve_operation {
  uint32_t struct_size;
  uint32_t kind;
  uint32_t flags;
  uint32_t extent_capacity;     /* block_status: entries that `extents` has room for, at least 1 */
  uint64_t op_id;               /* comes back in the event; the service's own */
  uint64_t offset;              /* bytes */
  uint64_t bytes;               /* at most max_bytes of the volume for read and write */
  void* data;                   /* read: filled; write: source */
  struct varve_extent* extents; /* block_status: filled */
};

/* What an open volume is like. */
struct varve_volume_info {
  uint32_t struct_size;
  uint32_t flags; /* VARVE_VOLUME_... */
  uint64_t size_bytes;
  uint32_t block_bytes; /* preferred unit: 4096 */
  uint32_t max_bytes;   /* largest read or write: 32 MiB */
};
#define VARVE_VOLUME_READ_ONLY 1u

/* Completion of one operation. 64 bytes for ever. */
struct varve_service_event {
  uint64_t op_id;
  int32_t result; /* VARVE_OK or VARVE_E_... */
  uint32_t reserved;
  uint64_t value; /* volume_open: the volume handle; block_status: extents filled;
                     volume_list: bytes needed */
  uint64_t reserved2[5];
};

/* The host's side. `context` below is the host's own, given to context_create. Calls come from the
 * context's shard thread only. */
struct varve_service_host {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved;
  /* 4096-aligned memory; returns 0 when the host's budget for services is used up. */
  void* (*buffer_acquire)(void* context, uint64_t bytes);
  void (*buffer_release)(void* context, void* buffer, uint64_t bytes);
  /* Names of all volumes, each ended by NUL, into `names` (as many as fit whole). */
  int32_t (*volume_list)(void* context, char* names, uint64_t capacity, uint64_t op_id);
  /* Opens by name (not NUL-ended). A handle may be used until volume_close. */
  int32_t (*volume_open)(void* context, const char* name, uint32_t name_bytes, uint32_t flags,
                         uint64_t op_id);
  /* At once, no event; operations in flight still complete. */
  void (*volume_close)(void* context, uint64_t volume);
  int32_t (*volume_info)(void* context, uint64_t volume, struct varve_volume_info* info);
  /* VARVE_OK, VARVE_E_AGAIN (too many in flight), VARVE_E_INVALID, VARVE_E_CLOSED. The struct is
   * copied; the buffers are not. */
  int32_t (*submit)(void* context, uint64_t volume, const struct varve_operation* operation);
  /* Pulls at most `capacity` events; returns how many. */
  uint32_t (*events)(void* context, struct varve_service_event* events, uint32_t capacity);
};

struct varve_service_instance; /* the plugin's own */
struct varve_service_context;  /* the plugin's own */

struct varve_service {
  struct varve_table table;
  /* One line per option: "listen = ADDRESS, ...   what it is (default)". */
  const char* option_help;
  /* Reads the options; an unknown key or bad value is VARVE_E_INVALID with `why` filled in
   * (NUL-ended): what was wrong and what is allowed. Opens nothing. */
  int32_t (*instance_create)(const struct varve_host* host, const struct varve_option* options,
                             uint32_t option_count, struct varve_service_instance** instance,
                             char* why, uint32_t why_bytes);
  void (*instance_destroy)(struct varve_service_instance* instance);
  int32_t (*context_create)(struct varve_service_instance* instance,
                            const struct varve_service_host* host, void* host_context,
                            uint32_t shard_index, struct varve_service_context** context);
  /* All operations must have ended (stopped returned 1). */
  void (*context_destroy)(struct varve_service_context* context);
  /* Opens listeners and begins to serve. */
  int32_t (*start)(struct varve_service_context* context, char* why, uint32_t why_bytes);
  /* Takes no new clients and no new requests; those in flight are answered, then closed. */
  void (*stop)(struct varve_service_context* context);
  /* 1 when nothing is in flight any more after stop. */
  int32_t (*stopped)(struct varve_service_context* context);
  /* Does what can be done without blocking; returns how much was done, 0 when idle. */
  int32_t (*poll)(struct varve_service_context* context);
  /* 1: something is pending, do not sleep. */
  int32_t (*arm)(struct varve_service_context* context);
  /* A descriptor that becomes readable when poll has something to do. */
  int32_t (*wait_fd)(struct varve_service_context* context);
};

#ifdef __cplusplus
}
#endif
#endif
