/* varve.h read by a C compiler, next to the headers for plugins: the names that they share must
 * mean the same, or this does not compile. */
#include "tests/unit/embed/c_header_test.h"
#include "core/embed/varve.h"
#include "plugins/abi/metadata.h"
#include "plugins/abi/plugin.h"
#include "plugins/abi/service.h"
#include "plugins/abi/transport.h"

int create_engine_from_c(void) {
  const struct varve_disk disk = {.path = "/nonexistent/disk.img"};
  struct varve_engine* engine = NULL;
  int result = varve_engine_create(&disk, &engine);
  if (result == VARVE_OK) result = varve_engine_run(engine);
  varve_engine_free(engine);
  return result;
}
