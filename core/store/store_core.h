// StoreCore: the parts of a store and how they hang together. Private to core/store.
//
//   write, trim -> LogWriter (user stream) -> durable() -> BlockMap
//   read        -> BlockMap -> device, or ReadCache for HDDs, checksum
//   Cleaner     -> LogWriter (relocated streams) -> durable() -> BlockMap
//   ColdTier    -> HDD, index -> LogWriter (relocated stream) -> BlockMap
//   create, delete -> Catalog -> LogWriter (catalog stream)
//
// Thread rule: one shard's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/cleaning/cleaner.h"
#include "core/device/joined_device.h"
#include "core/log/log_writer.h"
#include "core/log/segment_scan.h"
#include "core/map/block_map.h"
#include "core/store/catalog.h"
#include "core/store/scrubber.h"
#include "core/store/store.h"
#include "core/tiering/cold_tier.h"
#include "core/tiering/read_cache.h"

namespace varve {

class StoreCore : public DurableSink {
 public:
  StoreCore(Runtime& runtime, BlockDevice& device, const Superblock& superblock,
            const StoreOptions& options);
  ~StoreCore() override;

  // Rebuilds everything from the device, then starts the cleaner.
  Task<Status> recover(const StoreOptions& options);
  Task<Status> close();
  Task<Status> add_cold_device(BlockDevice& device, ColdFormatOptions options);
  Result<Superblock> plan_cold_device(uint64_t device_bytes) const;

  Task<Result<VolumeInfo>> create_volume(std::string name, uint64_t size_bytes, KeyWrapper wrap,
                                         VolumeTier tier);
  Result<VolumeKey> volume_key(VolumeId id) const;
  Task<Status> rewrap_key(VolumeId id, KeyRewrapper rewrap);
  Task<Result<VolumeInfo>> resize_volume(VolumeId id, uint64_t size_bytes);
  Task<Result<VolumeInfo>> set_volume_tier(VolumeId id, VolumeTier tier);
  Status check_volume_tier(VolumeId id, VolumeTier tier) const;
  Status check_new_tier(uint64_t size_bytes, VolumeTier tier) const;
  Task<Status> delete_volume(VolumeId id);
  VolumeInfo info_of(const VolumeRecord& record) const;
  Task<Result<std::vector<SnapshotInfo>>> create_snapshots(std::vector<SnapshotRequest> requests);
  Task<Status> delete_snapshot(VolumeId id, std::string name);
  Task<Status> roll_back(VolumeId id, std::string snapshot);
  Task<Result<VolumeInfo>> clone_volume(VolumeId id, std::string snapshot, std::string name,
                                        uint64_t size_bytes, std::optional<VolumeTier> tier);
  Task<Result<ViewSpace>> view_space(VolumeView view);
  Task<Status> changed_blocks(VolumeView before, VolumeView after, BlockRange range,
                              std::vector<BlockStatusRun>* runs);
  static SnapshotInfo info_of(const SnapshotRecord& record);
  const Catalog& catalog() const { return catalog_; }

  Task<Status> write(GroupStamp stamp, VolumeId id, BlockRange range, const std::byte* data,
                     const uint32_t* crcs);
  Task<Status> read(VolumeView view, BlockRange range, std::byte* out);
  Task<Status> trim(VolumeId id, BlockRange range);
  Status block_status(VolumeView view, BlockRange range, std::vector<BlockStatusRun>& runs) const;
  Task<void> space_freed();

  Task<Status> put_group(MemberState group);
  Task<Status> put_fence(AttachFence fence, VolumeRecord volume, VolumeHistory history);
  VolumeHistory history(VolumeId id) const;
  Generation newest_generation(VolumeId id) const;
  bool has_view(VolumeView view) const;
  VolumeId base_of(VolumeId id) const;
  Task<Status> keep_snapshots(VolumeId id, Generation below, std::vector<Generation> kept);
  uint64_t snapshots_dropped() const { return snapshots_dropped_; }
  Task<Status> read_generation(VersionRange what, std::byte* out);
  Task<Status> zero(GroupStamp stamp, VolumeId id, BlockRange range);
  std::vector<BlockRange> used_ranges(VolumeId id, BlockRange range) const;
  bool has_room(BlockRange range) const {
    return taken_blocks() + range.count <= write_limit_blocks();
  }
  void count_repair() { ++repaired_blocks_; }
  Scrubber& scrubber() { return scrubber_; }
  Task<Status> heal(BadBlock bad, const std::byte* data);
  Sequence log_end(GroupId group) const;
  ChangedPage changed(GroupId group, Sequence after, VolumeId volume, uint64_t block,
                      size_t runs_max) const;
  std::vector<BlockVersion> versions(VersionRange what) const;
  std::vector<BlockVersion> seen(VolumeView view, BlockRange range) const;
  bool is_shown(VolumeId id, Generation generation, uint64_t block) const;

