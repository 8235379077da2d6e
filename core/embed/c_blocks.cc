// Volumes and blocks of varve.h. Each request is made once, as work; the blocking form waits for
// it, the other one hands its answer to the callback.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/embed/c_api.h"

namespace varve {
namespace {

// A look at the map keeps all other requests waiting: a millisecond's worth of it.
constexpr uint64_t kLookBlocksMax = 64 * kGiB / kBlockBytes;

Task<Status> create(Store* store, std::string name, uint64_t size_bytes, varve_volume* volume) {
  const Result<VolumeInfo> made = co_await store->create_volume(std::move(name), size_bytes);
  if (made.ok()) describe(*made, volume);
  co_return made.status();
}

Task<Status> resize(Store* store, VolumeId id, uint64_t size_bytes, varve_volume* volume) {
  const Result<VolumeInfo> made = co_await store->resize_volume(id, size_bytes);
  if (made.ok()) describe(*made, volume);
  co_return made.status();
}

// The checksums are computed here, on the caller's thread.
Engine::Work writing(const Blocks& blocks, const void* data) {
  const auto* bytes = static_cast<const std::byte*>(data);
  std::vector<uint32_t> crcs(blocks.range.count);
  crc32c_blocks(bytes, crcs.size(), crcs.data());
  return
      [id = blocks.view.volume, range = blocks.range, bytes, crcs = std::move(crcs)](Store& store) {
        if (store.is_encrypted(id)) return refuse_encrypted();
        return store.write(id, range, bytes, crcs.data());
      };
}

Engine::Work trimming(const Blocks& blocks) {
  return [id = blocks.view.volume, range = blocks.range](Store& store) {
    return store.trim(id, range);
  };
}

Engine::Work creating(const char* name, uint64_t size_bytes, varve_volume* volume) {
  return [name = std::string(name), size_bytes, volume](Store& store) {
    return create(&store, name, size_bytes, volume);
  };
}

Engine::Work resizing(varve_volume_id id, uint64_t size_bytes, varve_volume* volume) {
  return [id = VolumeId{id}, size_bytes, volume](Store& store) {
    return resize(&store, id, size_bytes, volume);
  };
}

Engine::Work deleting(varve_volume_id id) {
  return [id = VolumeId{id}](Store& store) { return store.delete_volume(id); };
}

// Runs from the beginning of the range, one more than wanted or as far as one look goes.
Status first_runs(const Store& store, const Blocks& blocks, size_t wanted,
                  std::vector<BlockStatusRun>& runs) {
  VARVE_TRY(store.block_status(blocks.view, {blocks.range.end(), 0}, runs));  // is it inside?
  const uint64_t end = std::min(blocks.range.end(), blocks.range.first + kLookBlocksMax);
  for (uint64_t block = blocks.range.first; block < end && runs.size() <= wanted;) {
    const uint64_t count = std::min<uint64_t>(kExtentBlocks, end - block);
    VARVE_TRY(store.block_status(blocks.view, {block, count}, runs));
    block += count;
  }
  return {};
}

}  // namespace
}  // namespace varve

using varve::c_invalid;
using varve::c_result;

int varve_volume_find(varve_engine* engine, const char* name, varve_volume* volume) {
  if (engine == nullptr || name == nullptr) return c_invalid("no engine, or no name");
  return c_result(engine->engine.look([name, volume](varve::Store& store) {
    const varve::Result<varve::VolumeInfo> found = store.find_volume(name);
    if (!found.ok())
      return varve::Status(found.code(), varve::text("there is no volume \"", name, "\""));
    varve::describe(*found, volume);
    return varve::Status();
  }));
}

int varve_volume_list(varve_engine* engine, varve_volume* volumes, size_t capacity, size_t* count) {
  if (engine == nullptr || (volumes == nullptr && capacity > 0))
    return c_invalid("no engine, or no place for the volumes");
  return c_result(engine->engine.look([volumes, capacity, count](varve::Store& store) {
    const std::vector<varve::VolumeInfo> infos = store.volumes();
    for (size_t i = 0; i < std::min(capacity, infos.size()); ++i)
      varve::describe(infos[i], &volumes[i]);
    if (count != nullptr) *count = infos.size();
    return varve::Status();
  }));
}

int varve_volume_create(varve_engine* engine, const char* name, uint64_t size_bytes,
                        varve_volume* volume) {
  if (engine == nullptr || name == nullptr) return c_invalid("no engine, or no name");
  return varve::call(engine, varve::creating(name, size_bytes, volume));
}

