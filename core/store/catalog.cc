#include "core/store/catalog.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/log/log_stream.h"

namespace varve {

void Catalog::Content::apply(const CatalogPayload& change) {
  if (change.complete) *this = Content();
  next_volume = std::max(next_volume, change.next_volume);
  for (const VolumeRecord& record : change.records) {
    if (record.blocks > 0) {
      volumes[static_cast<uint32_t>(record.id)] = record;
      continue;
    }
    volumes.erase(static_cast<uint32_t>(record.id));
    std::erase_if(fences, [&](const auto& fence) { return fence.first.second == record.id; });
  }
  for (const MemberState& group : change.groups) groups[group.id] = group;
  for (const AttachFence& fence : change.fences)
    fences[{fence.group, fence.volume}] = fence.generation;
}

CatalogPayload Catalog::Content::complete() const {
  CatalogPayload payload;
  payload.complete = true;
  payload.next_volume = next_volume;
  for (const auto& [id, record] : volumes) payload.records.push_back(record);
  for (const auto& [id, group] : groups) payload.groups.push_back(group);
  for (const auto& [key, generation] : fences)
    payload.fences.push_back({key.first, key.second, generation});
  return payload;
}

bool Catalog::load(const std::vector<std::vector<std::byte>>& payloads) {
  bool begun = false;
  for (const auto& bytes : payloads) {
    const auto payload = decode_catalog(bytes);
    if (!payload) return false;
    // Numbers that were given out stay so, whatever a complete record says.
    const uint32_t next_volume = content_.next_volume;
    content_.apply(*payload);
    content_.next_volume = std::max(content_.next_volume, next_volume);
    begun = begun || payload->complete;
  }
  return begun;
}

uint64_t Catalog::fence(GroupId group, VolumeId volume) const {
  const auto found = content_.fences.find({group, volume});
  return found == content_.fences.end() ? 0 : found->second;
}

const VolumeRecord* Catalog::find(std::string_view name) const {
  for (const auto& [id, record] : volumes())
    if (record.name == name) return &record;
  return nullptr;
}

const VolumeRecord* Catalog::find(VolumeId id) const {
  const auto found = volumes().find(static_cast<uint32_t>(id));
  return found == volumes().end() ? nullptr : &found->second;
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
  const VolumeRecord record{VolumeId{content_.next_volume++}, blocks, std::move(name), {}};
  CatalogPayload change;
  change.records.push_back(record);
  const Status status = co_await commit(std::move(change));
  end_turn();
  if (!status.ok()) co_return status;
  co_return record;
}

Task<Status> Catalog::grow(VolumeId id, uint64_t blocks) {
  co_await take_turn();
  Status status = ErrorCode::kNotFound;
  if (const VolumeRecord* record = find(id)) {
    CatalogPayload change;
    change.records.push_back(*record);
    change.records.front().blocks = std::max(record->blocks, blocks);
    status = co_await commit(std::move(change));
  }
  end_turn();
  co_return status;
}

Task<Status> Catalog::remove(VolumeId id) {
  co_await take_turn();
  Status status = ErrorCode::kNotFound;
  if (const VolumeRecord* record = find(id)) {
    CatalogPayload change;
    change.records.push_back({record->id, 0, record->name, {}});
    status = co_await commit(std::move(change));
  }
  end_turn();
  co_return status;
}

Task<Status> Catalog::put_group(MemberState group) {
  co_await take_turn();
  Status status;
  const auto held = groups().find(group.id);
  if (held != groups().end()) {
    if (group.epoch < held->second.epoch) status = ErrorCode::kStale;
    group.position = std::max(group.position, held->second.position);
    group.everyone = std::max(group.everyone, held->second.everyone);
  }
  if (status.ok()) {
    CatalogPayload change;
    change.groups.push_back(group);
    status = co_await commit(std::move(change));
  }
  end_turn();
  co_return status;
}

Task<Status> Catalog::put_fence(AttachFence fence, VolumeRecord volume) {
  co_await take_turn();
  Status status;
  if (fence.generation < this->fence(fence.group, fence.volume)) status = ErrorCode::kStale;
  if (status.ok()) {
    CatalogPayload change;
    content_.next_volume = std::max(content_.next_volume, static_cast<uint32_t>(fence.volume) + 1);
    // What comes late knows an older size, and recovery ignores what lies beyond the end.
    if (const VolumeRecord* held = find(volume.id))
      volume.blocks = std::max(volume.blocks, held->blocks);
    change.records.push_back(std::move(volume));
    change.fences.push_back(fence);
    status = co_await commit(std::move(change));
  }
  end_turn();
  co_return status;
}

Task<Status> Catalog::commit(CatalogPayload change) {
  change.next_volume = content_.next_volume;
  std::vector<std::byte> bytes = encode_catalog(change);
  Status status;
  // A change only follows the complete record in the same segment.
  if (writer_.stream(StreamKind::kCatalog)
          .has_room(static_cast<uint32_t>(bytes.size() / kBlockBytes)))
    status = co_await write(std::move(bytes));
  else
    status = co_await write_complete(&change);
  if (status.ok()) content_.apply(change);
  co_return status;
}

Task<Status> Catalog::write_complete(const CatalogPayload* change) {
  Content content = content_;
  if (change != nullptr) content.apply(*change);
  std::vector<std::byte> bytes = encode_catalog(content.complete());
  if (bytes.size() / kBlockBytes > writer_.geometry().append_blocks_max())
    co_return Status(ErrorCode::kNoSpace,
                     text("the catalog is full at ", volumes().size(), " volumes"));
  UnsealedSegment* const former = writer_.stream(StreamKind::kCatalog).detach_segment();
  const Status status = co_await write(std::move(bytes));
  if (status.ok() && former != nullptr) retire(*former);
  co_return status;
}

void Catalog::retire(UnsealedSegment& former) {
  const uint32_t slot = former.slot;
  writer_.remove_unsealed(former);
  writer_.slots().release(slot);
}

Task<Status> Catalog::write(std::vector<std::byte> bytes) {
  std::vector<uint32_t> crcs(bytes.size() / kBlockBytes);
  crc32c_blocks(bytes.data(), crcs.size(), crcs.data());
  Latch done(writer_.runtime().ready, 1);
  Append append;
  append.entry = {.sequence = content_.next_volume,
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
