/* varve.h: the storage engine of Varve inside a program of yours. C11; also for C++.
 *
 * An engine keeps volumes, named arrays of 4096-byte blocks, on one disk: a file, a block device,
 * or whatever you make behind struct varve_device. It starts no threads. It lives on one that you
 * start:
 *
 *     struct varve_disk disk = {.path = "/var/lib/mine/disk.img"};
 *     struct varve_engine *engine;
 *     varve_make_file(disk.path, 1ull << 30);         once
 *     varve_format(&disk);                            once
 *     varve_engine_create(&disk, &engine);
 *     pthread_create(&thread, NULL, run, engine);     run() calls varve_engine_run(engine)
 *     varve_engine_wait_open(engine);
 *     ... volumes, reads, writes, from any thread ...
 *     varve_engine_stop(engine);
 *     pthread_join(thread, NULL);
 *     varve_engine_free(engine);
 *
 * Durable: a write, trim, create, resize or delete that returned VARVE_OK is on stable media; no
 * crash, kill or power cut loses it. There is no volatile cache, so there is nothing to flush.
 *
 * Checked: each block carries a checksum from the call that wrote it to the medium and back. Bytes
 * that fail it are never returned, and no older ones in their place: the read is VARVE_E_DAMAGED.
 *
 * Atomic is one block, not a request: a crash in the middle of a larger write leaves each block old
 * or new. Requests on the same block that overlap in time take effect in either order.
 *
 * Threads: every call from any thread, unless it says otherwise. "The engine's thread" is the one
 * inside varve_engine_run(): callbacks run there, and all requests wait while one does. A call that
 * would wait there for itself is refused with VARVE_E_INVALID.
 *
 * Errors: zero is success, negative one of VARVE_E_...; varve_last_error() has the sentence.
 *
 * Memory: strings are UTF-8 and end in NUL. What a pointer names is borrowed: for the call in a
 * blocking form, until the callback has returned after a varve_submit_...().
 *
 * Before release 1.0 program and library must come from the same release.
 */
#ifndef VARVE_EMBED_VARVE_H
#define VARVE_EMBED_VARVE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_BLOCK_BYTES 4096             /* offsets and lengths are multiples of it */
#define VARVE_REQUEST_BYTES_MAX (32 << 20) /* of one read or write */
#define VARVE_REQUESTS_MAX 1024            /* accepted and not yet answered, per engine */
#define VARVE_NAME_BYTES_MAX 255           /* of a volume's name, without its NUL */

/* The release of the library, such as "0.1.0". */
const char* varve_version(void);

/* ---- Errors ---------------------------------------------------------------------------------- */

#define VARVE_OK 0
#define VARVE_E_AGAIN (-1)     /* VARVE_REQUESTS_MAX are under way; nothing was taken */
#define VARVE_E_INVALID (-2)   /* the caller's fault: range, name, size, or thread */
#define VARVE_E_NOT_FOUND (-3) /* no such volume, file or folder */
#define VARVE_E_EXISTS (-4)
#define VARVE_E_NO_SPACE (-5) /* nothing was written; trim or delete something, then try again */
#define VARVE_E_DAMAGED (-6)  /* the bytes fail their checksum */
#define VARVE_E_IO (-7)       /* the disk refused; after a failed write the engine takes no more */
#define VARVE_E_BUSY (-8)     /* somebody else holds it */
#define VARVE_E_UNSUPPORTED (-9)
#define VARVE_E_CLOSED (-10)        /* not open yet, or stopped */
#define VARVE_E_UNKNOWN (-12)       /* none of these */
#define VARVE_E_NOT_FORMATTED (-20) /* no store is on the disk */
#define VARVE_E_NEWER_FORMAT (-21)  /* a newer release wrote it */

/* A few words for a code: "no space". Never NULL; lives for ever. */
const char* varve_error_name(int error);
/* The sentence of the last call that failed on this thread: what was wrong and what is allowed.
 * Never NULL; valid until the next failure on this thread. What a callback is told is not kept
 * here. */
const char* varve_last_error(void);

/* Log lines go to standard error. Those below `level` are dropped; at first VARVE_LOG_INFO. */
#define VARVE_LOG_DEBUG 0u
#define VARVE_LOG_INFO 1u
#define VARVE_LOG_WARN 2u
#define VARVE_LOG_ERROR 3u
#define VARVE_LOG_NONE 4u
void varve_set_log_level(unsigned level);

/* ---- Disks ----------------------------------------------------------------------------------- */

struct varve_device;

