// What the requests of varve.h share.
#include <algorithm>
#include <cstring>

#include "core/base/aligned_buffer.h"
#include "core/base/text.h"
#include "core/embed/c_api.h"

namespace varve {
namespace {

static_assert(VARVE_BLOCK_BYTES == kBlockBytes);

Task<Status> read_unaligned(Store* store, VolumeView view, BlockRange range, void* data) {
  AlignedBuffer aligned(range.count * kBlockBytes);
  VARVE_CO_TRY(co_await store->read(view, range, aligned.data()));
  std::memcpy(data, aligned.data(), aligned.size());
  co_return Status();
}

}  // namespace

void describe(const VolumeInfo& info, varve_volume* volume) {
  if (volume == nullptr) return;
  *volume = {.id = static_cast<uint32_t>(info.id),
             .size_bytes = info.size_bytes,
             .used_bytes = info.used_bytes};
  std::copy_n(info.name.begin(), std::min<size_t>(info.name.size(), VARVE_NAME_BYTES_MAX),
              volume->name);
}

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

// Nobody here has its key: ciphertext must not pass for data, nor data be written in the clear.
Task<Status> refuse_encrypted() {
  co_return Status(ErrorCode::kUnsupported,
                   "the volume is encrypted: varved, with its key file, can open it");
}

Engine::Work reading(const Blocks& blocks, void* data) {
  return [view = blocks.view, range = blocks.range, data](Store& store) {
    if (store.is_encrypted(view.volume)) return refuse_encrypted();
    if (reinterpret_cast<uintptr_t>(data) % kBlockBytes == 0)
      return store.read(view, range, static_cast<std::byte*>(data));
    return read_unaligned(&store, view, range, data);
  };
}

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

}  // namespace varve
