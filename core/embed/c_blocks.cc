// Volumes and blocks of varve.h. Each request is made once, as work; the blocking form waits for
// it, the other one hands its answer to the callback.
#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/embed/c_api.h"

namespace varve {
namespace {

static_assert(VARVE_BLOCK_BYTES == kBlockBytes);

// A look at the map keeps all other requests waiting: a millisecond's worth of it.
constexpr uint64_t kLookBlocksMax = 64 * kGiB / kBlockBytes;

void describe(const VolumeInfo& info, varve_volume* volume) {
  if (volume == nullptr) return;
  *volume = {.id = static_cast<uint32_t>(info.id),
             .size_bytes = info.size_bytes,
             .used_bytes = info.used_bytes};
  std::copy_n(info.name.begin(), std::min<size_t>(info.name.size(), VARVE_NAME_BYTES_MAX),
              volume->name);
}

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

Task<Status> read_unaligned(Store* store, VolumeId id, BlockRange range, void* data) {
  AlignedBuffer aligned(range.count * kBlockBytes);
  VARVE_CO_TRY(co_await store->read(id, range, aligned.data()));
  std::memcpy(data, aligned.data(), aligned.size());
  co_return Status();
}

// A request on blocks, from bytes; `why` is empty when they make sense.
struct Blocks {
  VolumeId id;
  BlockRange range;
  std::string why;
};

Blocks blocks_of(varve_volume_id id, uint64_t offset, uint64_t bytes) {
  Blocks blocks{VolumeId{id}, {offset / kBlockBytes, bytes / kBlockBytes}, {}};
  if (offset % kBlockBytes != 0)
    blocks.why = text("offset ", offset, " is no multiple of ", kBlockBytes);
  else if (bytes % kBlockBytes != 0)
    blocks.why = text("length ", bytes, " is no multiple of ", kBlockBytes);
  return blocks;
}

Blocks transfer_of(varve_volume_id id, uint64_t offset, const void* data, uint64_t bytes) {
  Blocks blocks = blocks_of(id, offset, bytes);
  if (bytes > VARVE_REQUEST_BYTES_MAX)
    blocks.why = text("length ", bytes, " is more than ", VARVE_REQUEST_BYTES_MAX);
  else if (data == nullptr && bytes > 0)
    blocks.why = "no data";
  return blocks;
}

Engine::Work reading(const Blocks& blocks, void* data) {
  if (reinterpret_cast<uintptr_t>(data) % kBlockBytes == 0)
    return [id = blocks.id, range = blocks.range, data](Store& store) {
      return store.read(id, range, static_cast<std::byte*>(data));
    };
  return [id = blocks.id, range = blocks.range, data](Store& store) {
    return read_unaligned(&store, id, range, data);
  };
}

// The checksums are computed here, on the caller's thread.
Engine::Work writing(const Blocks& blocks, const void* data) {
  const auto* bytes = static_cast<const std::byte*>(data);
  std::vector<uint32_t> crcs(blocks.range.count);
  crc32c_blocks(bytes, crcs.size(), crcs.data());
  return [id = blocks.id, range = blocks.range, bytes, crcs = std::move(crcs)](Store& store) {
    return store.write(id, range, bytes, crcs.data());
  };
}

Engine::Work trimming(const Blocks& blocks) {
  return [id = blocks.id, range = blocks.range](Store& store) { return store.trim(id, range); };
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
  VARVE_TRY(store.block_status(blocks.id, {blocks.range.end(), 0}, runs));  // is it inside?
  const uint64_t end = std::min(blocks.range.end(), blocks.range.first + kLookBlocksMax);
  for (uint64_t block = blocks.range.first; block < end && runs.size() <= wanted;) {
    const uint64_t count = std::min<uint64_t>(kExtentBlocks, end - block);
    VARVE_TRY(store.block_status(blocks.id, {block, count}, runs));
    block += count;
  }
  return {};
}

// The data path of the store answers with bare codes; these two are the caller's to understand.
Status explained(const Status& status) {
  if (status.message() != error_name(status.code())) return status;
  if (status.code() == ErrorCode::kInvalidArgument)
    return {status.code(), "the range is outside the volume"};
  if (status.code() == ErrorCode::kNotFound) return {status.code(), "there is no such volume"};
  return status;
}

int call(varve_engine* engine, Engine::Work work) {
  return c_result(explained(engine->engine.call(std::move(work))));
}

int submit(varve_engine* engine, Engine::Work work, varve_done* done, void* user) {
  const Status status = engine->engine.submit(std::move(work), [done, user](const Status& answer) {
    const std::string message(answer.ok() ? "" : explained(answer).message());
    done(user, c_code(answer.code()), message.c_str());
  });
  const int result = c_result(status);
  return status.code() == ErrorCode::kBusy ? VARVE_E_AGAIN : result;
}

constexpr const char* kNoEngine = "no engine";
constexpr const char* kNoEngineOrDone = "no engine, or no callback";

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