/* Where a store lives: set one of `path` and `device`. */
struct varve_disk {
  const char* path; /* an existing file on a file system with direct I/O, or a block device */
  const struct varve_device* device; /* yours */
  uint32_t flags;                    /* VARVE_DISK_... */
};
/* The device at `path` keeps what it completed through a loss of power: no flushes are sent. */
#define VARVE_DISK_POWER_PROTECTED 1u

/* Makes a file of so many bytes, a multiple of 4096, all of it written. VARVE_E_EXISTS when there
 * is one; VARVE_E_NO_SPACE, VARVE_E_NOT_FOUND (the folder), VARVE_E_IO. */
int varve_make_file(const char* path, uint64_t bytes);

/* Writes an empty store over the whole disk. WHAT WAS THERE IS LOST: call it when opening has told
 * VARVE_E_NOT_FORMATTED. Works on the calling thread and takes seconds on a large disk.
 * VARVE_E_INVALID: the disk is too small (the sentence says how large it must be, about 1 MiB);
 * VARVE_E_BUSY, VARVE_E_NOT_FOUND, VARVE_E_IO. */
int varve_format(const struct varve_disk* disk);

/* ---- Engines --------------------------------------------------------------------------------- */

struct varve_engine;

/* Makes an engine for the disk; touches nothing yet. `disk` and its path are copied; the
 * varve_device must outlive varve_engine_run(). Only arguments that make no sense are an error. */
int varve_engine_create(const struct varve_disk* disk, struct varve_engine** engine);

/* Opens the store, recovering it if need be, serves requests on this thread until
 * varve_engine_stop(), closes the store and returns: once in the life of an engine. Whatever was
 * accepted has been answered by then. VARVE_E_NOT_FORMATTED, VARVE_E_NEWER_FORMAT, VARVE_E_DAMAGED
 * (recovery cannot do without what is unreadable; nothing was changed), VARVE_E_BUSY (another
 * process has the file), VARVE_E_NOT_FOUND, VARVE_E_IO, VARVE_E_UNSUPPORTED (no io_uring here). An
 * error after serving (VARVE_E_IO) means that closing failed; nothing acknowledged is lost, the
 * next opening recovers. */
int varve_engine_run(struct varve_engine* engine);

/* Waits until varve_engine_run() serves requests, or has failed to: then what it returned.
 * VARVE_E_CLOSED after a stop. Waits for ever when nobody runs the engine. */
int varve_engine_wait_open(struct varve_engine* engine);

/* Refuses new requests from now on, lets those under way end, makes varve_engine_run() return. Does
 * not wait itself; callbacks may call it, signal handlers may not. Harmless when repeated. */
void varve_engine_stop(struct varve_engine* engine);

/* Not while another thread is inside a call on this engine. NULL is fine. VARVE_E_BUSY, and nothing
 * is freed, while it runs. */
int varve_engine_free(struct varve_engine* engine);

struct varve_stats {
  uint64_t capacity_bytes;    /* data that the disk has room for */
  uint64_t used_bytes;        /* blocks that hold data */
  uint64_t write_limit_bytes; /* writes that would take used_bytes above it: VARVE_E_NO_SPACE */
  uint64_t damaged_blocks;    /* known to be; reads of them are VARVE_E_DAMAGED */
  uint64_t memory_bytes;      /* that the map of blocks takes */
  /* Since open: */
  uint64_t written_bytes;   /* by you */
  uint64_t relocated_bytes; /* by the cleaner, to make room */
  uint64_t device_writes;
  uint64_t group_commits; /* device writes that made requests of yours durable */
  int failed;             /* a write of the device failed: reads only */
};

/* Also from callbacks. VARVE_E_CLOSED. */
int varve_engine_stats(struct varve_engine* engine, struct varve_stats* stats);

/* ---- Volumes --------------------------------------------------------------------------------- */

/* Names a volume in its store. Never 0, never given out again, also after a deletion. */
typedef uint32_t varve_volume_id;

struct varve_volume {
  varve_volume_id id;
  uint32_t reserved;
  uint64_t size_bytes;
  uint64_t used_bytes; /* blocks that hold data */
  char name[VARVE_NAME_BYTES_MAX + 1];
};

/* These two look only: also from callbacks. */

/* VARVE_E_NOT_FOUND, VARVE_E_CLOSED. */
int varve_volume_find(struct varve_engine* engine, const char* name, struct varve_volume* volume);
/* The first `capacity` volumes by name; `count` is set to how many there are. VARVE_E_CLOSED. */
int varve_volume_list(struct varve_engine* engine, struct varve_volume* volumes, size_t capacity,
                      size_t* count);

/* The others wait: not from callbacks. `volume`, filled in on success, may be NULL. */