  StoreStats stats() const;
  std::vector<DeviceStats> devices() const;
  const Superblock& superblock() const { return superblock_; }

  void durable(StreamKind stream, const Append& append) override;
  void log_failed() override;

 private:
  // A run of blocks that lie one behind the other in a slot.
  struct ReadRun {
    VolumeId volume;
    uint64_t first_block;
    uint32_t count;
    BlockState place;  // of the first block
    const uint32_t* crcs;
    std::byte* out;
  };

  void add_space(VolumeView view, uint64_t extent, ViewSpace& space) const;
  void add_changes(VolumeView before, VolumeView after, BlockRange range,
                   std::vector<BlockStatusRun>& runs) const;
  static void add_run(std::vector<BlockStatusRun>& runs, uint64_t count, bool data);
  Status check_range(VolumeView view, BlockRange range) const;
  // Of what a member writes: inside one extent, in a generation that put_fence() told.
  Status check_stamped(GroupStamp stamp, VolumeId id, BlockRange range) const;
  Status check_new_volume(std::string_view name, uint64_t blocks) const;
  // Of what is new only in name: neither volumes nor snapshots on a disk group that is filling up.
  Status check_not_full(std::string_view what) const;
  // Requests in flight hold the store open.
  bool enter();
  void leave();

  Task<Status> append_all(std::vector<Append>& appends);
  // With a stamp of no group the next number of this store.
  Append make_append(GroupStamp stamp, VolumeId id, BlockRange piece, EntryOp op);
  void cut_write(GroupStamp stamp, VolumeId id, BlockRange range, const std::byte* data,
                 const uint32_t* crcs, std::vector<Append>& appends);
  Task<Status> write_pieces(GroupStamp stamp, VolumeId id, BlockRange range, const std::byte* data,
                            const uint32_t* crcs);
  Task<Status> trim_pieces(VolumeId id, BlockRange range);

  // What a change of views does, once it is the change's turn.
  Status check_snapshots(const std::vector<SnapshotRequest>& requests) const;
  Task<Result<std::vector<SnapshotInfo>>> cut_snapshots(std::vector<SnapshotRequest> requests);
  Task<std::vector<Generation>> cut(const std::vector<SnapshotRequest>& requests);
  Task<Status> drop_snapshot(VolumeId id, std::string name);
  Task<Status> roll_back_now(VolumeId id, std::string snapshot);
  Task<Status> drop_volume(VolumeId id);
  bool is_clone_base(VolumeId volume, Generation generation) const;
  Status plan_volume_drop(VolumeId id, CatalogPayload& change) const;
  Status plan_fence(const AttachFence& fence, const VolumeRecord& volume,
                    const VolumeHistory& history, CatalogPayload& change) const;
  void plan_history(const VolumeHistory& history, CatalogPayload& change) const;
  void add_shown(VolumeId id, const VolumeMap& volume, uint64_t block, Sequence after,
                 std::vector<ChangedBlocks>& runs) const;
  // The volume's views in the map become those in the catalog; what nobody sees is given up.
  void follow_catalog(VolumeId id);
  void give_up_dropped_soon();

  Task<Status> read_block(VolumeView view, uint64_t block, std::byte* out);
  Task<Status> read_blocks(VolumeView view, BlockRange range, std::byte* out);
  Task<Status> read_run(ReadRun run);
  Task<bool> read_cached(const ReadRun& run, ColdPlace first, uint32_t* actual);
  Task<void> read_run_into(ReadRun run, Status* status);

