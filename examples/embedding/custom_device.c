/* The engine on a device of one's own, in C: memory, whose transfers take a millisecond and end on
 * a thread of the device, and which can be told to fail.
 *
 * What it shows: what was written is there when the store is opened again; a read that the device
 * refuses is an error, and passes; a byte that changed behind the engine's back is never returned.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <varve/varve.h>

#define DEVICE_BYTES (8u << 20)

/* A transfer whose data has been moved and whose end is still to be told. */
struct ending {
  struct ending* next;
  struct varve_io* io;
  int result;
};

struct memory {
  char* bytes;
  pthread_t teller;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct ending* endings; /* in any order */
  bool reads_fail;        /* guarded by the lock, like `endings` and `over` */
  bool over;
};

static void end_later(struct memory* memory, struct varve_io* io, int result) {
  struct ending* ending = malloc(sizeof *ending);
  if (ending == NULL) abort();
  pthread_mutex_lock(&memory->lock);
  *ending = (struct ending){memory->endings, io, result};
  memory->endings = ending;
  pthread_cond_signal(&memory->changed);
  pthread_mutex_unlock(&memory->lock);
}

static void* tell_endings(void* user) {
  struct memory* memory = user;
  const struct timespec latency = {.tv_nsec = 1000 * 1000};
  pthread_mutex_lock(&memory->lock);
  while (!memory->over) {
    struct ending* ending = memory->endings;
    if (ending == NULL) {
      pthread_cond_wait(&memory->changed, &memory->lock);
      continue;
    }
    memory->endings = NULL;
    pthread_mutex_unlock(&memory->lock);
    nanosleep(&latency, NULL);
    while (ending != NULL) {
      struct ending* next = ending->next;
      varve_io_done(ending->io, ending->result); /* from here on it is the engine's */
      free(ending);
      ending = next;
    }
    pthread_mutex_lock(&memory->lock);
  }
  pthread_mutex_unlock(&memory->lock);
  return NULL;
}

static void memory_read(void* user, struct varve_io* io, uint64_t offset,
                        const struct varve_part* parts, size_t part_count) {
  struct memory* memory = user;
  pthread_mutex_lock(&memory->lock);
  const bool fail = memory->reads_fail;
  pthread_mutex_unlock(&memory->lock);
  for (size_t i = 0; i < part_count && !fail; offset += parts[i++].bytes)
    memcpy(parts[i].data, memory->bytes + offset, parts[i].bytes);
  end_later(memory, io, fail ? VARVE_E_IO : VARVE_OK);
}

static void memory_write(void* user, struct varve_io* io, uint64_t offset,
                         const struct varve_part* parts, size_t part_count, int durable) {
  struct memory* memory = user;
  (void)durable; /* nothing here is more durable than the rest */
  for (size_t i = 0; i < part_count; offset += parts[i++].bytes)
    memcpy(memory->bytes + offset, parts[i].data, parts[i].bytes);
  end_later(memory, io, VARVE_OK);
}

static void fail_reads(struct memory* memory, bool fail) {
  pthread_mutex_lock(&memory->lock);
  memory->reads_fail = fail;
  pthread_mutex_unlock(&memory->lock);
}

static void* run_engine(void* engine) {
  if (varve_engine_run(engine) != VARVE_OK) fprintf(stderr, "engine: %s\n", varve_last_error());
  return NULL;
}

/* An engine on the disk, with its thread. */
struct served {
  struct varve_engine* engine;
  pthread_t thread;
};

static void must(int result, const char* what) {
  if (result == VARVE_OK) return;
  fprintf(stderr, "custom_device: %s: %s\n", what, varve_last_error());
  exit(1);
}

static struct served serve(const struct varve_disk* disk) {
  struct served served;
  must(varve_engine_create(disk, &served.engine), "create");
  if (pthread_create(&served.thread, NULL, run_engine, served.engine) != 0) exit(1);
  must(varve_engine_wait_open(served.engine), "open");
  return served;
}

static void end(struct served served) {
  varve_engine_stop(served.engine);
  pthread_join(served.thread, NULL);
  must(varve_engine_free(served.engine), "free");
}

static void write_a_note(const struct varve_disk* disk, char* block) {
  struct served served = serve(disk);
  struct varve_volume volume;
  must(varve_volume_create(served.engine, "notes", 1 << 20, &volume), "create a volume");
  strcpy(block, "written once, read after a restart");
  must(varve_write(served.engine, volume.id, 0, block, VARVE_BLOCK_BYTES), "write");
  end(served);
}

static void read_it_again(const struct varve_disk* disk, struct memory* memory, char* block) {
  struct served served = serve(disk);
  struct varve_volume volume;
  must(varve_volume_find(served.engine, "notes", &volume), "find the volume");
  memset(block, 0, VARVE_BLOCK_BYTES);
  must(varve_read(served.engine, volume.id, 0, block, VARVE_BLOCK_BYTES), "read");
  printf("read back: %s\n", block);

  fail_reads(memory, true);
  const int failed = varve_read(served.engine, volume.id, 0, block, VARVE_BLOCK_BYTES);
  printf("while the device refuses: %s\n", varve_error_name(failed));
  fail_reads(memory, false);
  must(varve_read(served.engine, volume.id, 0, block, VARVE_BLOCK_BYTES), "read again");
  printf("afterwards: %s\n", block);

  /* No transfer is under way, so the memory is ours to spoil. */
  for (size_t at = 0; at < DEVICE_BYTES; at += VARVE_BLOCK_BYTES)
    if (memcmp(memory->bytes + at, block, VARVE_BLOCK_BYTES) == 0) memory->bytes[at] ^= 1;
  const int damaged = varve_read(served.engine, volume.id, 0, block, VARVE_BLOCK_BYTES);
  printf("with one bit changed: %s\n", varve_error_name(damaged));
  end(served);
}

int main(void) {
  struct memory memory = {.bytes = calloc(1, DEVICE_BYTES)};
  char* block = aligned_alloc(VARVE_BLOCK_BYTES, VARVE_BLOCK_BYTES);
  if (memory.bytes == NULL || block == NULL) return 1;
  memset(block, 0, VARVE_BLOCK_BYTES);
  pthread_mutex_init(&memory.lock, NULL);
  pthread_cond_init(&memory.changed, NULL);
  if (pthread_create(&memory.teller, NULL, tell_endings, &memory) != 0) return 1;
  const struct varve_device device = {
      .size_bytes = DEVICE_BYTES, .user = &memory, .read = memory_read, .write = memory_write};
  const struct varve_disk disk = {.device = &device};
  varve_set_log_level(VARVE_LOG_NONE); /* it would tell of the damage */

  must(varve_format(&disk), "format");
  write_a_note(&disk, block);
  read_it_again(&disk, &memory, block);

  pthread_mutex_lock(&memory.lock);
  memory.over = true;
  pthread_cond_signal(&memory.changed);
  pthread_mutex_unlock(&memory.lock);
  pthread_join(memory.teller, NULL);
  free(memory.bytes);
  free(block);
  return 0;
}