/* Makes a volume that reads as zeroes and takes no space until written. Sizes are rounded up to
 * 4096, at most 64 TiB. Names have 1 to 255 bytes of [A-Za-z0-9._-], the first a letter or digit.
 * VARVE_E_EXISTS, VARVE_E_INVALID, VARVE_E_NO_SPACE (the disk is over 80 % full), VARVE_E_IO,
 * VARVE_E_CLOSED. */
int varve_volume_create(struct varve_engine* engine, const char* name, uint64_t size_bytes,
                        struct varve_volume* volume);
/* Lets it grow. VARVE_E_INVALID: it would shrink. */
int varve_volume_resize(struct varve_engine* engine, varve_volume_id id, uint64_t size_bytes,
                        struct varve_volume* volume);
/* VARVE_E_BUSY: it has snapshots. Requests under way on it may fail with VARVE_E_NOT_FOUND. */
int varve_volume_delete(struct varve_engine* engine, varve_volume_id id);

/* ---- Blocks: blocking forms ------------------------------------------------------------------ */

/* Not from callbacks. Each waits, for room among the VARVE_REQUESTS_MAX and then for its answer.
 * Offsets and lengths are in bytes, multiples of 4096, and lie inside the volume: else
 * VARVE_E_INVALID. Memory may have any alignment; at multiples of 4096 a copy is saved. A volume
 * that varved encrypts is neither read nor written: VARVE_E_UNSUPPORTED. */

/* Never written and trimmed blocks read as zeroes. After an error `data` holds nothing of use.
 * VARVE_E_DAMAGED, VARVE_E_IO, VARVE_E_NOT_FOUND, VARVE_E_CLOSED. */
int varve_read(struct varve_engine* engine, varve_volume_id id, uint64_t offset, void* data,
               uint64_t bytes);
/* Durable when it returns VARVE_OK. VARVE_E_NO_SPACE (an overwrite needs room, too, until it is
 * done), VARVE_E_IO (it may have been written, or not), VARVE_E_NOT_FOUND, VARVE_E_CLOSED. */
int varve_write(struct varve_engine* engine, varve_volume_id id, uint64_t offset, const void* data,
                uint64_t bytes);
/* The range, of any length, then reads as zeroes and takes no space. Works on a full disk. Durable.
 */
int varve_trim(struct varve_engine* engine, varve_volume_id id, uint64_t offset, uint64_t bytes);
/* Does nothing: all that was answered is durable already. For code that expects to call something.
 * Also from callbacks. VARVE_E_CLOSED. */
int varve_flush(struct varve_engine* engine);

/* A run of bytes that are alike. */
struct varve_run {
  uint64_t bytes;
  int data; /* 0: reads as zeroes and takes no space */
};
/* The first `capacity` runs of the range, neighbours unlike; `count` is set to how many were filled
 * in. They cover the range or a first part of it: ask again for the rest. Also from callbacks. */
int varve_block_status(struct varve_engine* engine, varve_volume_id id, uint64_t offset,
                       uint64_t bytes, struct varve_run* runs, size_t capacity, size_t* count);

/* ---- The same with callbacks ----------------------------------------------------------------- */

/* Called once for each request that was accepted, on the engine's thread, never inside the call
 * that submitted it. `result` is what the blocking form would return, `message` its sentence (""
 * for success), valid for the call. It must not block; it may submit, stop, and call what says
 * "also from callbacks". */
typedef void varve_done(void* user, int result, const char* message);

/* VARVE_OK: accepted; `data` and `volume` must stay until the callback. Anything else: refused, no
 * callback comes. VARVE_E_AGAIN, VARVE_E_INVALID, VARVE_E_CLOSED. */
int varve_submit_read(struct varve_engine* engine, varve_volume_id id, uint64_t offset, void* data,
                      uint64_t bytes, varve_done* done, void* user);
int varve_submit_write(struct varve_engine* engine, varve_volume_id id, uint64_t offset,
                       const void* data, uint64_t bytes, varve_done* done, void* user);
int varve_submit_trim(struct varve_engine* engine, varve_volume_id id, uint64_t offset,
                      uint64_t bytes, varve_done* done, void* user);
int varve_submit_volume_create(struct varve_engine* engine, const char* name, uint64_t size_bytes,
                               struct varve_volume* volume, varve_done* done, void* user);
int varve_submit_volume_resize(struct varve_engine* engine, varve_volume_id id, uint64_t size_bytes,
                               struct varve_volume* volume, varve_done* done, void* user);
int varve_submit_volume_delete(struct varve_engine* engine, varve_volume_id id, varve_done* done,
                               void* user);

/* ---- Snapshots and clones -------------------------------------------------------------------- */

struct varve_snapshot {
  varve_volume_id volume;
  uint32_t generation;      /* tells the snapshots of a volume apart, and their order */
  uint64_t size_bytes;      /* of the volume at that time */
  uint64_t created_seconds; /* since 1970, UTC */
  char name[VARVE_NAME_BYTES_MAX + 1];
};