int varve_submit_volume_create(varve_engine* engine, const char* name, uint64_t size_bytes,
                               varve_volume* volume, varve_done* done, void* user) {
  if (engine == nullptr || name == nullptr || done == nullptr)
    return c_invalid("no engine, no name, or no callback");
  return varve::submit(engine, varve::creating(name, size_bytes, volume), done, user);
}

int varve_volume_resize(varve_engine* engine, varve_volume_id id, uint64_t size_bytes,
                        varve_volume* volume) {
  if (engine == nullptr) return c_invalid(varve::kNoEngine);
  return varve::call(engine, varve::resizing(id, size_bytes, volume));
}

int varve_submit_volume_resize(varve_engine* engine, varve_volume_id id, uint64_t size_bytes,
                               varve_volume* volume, varve_done* done, void* user) {
  if (engine == nullptr || done == nullptr) return c_invalid(varve::kNoEngineOrDone);
  return varve::submit(engine, varve::resizing(id, size_bytes, volume), done, user);
}

int varve_volume_delete(varve_engine* engine, varve_volume_id id) {
  if (engine == nullptr) return c_invalid(varve::kNoEngine);
  return varve::call(engine, varve::deleting(id));
}

int varve_submit_volume_delete(varve_engine* engine, varve_volume_id id, varve_done* done,
                               void* user) {
  if (engine == nullptr || done == nullptr) return c_invalid(varve::kNoEngineOrDone);
  return varve::submit(engine, varve::deleting(id), done, user);
}

int varve_read(varve_engine* engine, varve_volume_id id, uint64_t offset, void* data,
               uint64_t bytes) {
  if (engine == nullptr) return c_invalid(varve::kNoEngine);
  const varve::Blocks blocks = varve::transfer_of(id, offset, data, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::call(engine, varve::reading(blocks, data));
}

int varve_submit_read(varve_engine* engine, varve_volume_id id, uint64_t offset, void* data,
                      uint64_t bytes, varve_done* done, void* user) {
  if (engine == nullptr || done == nullptr) return c_invalid(varve::kNoEngineOrDone);
  const varve::Blocks blocks = varve::transfer_of(id, offset, data, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::submit(engine, varve::reading(blocks, data), done, user);
}

int varve_write(varve_engine* engine, varve_volume_id id, uint64_t offset, const void* data,
                uint64_t bytes) {
  if (engine == nullptr) return c_invalid(varve::kNoEngine);
  const varve::Blocks blocks = varve::transfer_of(id, offset, data, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::call(engine, varve::writing(blocks, data));
}

int varve_submit_write(varve_engine* engine, varve_volume_id id, uint64_t offset, const void* data,
                       uint64_t bytes, varve_done* done, void* user) {
  if (engine == nullptr || done == nullptr) return c_invalid(varve::kNoEngineOrDone);
  const varve::Blocks blocks = varve::transfer_of(id, offset, data, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::submit(engine, varve::writing(blocks, data), done, user);
}

int varve_trim(varve_engine* engine, varve_volume_id id, uint64_t offset, uint64_t bytes) {
  if (engine == nullptr) return c_invalid(varve::kNoEngine);
  const varve::Blocks blocks = varve::blocks_of(id, offset, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::call(engine, varve::trimming(blocks));
}

int varve_submit_trim(varve_engine* engine, varve_volume_id id, uint64_t offset, uint64_t bytes,
                      varve_done* done, void* user) {
  if (engine == nullptr || done == nullptr) return c_invalid(varve::kNoEngineOrDone);
  const varve::Blocks blocks = varve::blocks_of(id, offset, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return varve::submit(engine, varve::trimming(blocks), done, user);
}

int varve_flush(varve_engine* engine) {
  if (engine == nullptr) return c_invalid(varve::kNoEngine);
  return c_result(engine->engine.look([](varve::Store&) { return varve::Status(); }));
}

int varve_block_status(varve_engine* engine, varve_volume_id id, uint64_t offset, uint64_t bytes,
                       varve_run* runs, size_t capacity, size_t* count) {
  if (engine == nullptr || runs == nullptr || capacity == 0 || count == nullptr)
    return c_invalid("no engine, or no place for the runs");
  const varve::Blocks blocks = varve::blocks_of(id, offset, bytes);
  if (!blocks.why.empty()) return c_invalid(blocks.why);
  return c_result(engine->engine.look([&](varve::Store& store) -> varve::Status {
    std::vector<varve::BlockStatusRun> found;
    VARVE_TRY(varve::explained(varve::first_runs(store, blocks, capacity, found)));
    *count = std::min(capacity, found.size());
    for (size_t i = 0; i < *count; ++i)
      runs[i] = {found[i].block_count * varve::kBlockBytes, found[i].data ? 1 : 0};
    return {};
  }));
}
