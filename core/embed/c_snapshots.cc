// Snapshots and clones of varve.h.
#include <algorithm>
#include <vector>

#include "core/base/text.h"
#include "core/embed/c_api.h"

namespace varve {
namespace {

void describe_snapshot(const SnapshotInfo& info, varve_snapshot* snapshot) {
  *snapshot = {.volume = static_cast<uint32_t>(info.volume),
               .generation = info.generation,
               .size_bytes = info.size_bytes,
               .created_seconds = info.created_seconds};
  std::copy_n(info.name.begin(), std::min<size_t>(info.name.size(), VARVE_NAME_BYTES_MAX),
              snapshot->name);
}

Task<Status> create(Store* store, std::vector<SnapshotRequest> requests,
                    varve_snapshot* snapshots) {
  const auto made = co_await store->create_snapshots(std::move(requests));
  if (!made.ok()) co_return made.status();
  for (size_t i = 0; i < made->size() && snapshots != nullptr; ++i)
    describe_snapshot((*made)[i], &snapshots[i]);
  co_return Status();
}

Task<Status> clone(Store* store, VolumeId volume, std::string snapshot, std::string name,
                   uint64_t size_bytes, varve_volume* made) {
  const Result<VolumeInfo> cloned =
      co_await store->clone_volume(volume, std::move(snapshot), std::move(name), size_bytes);
  if (cloned.ok()) varve::describe(*cloned, made);
  co_return cloned.status();
}

Engine::Work creating(const varve_volume_id* volumes, size_t count, const char* name,
                      varve_snapshot* snapshots) {
  std::vector<SnapshotRequest> requests;
  requests.reserve(count);
  for (size_t i = 0; i < count; ++i) requests.push_back({VolumeId{volumes[i]}, name});
  return [requests = std::move(requests), snapshots](Store& store) {
    return create(&store, requests, snapshots);
  };
}

Engine::Work deleting(varve_volume_id volume, const char* name) {
  return [id = VolumeId{volume}, name = std::string(name)](Store& store) {
    return store.delete_snapshot(id, name);
  };
}

Engine::Work rolling_back(varve_volume_id volume, const char* name) {
  return [id = VolumeId{volume}, name = std::string(name)](Store& store) {
    return store.roll_back(id, name);
  };
}

Engine::Work cloning(varve_volume_id volume, const char* snapshot, const char* name,
                     uint64_t size_bytes, varve_volume* made) {
  return [id = VolumeId{volume}, snapshot = std::string(snapshot), name = std::string(name),
          size_bytes,
          made](Store& store) { return clone(&store, id, snapshot, name, size_bytes, made); };
}

Blocks snapshot_blocks(const varve_snapshot* snapshot, uint64_t offset, const void* data,
                       uint64_t bytes) {
  if (snapshot == nullptr) return {VolumeId{}, {}, "no snapshot"};
  Blocks blocks = transfer_of(snapshot->volume, offset, data, bytes);
  blocks.view.generation = snapshot->generation;
  if (snapshot->generation == kHead) blocks.why = "that is no snapshot";
  return blocks;
}

bool names_volumes(const varve_volume_id* volumes, size_t count) {
  return volumes != nullptr || count == 0;
}

constexpr const char* kNothing = "no engine, no name, no volumes, or no callback";

}  // namespace
}  // namespace varve

using varve::c_invalid;
using varve::c_result;

int varve_snapshot_create(varve_engine* engine, const varve_volume_id* volumes, size_t count,
                          const char* name, varve_snapshot* snapshots) {
  if (engine == nullptr || name == nullptr || !varve::names_volumes(volumes, count))
    return c_invalid(varve::kNothing);
  return varve::call(engine, varve::creating(volumes, count, name, snapshots));
}

int varve_submit_snapshot_create(varve_engine* engine, const varve_volume_id* volumes, size_t count,
                                 const char* name, varve_snapshot* snapshots, varve_done* done,
                                 void* user) {
  if (engine == nullptr || name == nullptr || done == nullptr ||
      !varve::names_volumes(volumes, count))
    return c_invalid(varve::kNothing);
  return varve::submit(engine, varve::creating(volumes, count, name, snapshots), done, user);
}

int varve_snapshot_list(varve_engine* engine, varve_volume_id volume, varve_snapshot* snapshots,
                        size_t capacity, size_t* count) {
  if (engine == nullptr || (snapshots == nullptr && capacity > 0))
    return c_invalid("no engine, or no place for the snapshots");
  return c_result(engine->engine.look([=](varve::Store& store) {
    const std::vector<varve::SnapshotInfo> infos = store.snapshots(varve::VolumeId{volume});
    for (size_t i = 0; i < std::min(capacity, infos.size()); ++i)
      varve::describe_snapshot(infos[i], &snapshots[i]);
    if (count != nullptr) *count = infos.size();
    return varve::Status();
  }));
}

int varve_snapshot_read(varve_engine* engine, const varve_snapshot* snapshot, uint64_t offset,
                        void* data, uint64_t bytes) {
  if (engine == nullptr) return c_invalid(varve::kNoEngine);
  const varve::Blocks blocks = varve::snapshot_blocks(snapshot, offset, data, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::call(engine, varve::reading(blocks, data));
}

int varve_submit_snapshot_read(varve_engine* engine, const varve_snapshot* snapshot,
                               uint64_t offset, void* data, uint64_t bytes, varve_done* done,
                               void* user) {
  if (engine == nullptr || done == nullptr) return c_invalid(varve::kNoEngineOrDone);
  const varve::Blocks blocks = varve::snapshot_blocks(snapshot, offset, data, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::submit(engine, varve::reading(blocks, data), done, user);
}

int varve_snapshot_delete(varve_engine* engine, varve_volume_id volume, const char* name) {
  if (engine == nullptr || name == nullptr) return c_invalid(varve::kNothing);
  return varve::call(engine, varve::deleting(volume, name));
}

int varve_submit_snapshot_delete(varve_engine* engine, varve_volume_id volume, const char* name,
                                 varve_done* done, void* user) {
  if (engine == nullptr || name == nullptr || done == nullptr) return c_invalid(varve::kNothing);
  return varve::submit(engine, varve::deleting(volume, name), done, user);
}

int varve_snapshot_rollback(varve_engine* engine, varve_volume_id volume, const char* name) {
  if (engine == nullptr || name == nullptr) return c_invalid(varve::kNothing);
  return varve::call(engine, varve::rolling_back(volume, name));
}

int varve_submit_snapshot_rollback(varve_engine* engine, varve_volume_id volume, const char* name,
                                   varve_done* done, void* user) {
  if (engine == nullptr || name == nullptr || done == nullptr) return c_invalid(varve::kNothing);
  return varve::submit(engine, varve::rolling_back(volume, name), done, user);
}

int varve_volume_clone(varve_engine* engine, varve_volume_id volume, const char* snapshot,
                       const char* name, uint64_t size_bytes, varve_volume* clone) {
  if (engine == nullptr || snapshot == nullptr || name == nullptr)
    return c_invalid(varve::kNothing);
  return varve::call(engine, varve::cloning(volume, snapshot, name, size_bytes, clone));
}

int varve_submit_volume_clone(varve_engine* engine, varve_volume_id volume, const char* snapshot,
                              const char* name, uint64_t size_bytes, varve_volume* clone,
                              varve_done* done, void* user) {
  if (engine == nullptr || snapshot == nullptr || name == nullptr || done == nullptr)
    return c_invalid(varve::kNothing);
  return varve::submit(engine, varve::cloning(volume, snapshot, name, size_bytes, clone), done,
                       user);
}
