#include "core/store/store.h"

#include "core/base/aligned_buffer.h"
#include "core/base/text.h"
#include "core/format/batch.h"
#include "core/format/catalog_record.h"
#include "core/log/geometry.h"
#include "core/runtime/task_group.h"
#include "core/store/store_core.h"
#include "core/store/superblocks.h"

namespace varve {
namespace {

constexpr size_t kFormatWritesInFlight = 32;

Uuid random_uuid(Random& random) {
  Uuid uuid;
  for (std::byte& byte : uuid) byte = static_cast<std::byte>(random.next());
  return uuid;
}

Task<void> write_free_header(BlockDevice* device, const Geometry* geometry, uint32_t slot,
                             Status* status) {
  AlignedBuffer block(kBlockBytes);
  encode_segment_header({.slot = slot}, geometry->seed, block.span());
  const Status mine = co_await device->write(geometry->offset(slot, 0), block.span(), true);
  if (!mine.ok()) *status = mine;
}

// Slot 0 becomes the first catalog segment, with an empty complete record.
Task<Status> write_first_catalog(BlockDevice& device, const Geometry& geometry) {
  const std::vector<std::byte> payload = encode_catalog({.complete = true});
  AlignedBuffer blocks(3 * kBlockBytes);
  const auto header_block = blocks.span().first(kBlockBytes);
  const auto batch_block = blocks.span().subspan(kBlockBytes, kBlockBytes);
  const auto data_block = blocks.span().last(kBlockBytes);
  encode_segment_header({.slot = 0, .generation = 1, .stream = StreamKind::kCatalog}, geometry.seed,
                        header_block);
  std::copy(payload.begin(), payload.end(), data_block.begin());
  const Entry entry{.count = 1, .position = 2, .op = EntryOp::kCatalog};
  const uint32_t crc = crc32c(data_block);
  encode_batch_header({.slot = 0,
                       .generation = 1,
                       .start_block = 1,
                       .data_blocks = 1,
                       .header_blocks = 1,
                       .entry_count = 1},
                      {&entry, 1}, {&crc, 1}, geometry.seed, batch_block);
  co_return co_await device.write(geometry.offset(0, 0), blocks.span(), true);
}

}  // namespace

Task<Status> Store::format(Runtime& runtime, BlockDevice& device, FormatOptions options) {
  Result<Superblock> planned =
      plan_superblock(device.size_bytes(), options.segment_bytes, kSlotCountMin);
  if (!planned.ok()) co_return planned.status();
  Superblock& superblock = *planned;
  superblock.disk = options.disk == Uuid{} ? random_uuid(runtime.random) : options.disk;
  superblock.cluster = options.cluster;
  if (options.cluster != Uuid{}) superblock.incompatible_features |= kFeatureCluster;
  if (superblock.slot_count >= kMovesSlotCountMin &&
      options.keep_moves_apart.value_or(superblock.slot_count >= kMovesSlotCountDefault))
    superblock.incompatible_features |= kFeatureMoves;
  superblock.created_seconds = runtime.clock.wall_seconds();
  const Geometry geometry(superblock);

  // Superblocks go first and come back last: a half-formatted device is not a store.
  AlignedBuffer block(kBlockBytes);
  VARVE_CO_TRY(co_await write_superblocks(device, block.span()));
  Status status;
  TaskGroup writes(runtime.ready);
  for (uint32_t slot = 1; slot < geometry.slot_count && status.ok(); ++slot) {
    co_await writes.below(kFormatWritesInFlight);
    writes.start(write_free_header(&device, &geometry, slot, &status));
    if (options.progress) options.progress(slot, geometry.slot_count);
  }
  co_await writes.done();
  VARVE_CO_TRY(status);
  VARVE_CO_TRY(co_await write_first_catalog(device, geometry));
  encode_superblock(superblock, block.span());
  co_return co_await write_superblocks(device, block.span());
}

Task<Result<std::unique_ptr<Store>>> Store::open(Runtime& runtime, BlockDevice& device,
                                                 StoreOptions options) {
  const Result<Superblock> superblock = co_await read_superblock(device);
  if (!superblock.ok()) co_return superblock.status();
  if ((superblock->incompatible_features & kFeatureCold) != 0)
    co_return Status(ErrorCode::kInvalidArgument,
                     "the device is an HDD of a disk group, not what the group begins with");
  const bool apart = (superblock->incompatible_features & kFeatureMoves) != 0;
  if (superblock->slot_count < (apart ? kMovesSlotCountMin : kSlotCountMin))
    co_return Status(ErrorCode::kInvalidArgument, "the superblock names too few slots");
  auto core = std::make_unique<StoreCore>(runtime, device, *superblock, options);
  const Status recovered = co_await core->recover(options);
  if (!recovered.ok()) {
    [[maybe_unused]] const Status closed = co_await core->close();
    co_return recovered;
  }
  co_return std::unique_ptr<Store>(new Store(std::move(core)));
}

Store::Store(std::unique_ptr<StoreCore> core) : core_(std::move(core)) {}
Store::~Store() = default;

Task<Status> Store::close() {
  return core_->close();
}

Task<Status> Store::add_cold_device(BlockDevice& device, ColdFormatOptions options) {
  return core_->add_cold_device(device, options);
}

Task<Result<VolumeInfo>> Store::create_volume(std::string name, uint64_t size_bytes,
                                              KeyWrapper wrap, VolumeTier tier) {
  return core_->create_volume(std::move(name), size_bytes, std::move(wrap), tier);
}

bool Store::is_encrypted(VolumeId id) const {
  return core_->catalog().key(id) != nullptr;
}

Result<VolumeKey> Store::volume_key(VolumeId id) const {
  return core_->volume_key(id);
}

Task<Status> Store::rewrap_key(VolumeId id, KeyRewrapper rewrap) {
  return core_->rewrap_key(id, std::move(rewrap));
}

Task<Result<VolumeInfo>> Store::resize_volume(VolumeId id, uint64_t size_bytes) {
  return core_->resize_volume(id, size_bytes);
}

Task<Result<VolumeInfo>> Store::set_volume_tier(VolumeId id, VolumeTier tier) {
  return core_->set_volume_tier(id, tier);
}

VolumeTier Store::volume_tier(VolumeId id) const {
  return core_->catalog().tier(id);
}

Status Store::check_volume_tier(VolumeId id, VolumeTier tier) const {
  return core_->check_volume_tier(id, tier);
}

Status Store::check_new_tier(uint64_t size_bytes, VolumeTier tier) const {
  return core_->check_new_tier(size_bytes, tier);
}

Task<Status> Store::delete_volume(VolumeId id) {
  return core_->delete_volume(id);
}

Result<VolumeInfo> Store::find_volume(std::string_view name) const {
  const VolumeRecord* record = core_->catalog().find(name);
  if (record == nullptr) return ErrorCode::kNotFound;
  return core_->info_of(*record);
}

std::vector<VolumeInfo> Store::volumes() const {
  std::vector<VolumeInfo> infos;
  for (const auto& [id, record] : core_->catalog().volumes())
    if (!core_->catalog().lineage(record.id).headless) infos.push_back(core_->info_of(record));
  std::sort(infos.begin(), infos.end(),
            [](const VolumeInfo& a, const VolumeInfo& b) { return a.name < b.name; });
  return infos;
}

Task<Status> Store::write(VolumeId id, BlockRange range, const std::byte* data,
                          const uint32_t* crcs) {
  return core_->write({}, id, range, data, crcs);
}

Task<Status> Store::read(VolumeView view, BlockRange range, std::byte* out) {
  return core_->read(view, range, out);
}

Task<Status> Store::trim(VolumeId id, BlockRange range) {
  return core_->trim(id, range);
}

Status Store::block_status(VolumeView view, BlockRange range,
                           std::vector<BlockStatusRun>& runs) const {
  return core_->block_status(view, range, runs);
}

Task<Result<std::vector<SnapshotInfo>>> Store::create_snapshots(
    std::vector<SnapshotRequest> requests) {
  return core_->create_snapshots(std::move(requests));
}

Task<Status> Store::delete_snapshot(VolumeId id, std::string name) {
  return core_->delete_snapshot(id, std::move(name));
}

Result<SnapshotInfo> Store::find_snapshot(VolumeId id, std::string_view name) const {
  const SnapshotRecord* const record = core_->catalog().find_snapshot(id, name);
  if (record == nullptr)
    return Status(ErrorCode::kNotFound, text("there is no snapshot ", name, " of that volume"));
  return StoreCore::info_of(*record);
}

std::vector<SnapshotInfo> Store::snapshots(VolumeId id) const {
  std::vector<SnapshotInfo> infos;
  for (const SnapshotRecord* record : core_->catalog().snapshots_of(id))
    if (!record->name.empty()) infos.push_back(StoreCore::info_of(*record));
  return infos;
}

Task<Status> Store::roll_back(VolumeId id, std::string snapshot) {
  return core_->roll_back(id, std::move(snapshot));
}

Task<Result<VolumeInfo>> Store::clone_volume(VolumeId id, std::string snapshot, std::string name,
                                             uint64_t size_bytes, std::optional<VolumeTier> tier) {
  return core_->clone_volume(id, std::move(snapshot), std::move(name), size_bytes, tier);
}

Task<Result<ViewSpace>> Store::view_space(VolumeView view) {
  return core_->view_space(view);
}

Task<Status> Store::changed_blocks(VolumeView before, VolumeView after, BlockRange range,
                                   std::vector<BlockStatusRun>* runs) {
  return core_->changed_blocks(before, after, range, runs);
}

Task<void> Store::space_freed() {
  return core_->space_freed();
}

Status Store::check_cold_device(uint64_t device_bytes) const {
  return core_->plan_cold_device(device_bytes).status();
}

StoreStats Store::stats() const {
  return core_->stats();
}

std::vector<DeviceStats> Store::devices() const {
  return core_->devices();
}

const Uuid& Store::disk() const {
  return core_->superblock().disk;
}

const Uuid& Store::cluster() const {
  return core_->superblock().cluster;
}

Task<Status> Store::put_group(MemberState group) {
  return core_->put_group(group);
}

std::vector<MemberState> Store::groups() const {
  std::vector<MemberState> groups;
  for (const auto& [id, group] : core_->catalog().groups()) groups.push_back(group);
  return groups;
}

Task<Status> Store::put_fence(AttachFence fence, VolumeRecord volume, VolumeHistory history) {
  return core_->put_fence(fence, std::move(volume), std::move(history));
}

VolumeHistory Store::history(VolumeId id) const {
  return core_->history(id);
}

Generation Store::newest_generation(VolumeId id) const {
  return core_->newest_generation(id);
}

bool Store::has_view(VolumeView view) const {
  return core_->has_view(view);
}

VolumeId Store::base_of(VolumeId id) const {
  return core_->base_of(id);
}

Task<Status> Store::keep_snapshots(VolumeId id, Generation below, std::vector<Generation> kept) {
  return core_->keep_snapshots(id, below, std::move(kept));
}

uint64_t Store::snapshots_dropped() const {
  return core_->snapshots_dropped();
}

Task<Status> Store::read_generation(VersionRange what, std::byte* out) {
  return core_->read_generation(what, out);
}

uint64_t Store::fence(GroupId group, VolumeId volume) const {
  return core_->catalog().fence(group, volume);
}

bool Store::has_volume(VolumeId id) const {
  return core_->catalog().find(id) != nullptr;
}

std::vector<AttachFence> Store::fences() const {
  return core_->catalog().fences();
}

std::vector<VolumeRecord> Store::volume_records() const {
  std::vector<VolumeRecord> records;
  for (const auto& [id, record] : core_->catalog().volumes()) records.push_back(record);
  return records;
}

Task<Status> Store::write_as(GroupStamp stamp, VolumeId id, BlockRange range, const std::byte* data,
                             const uint32_t* crcs) {
  return core_->write(stamp, id, range, data, crcs);
}

Task<Status> Store::zero_as(GroupStamp stamp, VolumeId id, BlockRange range) {
  return core_->zero(stamp, id, range);
}

std::vector<BlockRange> Store::used_ranges(VolumeId id, BlockRange range) const {
  return core_->used_ranges(id, range);
}

void Store::scrub_every(uint64_t pass_seconds) {
  core_->scrubber().set_interval(pass_seconds);
}

void Store::scrub_now(uint64_t bytes_per_second) {
  core_->scrubber().begin_pass(bytes_per_second);
}

void Store::set_healer(Healer healer) {
  core_->scrubber().set_healer(std::move(healer));
}

Task<Status> Store::heal(BadBlock bad, const std::byte* data) {
  return core_->heal(bad, data);
}

void Store::count_repair() {
  core_->count_repair();
}

bool Store::has_room(BlockRange range) const {
  return core_->has_room(range);
}

Sequence Store::log_end(GroupId group) const {
  return core_->log_end(group);
}

ChangedPage Store::changed(GroupId group, Sequence after, VolumeId volume, uint64_t block,
                           size_t runs_max) const {
  return core_->changed(group, after, volume, block, runs_max);
}

std::vector<BlockVersion> Store::versions(VersionRange what) const {
  return core_->versions(what);
}

std::vector<BlockVersion> Store::seen(VolumeView view, BlockRange range) const {
  return core_->seen(view, range);
}

bool Store::is_shown(VolumeId id, Generation generation, uint64_t block) const {
  return core_->is_shown(id, generation, block);
}

}  // namespace varve
