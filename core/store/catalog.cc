#include "core/store/catalog.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/log/log_stream.h"

namespace varve {

bool Catalog::load(const std::vector<std::vector<std::byte>>& payloads) {
  bool begun = false;
  for (const auto& bytes : payloads) {
    const auto payload = decode_catalog(bytes);
    if (!payload) return false;
    if (payload->complete) volumes_.clear();
    begun = begun || payload->complete;
    next_volume_ = std::max(next_volume_, payload->next_volume);
    for (const VolumeRecord& record : payload->records) apply(record);
  }
  return begun;
}

void Catalog::apply(const VolumeRecord& record) {
  const auto id = static_cast<uint32_t>(record.id);
  if (record.blocks == 0)
    volumes_.erase(id);
  else
    volumes_[id] = record;
}

const VolumeRecord* Catalog::find(std::string_view name) const {
  for (const auto& [id, record] : volumes_)
    if (record.name == name) return &record;
  return nullptr;
}

const VolumeRecord* Catalog::find(VolumeId id) const {
  const auto found = volumes_.find(static_cast<uint32_t>(id));
  return found == volumes_.end() ? nullptr : &found->second;
}

Task<void> Catalog::take_turn() {
  while (busy_) co_await turn_.wait();
  busy_ = true;
}

void Catalog::end_turn() {
  busy_ = false;
  turn_.wake_one();
}

Task<Status> Catalog::begin(UnsealedSegment& former) {
  co_await take_turn();
  const Status status = co_await write_complete(nullptr);
  if (status.ok()) retire(former);
  end_turn();
  co_return status;
}

Task<Result<VolumeRecord>> Catalog::create(std::string name, uint64_t blocks) {
  co_await take_turn();
  if (find(name) != nullptr) {
    end_turn();
    co_return Status(ErrorCode::kAlreadyExists, text("volume ", name, " exists already"));
  }
  const VolumeRecord record{VolumeId{next_volume_++}, blocks, std::move(name)};
  const Status status = co_await commit(record);
  end_turn();
  if (!status.ok()) co_return status;
  co_return record;
}

Task<Status> Catalog::remove(VolumeId id) {
  co_await take_turn();
  Status status = ErrorCode::kNotFound;
  if (const VolumeRecord* record = find(id)) {
    const VolumeRecord deleted{record->id, 0, record->name};
    status = co_await commit(deleted);
  }
  end_turn();
  co_return status;
}

CatalogPayload Catalog::complete_with(const VolumeRecord* change) const {
  CatalogPayload payload{.complete = true, .next_volume = next_volume_};
  for (const auto& [id, record] : volumes_)
    if (change == nullptr || record.id != change->id) payload.records.push_back(record);
  if (change != nullptr && change->blocks > 0) payload.records.push_back(*change);
  return payload;
}

Task<Status> Catalog::commit(const VolumeRecord& change) {
  const CatalogPayload payload{.next_volume = next_volume_, .records = {change}};
  std::vector<std::byte> bytes = encode_catalog(payload);
  Status status;
  // A change only follows the complete record in the same segment.
  if (writer_.stream(StreamKind::kCatalog)
          .has_room(static_cast<uint32_t>(bytes.size() / kBlockBytes)))
    status = co_await write(payload, std::move(bytes));
  else
    status = co_await write_complete(&change);
  if (status.ok()) apply(change);
  co_return status;
}

Task<Status> Catalog::write_complete(const VolumeRecord* change) {
  const CatalogPayload payload = complete_with(change);
  std::vector<std::byte> bytes = encode_catalog(payload);
  if (bytes.size() / kBlockBytes > writer_.geometry().append_blocks_max())
    co_return Status(ErrorCode::kNoSpace,
                     text("the catalog is full at ", volumes_.size(), " volumes"));
  UnsealedSegment* const former = writer_.stream(StreamKind::kCatalog).detach_segment();
  const Status status = co_await write(payload, std::move(bytes));
  if (status.ok() && former != nullptr) retire(*former);
  co_return status;
}

void Catalog::retire(UnsealedSegment& former) {
  const uint32_t slot = former.slot;
  writer_.remove_unsealed(former);
  writer_.slots().release(slot);
}

Task<Status> Catalog::write(const CatalogPayload& payload, std::vector<std::byte> bytes) {
  std::vector<uint32_t> crcs(bytes.size() / kBlockBytes);
  crc32c_blocks(bytes.data(), crcs.size(), crcs.data());
  Latch done(writer_.runtime().ready, 1);
  Append append;
  append.entry = {.sequence = payload.next_volume,
                  .count = static_cast<uint16_t>(crcs.size()),
                  .op = EntryOp::kCatalog};
  append.data = bytes.data();
  append.crcs = crcs.data();
  append.done = &done;
  writer_.stream(StreamKind::kCatalog).append(append);
  co_await done;
  co_return append.result;
}

}  // namespace varve
