/* Snapshots and clones in a program of yours: a table is changed, spoiled, compared with what it
 * was, rolled back, and worked on in a clone while the original goes on. Usage: snapshot_tour FILE,
 * which must not exist yet. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <varve/varve.h>

static void must(int result) {
  if (result == VARVE_OK) return;
  fprintf(stderr, "snapshot_tour: %s\n", varve_last_error());
  exit(1);
}

static void* serve(void* engine) {
  must(varve_engine_run(engine));
  return NULL;
}

static char block[VARVE_BLOCK_BYTES]; /* what is read or written at a time */

static void put(struct varve_engine* engine, varve_volume_id volume, const char* words) {
  memset(block, 0, sizeof block);
  strncpy(block, words, sizeof block - 1);
  must(varve_write(engine, volume, 0, block, sizeof block));
}

static void show(struct varve_engine* engine, varve_volume_id volume, const char* what) {
  must(varve_read(engine, volume, 0, block, sizeof block));
  printf("%s: %s\n", what, block);
}

int main(int argc, char** argv) {
  struct varve_disk disk = {.path = argc == 2 ? argv[1] : ""};
  struct varve_engine* engine = NULL;
  pthread_t thread;
  must(varve_make_file(disk.path, 256u << 20));
  must(varve_format(&disk));
  must(varve_engine_create(&disk, &engine));
  pthread_create(&thread, NULL, serve, engine);
  must(varve_engine_wait_open(engine));

  struct varve_volume table, journal, copy;
  must(varve_volume_create(engine, "table", 1u << 30, &table)); /* thin: takes no space yet */
  must(varve_volume_create(engine, "journal", 1u << 30, &journal));
  put(engine, table.id, "one hundred rows");
  put(engine, journal.id, "row 100 added");

  /* Both at one instant: the journal never knows of a row that the table lacks. */
  const varve_volume_id both[] = {table.id, journal.id};
  struct varve_snapshot before[2];
  must(varve_snapshot_create(engine, both, 2, "before", before));
  put(engine, table.id, "spoiled by a bug");
  show(engine, table.id, "the table now");
  must(varve_snapshot_read(engine, &before[0], 0, block, sizeof block));
  printf("the table before: %s\n", block);

  must(varve_volume_clone(engine, table.id, "before", "copy", 0, &copy));
  put(engine, copy.id, "an experiment");
  must(varve_snapshot_rollback(engine, table.id, "before"));
  show(engine, table.id, "rolled back");
  show(engine, copy.id, "the clone");

  /* The snapshot goes, what the clone shows of it stays. */
  must(varve_snapshot_delete(engine, table.id, "before"));
  must(varve_read(engine, copy.id, sizeof block, block, sizeof block));
  size_t left = 0;
  must(varve_snapshot_list(engine, table.id, NULL, 0, &left));
  printf("snapshots of the table: %zu\n", left);

  varve_engine_stop(engine);
  pthread_join(thread, NULL);
  varve_engine_free(engine);
  return 0;
}