  uint64_t capacity_blocks() const;
  uint64_t write_limit_blocks() const { return capacity_blocks() * 95 / 100; }
  uint64_t reserved_limit_blocks() const { return capacity_blocks() * 98 / 100; }
  uint64_t user_live_blocks() const;  // without the indexes of HDDs
  uint64_t taken_blocks() const;
  // The budget of memory (memory_budget.h), and what would be enough for every dense load.
  uint64_t memory_max() const;
  uint64_t memory_needed() const;
  uint64_t memory_max_blocks() const;  // that it is enough for, whatever their order
  uint64_t slot_table_bytes() const;
  // With what writes on their way may add.
  uint64_t fixed_and_map_bytes() const;
  uint64_t cache_memory_room() const;
  // True: a write of this range may go on, and gives memory_growth() of pending_memory_ back. One
  // that must not wait, because other members take it, goes on in any case.
  bool take_memory(BlockRange range, bool may_wait);
  Task<void> give_up_dropped();

  void note_log_end(const Entry& entry);
  void adopt(const SegmentContent& content);
  // The HDDs that the catalog names, among those that were given.
  Task<Status> find_cold_devices(const std::vector<BlockDevice*>& given);
  // Its slots become part of the geometry, the slot table and the map. Returns the first.
  uint32_t attach_cold_device(BlockDevice& device, const Superblock& superblock);
  // The highest numbers that only HDDs still show.
  struct ColdHighest {
    Sequence sequence = 0;
    uint32_t generation = 0;
  };
  Task<Status> load_cold_indexes(ColdHighest* highest);
  void adopt_cold(uint32_t slot, const ColdIndex& index);
  DeviceStats cold_device_stats(size_t at) const;
  Task<Status> flush_devices();
  void set_hot_limits();
  uint64_t index_room_blocks(uint64_t cold_slot_count) const;
  uint64_t hot_capacity_blocks() const;
  // This and what follows: with so many slots of HDDs.
  uint64_t hot_capacity_blocks(uint64_t cold_slot_count) const;
  uint32_t cache_share_slots(uint64_t cold_slot_count) const;
  // Of the SSD, above which blocks sink; without the read cache's share.
  uint64_t sinkable_blocks(uint64_t cold_slot_count) const;
  // Of the SSD, for volumes with tier ssd.
  uint64_t kept_room_blocks(uint64_t cold_slot_count) const;
  Status check_kept_room(VolumeId id, uint64_t blocks) const;
  // So many more slots of HDDs leave room for what is to stay.
  Status check_kept_beside(uint64_t cold_slot_count) const;
  // Of a volume that is new with this change.
  Status plan_tier(const VolumeRecord& volume, VolumeTier tier, CatalogPayload& change) const;
  Task<Status> grow_volume(VolumeId id, uint64_t blocks);
  Task<void> grow_later(VolumeId id, uint64_t blocks);
  Task<Status> seal_recovered(std::vector<SegmentContent> unsealed);

  Runtime& runtime_;
  JoinedDevice joined_;
  BlockDevice& device_;  // joined_
  const Superblock superblock_;
  Geometry geometry_;
  SlotTable slots_;
  BlockMap map_;
  LogWriter writer_;
  Catalog catalog_;
  Cleaner cleaner_;
  ColdTier tier_;
  ReadCache cache_;
  Scrubber scrubber_;
  Sequence next_sequence_ = 1;
  std::unordered_map<uint32_t, Sequence> log_ends_;  // by group
  uint64_t pending_blocks_ = 0;                      // user data on its way into the log
  const uint64_t memory_max_bytes_;                  // 0: memory_needed()
  uint64_t pending_memory_ = 0;                      // by which the map may grow for those
  bool memory_full_said_ = false;
  uint64_t repaired_blocks_ = 0;
  uint64_t snapshots_dropped_ = 0;  // how often keep_snapshots() did
  uint64_t user_blocks_ = 0;        // made durable since open
  uint32_t requests_ = 0;           // in flight
  bool closing_ = false;
  bool closed_ = false;
  bool dropping_ = false;
  Turn views_turn_;    // of what changes the volumes and their views
  Turn devices_turn_;  // of HDDs that are being added: their slots come in the order of the catalog
  WaitList idle_;      // close() waits here for the requests
  WaitList space_;     // space_freed() waits here
  TaskGroup tasks_;
};

}  // namespace varve