/* Takes snapshots of `count` volumes, all of one instant and all named `name`: all are made, or
 * none. Each holds every write that was acknowledged before the call and none that was asked for
 * after it. Takes no space and stops nobody. `snapshots` has room for `count`, or is NULL. Names as
 * of volumes, each once in its volume. VARVE_E_EXISTS, VARVE_E_NOT_FOUND, VARVE_E_INVALID,
 * VARVE_E_NO_SPACE, VARVE_E_IO, VARVE_E_CLOSED. */
int varve_snapshot_create(struct varve_engine* engine, const varve_volume_id* volumes, size_t count,
                          const char* name, struct varve_snapshot* snapshots);
int varve_submit_snapshot_create(struct varve_engine* engine, const varve_volume_id* volumes,
                                 size_t count, const char* name, struct varve_snapshot* snapshots,
                                 varve_done* done, void* user);
/* The first `capacity` snapshots of the volume, oldest first; `count` is set to how many there are.
 * Also from callbacks. VARVE_E_CLOSED. */
int varve_snapshot_list(struct varve_engine* engine, varve_volume_id volume,
                        struct varve_snapshot* snapshots, size_t capacity, size_t* count);
/* As varve_read(), of what the volume was. */
int varve_snapshot_read(struct varve_engine* engine, const struct varve_snapshot* snapshot,
                        uint64_t offset, void* data, uint64_t bytes);
int varve_submit_snapshot_read(struct varve_engine* engine, const struct varve_snapshot* snapshot,
                               uint64_t offset, void* data, uint64_t bytes, varve_done* done,
                               void* user);
/* Any one, in any order; the space that only it held comes back by itself. VARVE_E_NOT_FOUND. */
int varve_snapshot_delete(struct varve_engine* engine, varve_volume_id volume, const char* name);
int varve_submit_snapshot_delete(struct varve_engine* engine, varve_volume_id volume,
                                 const char* name, varve_done* done, void* user);
/* The volume becomes what the snapshot is. Its size and all its snapshots stay. Writes that are
 * under way may be lost. VARVE_E_NOT_FOUND. */
int varve_snapshot_rollback(struct varve_engine* engine, varve_volume_id volume, const char* name);
int varve_submit_snapshot_rollback(struct varve_engine* engine, varve_volume_id volume,
                                   const char* name, varve_done* done, void* user);
/* A new volume that begins as the snapshot, without copying. `size_bytes`: 0 for the snapshot's, or
 * more. The snapshot, and its volume, may be deleted later. Errors as of varve_volume_create(), and
 * VARVE_E_NOT_FOUND. */
int varve_volume_clone(struct varve_engine* engine, varve_volume_id volume, const char* snapshot,
                       const char* name, uint64_t size_bytes, struct varve_volume* clone);
int varve_submit_volume_clone(struct varve_engine* engine, varve_volume_id volume,
                              const char* snapshot, const char* name, uint64_t size_bytes,
                              struct varve_volume* clone, varve_done* done, void* user);

/* ---- A device of yours ----------------------------------------------------------------------- */

/* One transfer on its way to your device. */
struct varve_io;

struct varve_part {
  void* data; /* aligned to 4096 */
  size_t bytes;
};

/* The engine calls these on its thread (varve_format() on the calling one); they must not block.
 * Each starts a transfer whose end is told by varve_io_done(), from any thread, also before the
 * call returns. Transfers may end in any order. `parts` is valid for the call, the memory that they
 * name until the end. Offsets and lengths are multiples of 4096 and lie inside the device. */
struct varve_device {
  uint64_t size_bytes; /* rounded down to a multiple of 4096 */
  void* user;          /* first argument of the calls */
  void (*read)(void* user, struct varve_io* io, uint64_t offset, const struct varve_part* parts,
               size_t part_count);
  /* `durable`: on stable media at its end; otherwise a later flush may do it. */
  void (*write)(void* user, struct varve_io* io, uint64_t offset, const struct varve_part* parts,
                size_t part_count, int durable);
  /* All writes that ended before are on stable media at its end. NULL: they always are. */
  void (*flush)(void* user, struct varve_io* io);
  /* A hint: nothing of use is there. NULL: not wanted. */
  void (*discard)(void* user, struct varve_io* io, uint64_t offset, uint64_t bytes);
};

/* Exactly once for each transfer; `io` and its memory are not yours afterwards. Zero: all of it was
 * done. Anything else is an error of the device. */
void varve_io_done(struct varve_io* io, int result);

#ifdef __cplusplus
}
#endif
#endif
