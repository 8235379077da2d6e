// Disks and engines of varve.h.
#include "core/base/text.h"
#include "core/device/device_file.h"
#include "core/embed/c_api.h"

namespace varve {
namespace {

Result<Disk> disk_of(const varve_disk* disk) {
  if (disk == nullptr || (disk->path == nullptr) == (disk->device == nullptr))
    return Status(ErrorCode::kInvalidArgument, "a disk has a path or a device: set one of them");
  if ((disk->flags & ~VARVE_DISK_POWER_PROTECTED) != 0)
    return Status(ErrorCode::kInvalidArgument, text("unknown flags of a disk: ", disk->flags));
  if (disk->device != nullptr && (disk->device->read == nullptr || disk->device->write == nullptr))
    return Status(ErrorCode::kInvalidArgument, "a device needs its calls read and write");
  Disk made;
  if (disk->path != nullptr) made.path = disk->path;
  made.device = disk->device;
  made.power_protected = (disk->flags & VARVE_DISK_POWER_PROTECTED) != 0;
  return made;
}

}  // namespace
}  // namespace varve

const char* varve_version() {
  return VARVE_VERSION;
}

int varve_make_file(const char* path, uint64_t bytes) {
  if (path == nullptr) return varve::c_invalid("no path");
  return varve::c_result(varve::prepare_file(path, bytes, false, {}));
}

int varve_format(const varve_disk* disk) {
  const varve::Result<varve::Disk> made = varve::disk_of(disk);
  return varve::c_result(made.ok() ? varve::format_disk(*made) : made.status());
}

int varve_engine_create(const varve_disk* disk, varve_engine** engine) {
  if (engine == nullptr) return varve::c_invalid("no place for the engine");
  *engine = nullptr;
  const varve::Result<varve::Disk> made = varve::disk_of(disk);
  if (!made.ok()) return varve::c_result(made.status());
  *engine = new varve_engine{varve::Engine(*made)};
  return VARVE_OK;
}

int varve_engine_run(varve_engine* engine) {
  if (engine == nullptr) return varve::c_invalid("no engine");
  return varve::c_result(engine->engine.run());
}

int varve_engine_wait_open(varve_engine* engine) {
  if (engine == nullptr) return varve::c_invalid("no engine");
  return varve::c_result(engine->engine.wait_open());
}

void varve_engine_stop(varve_engine* engine) {
  if (engine != nullptr) engine->engine.stop();
}

int varve_engine_free(varve_engine* engine) {
  if (engine != nullptr && engine->engine.running())
    return varve::c_result({varve::ErrorCode::kBusy,
                            "the engine runs: stop it and wait until varve_engine_run() returned"});
  delete engine;
  return VARVE_OK;
}

int varve_engine_stats(varve_engine* engine, varve_stats* stats) {
  if (engine == nullptr || stats == nullptr) return varve::c_invalid("no engine, or no stats");
  return varve::c_result(engine->engine.look([stats](varve::Store& store) {
    const varve::StoreStats now = store.stats();
    *stats = {.capacity_bytes = now.capacity_blocks * varve::kBlockBytes,
              .used_bytes = now.live_blocks * varve::kBlockBytes,
              .write_limit_bytes = now.write_limit_blocks * varve::kBlockBytes,
              .damaged_blocks = now.damaged_blocks,
              .memory_bytes = now.map_bytes,
              .written_bytes = now.user_blocks_written * varve::kBlockBytes,
              .relocated_bytes = now.relocated_blocks_written * varve::kBlockBytes,
              .device_writes = now.device_write_count,
              .group_commits = now.group_commit_count,
              .failed = now.failed ? 1 : 0};
    return varve::Status();
  }));
}
