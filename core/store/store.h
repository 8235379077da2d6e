// Store: one disk group put together, and the embeddable engine.
//
// A store holds volumes of 4 KiB blocks in a log on one device. Every write, trim and zeroing that
// returned kOk is on stable media: no crash, kill or power cut loses it. A read returns the last
// acknowledged value of each block or that of a write still in flight, never an older one; blocks
// whose bytes fail their checksum answer kDamaged. Requests on the same block that overlap in time
// may take effect in either order, the same for ever.
//
// Thread rule: every call from the shard's thread. Tasks must be awaited to their end.
// Ownership: runtime and device are borrowed and must outlive the store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/device/block_device.h"
#include "core/format/catalog_record.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/tiering/read_cache_stats.h"

namespace varve {

struct FormatOptions {
  // Names the disk group. Zero: drawn at random. Never one that the device had before: what an
  // earlier store with the same name left behind would pass for this one's.
  Uuid disk{};
  // The cluster that the disk group will belong to; zero: none, a store on its own.
  Uuid cluster{};
  uint32_t segment_bytes = 64 * 1024 * 1024;  // power of two, 64 KiB to 256 MiB
  // Whether blocks are kept apart by how often they were moved; not with fewer than 13 slots. By
  // default where the two slots that it takes are few of all: from 128 on.
  std::optional<bool> keep_moves_apart;
  // Told (done, total) slots while formatting. May be empty.
  std::function<void(uint64_t, uint64_t)> progress;
};

// An HDD that is being added to a disk group.
struct ColdFormatOptions {
  // Names the device. Zero: drawn at random.
  Uuid device{};
};

struct StoreOptions {
  // The HDDs of the disk group, in any order; borrowed like the SSD.
  std::vector<BlockDevice*> cold_devices;
  // Batches of one stream between submission and completion. More hide device latency; one makes
  // every flush visible to the kernel's counters.
  uint32_t batches_in_flight_max = 2;
  // What map, slot table and the read cache's index may take together. Writes that would take them
  // further find no space. 0: what is enough for every load that fills its leaves.
  uint64_t memory_max_bytes = 0;
  // Told (done, total) slots while recovering. May be empty.
  std::function<void(uint64_t, uint64_t)> progress;
};

struct VolumeInfo {
  VolumeId id{};
  std::string name;
  uint64_t size_bytes = 0;   // a multiple of 4 KiB
  uint64_t used_bytes = 0;   // blocks that hold data, those that only its snapshots see included
  std::string wrapping_key;  // its name; empty: the volume is not encrypted
  VolumeTier tier = VolumeTier::kAuto;
};

// The data key of an encrypted volume. A volume and all its clones share blocks, and so this.
struct VolumeKey {
  VolumeId family{};  // the volume, or the one that it was cloned from in the first place
  WrappedKey wrapped;
};
// Makes a new volume's data key and wraps it, once the volume's id is known.
using KeyWrapper = std::function<Result<WrappedKey>(VolumeId volume)>;
// The same data key, wrapped otherwise.
using KeyRewrapper = std::function<Result<WrappedKey>(const VolumeKey& now)>;

struct SnapshotInfo {
  VolumeId volume{};
  std::string name;
  Generation generation = 0;  // as a view: VolumeView{volume, generation}
  uint64_t size_bytes = 0;    // of the volume at that time
  uint64_t created_seconds = 0;
};

// The space of one view of a volume, in blocks that hold data. Exact.
struct ViewSpace {
  uint64_t used_bytes = 0;       // what it shows, whoever shows it too
  uint64_t exclusive_bytes = 0;  // what no other view of the volume shows: deletion frees it
};

struct SnapshotRequest {
  VolumeId volume{};
  std::string name;
};

// A run of blocks that are alike.
struct BlockStatusRun {
  uint64_t block_count = 0;
  bool data = false;  // false: reads as zeroes, takes no space
};

// Of the checks in the background, since open.
struct ScrubStats {
  uint64_t passes_done = 0;
  uint64_t checked_blocks = 0;
  uint64_t bad_blocks = 0;        // found, whatever became of them
  uint64_t skipped_slots = 0;     // what lies in them could not be told
  uint64_t slots_left = 0;        // of the pass under way; 0: there is none
  uint64_t bytes_per_second = 0;  // of it
};

struct StoreStats {
  uint64_t slot_count = 0;  // of the SSD
  uint64_t free_slot_count = 0;
  uint64_t cold_device_count = 0;  // HDDs
  uint64_t cold_slot_count = 0;    // of all of them
  uint64_t free_cold_slot_count = 0;
  uint64_t hot_capacity_blocks = 0;     // of the SSD: what is above some two thirds of this sinks
  uint64_t hot_live_blocks = 0;         // on the SSD
  uint64_t demoted_blocks_written = 0;  // SSD to HDD, since open
  uint64_t packed_blocks_written = 0;   // HDD to HDD, since open
  uint64_t capacity_blocks = 0;         // data blocks that the slots left after reserves can hold
  uint64_t live_blocks = 0;
  uint64_t pending_blocks = 0;  // user data on its way into the log
  // A write that would take live and pending blocks above this gets kNoSpace (95 %).
  uint64_t write_limit_blocks = 0;
  uint64_t damaged_blocks = 0;  // known to be damaged; reads answer kDamaged
  uint64_t repaired_blocks = 0;
  ScrubStats scrub;
  ReadCacheStats read_cache;
  // Since open:
  uint64_t user_blocks_written = 0;
  uint64_t relocated_blocks_written = 0;
  uint64_t header_blocks_written = 0;  // batch and segment headers
  uint64_t footer_blocks_written = 0;
  uint64_t group_commit_count = 0;  // user batches made durable
  uint64_t device_write_count = 0;
  uint64_t segments_cleaned = 0;
  // Memory: what the map takes, with the slot table and read_cache.memory_bytes all that counts;
  // what they may take together; and what would be enough for every load that fills its leaves.
  uint64_t map_bytes = 0;
  uint64_t slot_table_bytes = 0;
  uint64_t log_buffer_bytes = 0;  // beside that: two batches for each stream that ever needed them
  uint64_t memory_max_bytes = 0;
  uint64_t memory_needed_bytes = 0;
  uint64_t memory_max_blocks = 0;  // that find room in it whatever their order, if leaves are full
  bool sinking = false;  // the SSD is full enough that blocks sink, as far as HDDs have room
  bool failed = false;   // a device write failed: reads only

  uint64_t memory_bytes() const { return map_bytes + slot_table_bytes + read_cache.memory_bytes; }
};

// One device of the disk group.
struct DeviceStats {
  const BlockDevice* device = nullptr;  // as the store was given it
  Uuid id{};                            // what its superblock says
  bool cold = false;                    // an HDD
  uint32_t segment_bytes = 0;
  uint64_t slot_count = 0;
  uint64_t free_slot_count = 0;  // hold nothing
  uint64_t capacity_blocks = 0;  // data blocks that fit after reserves
  uint64_t live_blocks = 0;
  bool failed = false;  // a write to it failed: the disk group only reads
};

// Who wrote a block, and when, in a cluster: the replication group's number for the operation.
struct GroupStamp {
  GroupId group{};
  Sequence sequence = 0;
  // Settlement, repair and catch-up may use room that is refused to clients.
  bool reserved_room = false;
  Generation generation = 0;  // of the volume, that the blocks are written in
};

// How the generations of a volume hang together, and which of them are snapshots: what every member
// of its groups must know before it takes a block of the newest one. Names are the cluster's.
struct VolumeHistory {
  LineageRecord lineage;
  std::vector<SnapshotRecord> snapshots;
};

// The blocks of a range in one generation of a volume.
struct VersionRange {
  VolumeId volume{};
  Generation generation = 0;
  BlockRange range;

  VolumeView view() const { return {volume, generation}; }
  bool overlaps(const VersionRange& other) const {
    return volume == other.volume && generation == other.generation &&
           range.first < other.range.end() && other.range.first < range.end();
  }
};

// A version of a block whose bytes are bad, and where they lie.
struct BadBlock {
  VolumeId volume{};
  Generation generation = 0;
  GroupId group{};  // zero: of no group
  uint64_t block = 0;
  Sequence sequence = 0;
  uint32_t crc = 0;  // of what they should be
  uint32_t slot = 0;
  uint32_t position = 0;
};

struct BlockVersion {
  enum class Kind : uint8_t { kNone, kData, kZero, kDamaged };
  Kind kind = Kind::kNone;
  uint32_t crc = 0;       // of data
  Sequence sequence = 0;  // 0: never written
  // Where it stands: of a clone's block maybe in what it was cloned from.
  VolumeId volume{};
  Generation generation = 0;

  bool operator==(const BlockVersion&) const = default;
};

// Versions of blocks that were written in one operation.
struct ChangedBlocks {
  VolumeId volume{};
  BlockRange range;
  Sequence sequence = 0;
  Generation generation = 0;

  VersionRange versions() const { return {volume, generation, range}; }
};
struct ChangedPage {
  std::vector<ChangedBlocks> runs;
  // Where to go on; volume 0: that was all.
  VolumeId next_volume{};
  uint64_t next_block = 0;
};

class StoreCore;  // the rooms behind the door; see store_core.h

class Store {
 public:
  // Writes an empty store over the whole device. What was there is lost.
  // kInvalidArgument: the device is too small (the message says how large it must be).
  static Task<Status> format(Runtime& runtime, BlockDevice& device, FormatOptions options);

  // Recovers the store from its own devices. kNotFound: an HDD of it is missing; kNotFormatted,
  // kNewerFormat, kDamaged (something that recovery cannot do without is unreadable; nothing was
  // written), kIoError.
  static Task<Result<std::unique_ptr<Store>>> open(Runtime& runtime, BlockDevice& device,
                                                   StoreOptions options);
  ~Store();

  // Makes `device`, whose content is lost, an HDD of the disk group: what is cold sinks to it from
  // now on, and every later open needs it. Borrowed like the SSD. kInvalidArgument: too small (the
  // message says how large it must be), there are too many, or the volumes with tier kSsd would not
  // stay on the SSD beside it: not so in a cluster, whose records say the tiers, and whose node
  // makes some of them auto then. Durable when this ends.
  Task<Status> add_cold_device(BlockDevice& device, ColdFormatOptions options);
  // What it would refuse a device of that size for; writes nothing.
  Status check_cold_device(uint64_t device_bytes) const;

  // Waits for requests in flight, then seals the open segments so that the next open is quick. Ends
  // also when the device fails everything. No call may follow but the destructor, which requires
  // it.
  Task<Status> close();

  // `size_bytes` is rounded up to 4 KiB. Names: 1-255 bytes of [A-Za-z0-9._-], first a letter or
  // digit. kAlreadyExists, kInvalidArgument, kNoSpace (the pool is over 80 % full). With `wrap` the
  // volume is encrypted: the store keeps the wrapped key, made durable with the volume or not at
  // all, and its callers do the rest, for it sees ciphertext only. An error of `wrap` is handed on.
  // `tier`: as set_volume_tier(), with its errors.
  Task<Result<VolumeInfo>> create_volume(std::string name, uint64_t size_bytes,
                                         KeyWrapper wrap = {}, VolumeTier tier = VolumeTier::kAuto);
  bool is_encrypted(VolumeId id) const;
  // kNotFound: there is no such volume, or it is not encrypted.
  Result<VolumeKey> volume_key(VolumeId id) const;
  // Replaces the wrapped key of the volume and of all that share it, in one change that is durable
  // when this ends. kNotFound, and the errors of `rewrap`, which is called at most once.
  Task<Status> rewrap_key(VolumeId id, KeyRewrapper rewrap);
  // Grows it; `size_bytes` is rounded up to 4 KiB. The same size is fine. kInvalidArgument: it
  // would shrink, or be too large, also for a volume with tier kSsd; kNotFound.
  Task<Result<VolumeInfo>> resize_volume(VolumeId id, uint64_t size_bytes);
  // Where its blocks are kept from now on, where the disk group has HDDs. What lies on an HDD
  // already comes back by being written, not before; what it shares with a clone follows the one
  // that wrote it. Nothing is written where the volume has this tier. kInvalidArgument: the volumes
  // with kSsd would have more bytes together than stay on the SSD. kNotFound.
  Task<Result<VolumeInfo>> set_volume_tier(VolumeId id, VolumeTier tier);
  VolumeTier volume_tier(VolumeId id) const;
  // What set_volume_tier() would refuse.
  Status check_volume_tier(VolumeId id, VolumeTier tier) const;
  // What create_volume() would refuse because of the tier.
  Status check_new_tier(uint64_t size_bytes, VolumeTier tier) const;
  // kBusy: it has snapshots. What clones of it still show is kept for them.
  Task<Status> delete_volume(VolumeId id);
  Result<VolumeInfo> find_volume(std::string_view name) const;
  std::vector<VolumeInfo> volumes() const;  // by name

  // Snapshots of several volumes at one instant: each holds all writes that were acknowledged
  // before the call, none that was asked for after it has ended, and of those between, if one, then
  // all that were acknowledged before that one was asked for. All are made, or none. Takes no space
  // and does not hold writers up. Names: as for volumes, unique in their volume. kAlreadyExists,
  // kNotFound, kInvalidArgument, kNoSpace (the pool is over 80 % full, or too many snapshots).
  Task<Result<std::vector<SnapshotInfo>>> create_snapshots(std::vector<SnapshotRequest> requests);
  // Any one, in any order; the space that only it held comes back by itself. kNotFound.
  Task<Status> delete_snapshot(VolumeId id, std::string name);
  Result<SnapshotInfo> find_snapshot(VolumeId id, std::string_view name) const;
  std::vector<SnapshotInfo> snapshots(VolumeId id) const;  // oldest first
  // The volume becomes what the snapshot is; its size and all its snapshots, later ones too, stay.
  // Writes that overlap in time may be lost. kNotFound, kNoSpace (too many roll-backs).
  Task<Status> roll_back(VolumeId id, std::string snapshot);
  // A new volume with the content of a snapshot, without copying; `size_bytes` (0: that of the
  // snapshot) may be larger, not smaller; without `tier` it has that of the volume. As
  // create_volume(), and kNotFound.
  Task<Result<VolumeInfo>> clone_volume(VolumeId id, std::string snapshot, std::string name,
                                        uint64_t size_bytes, std::optional<VolumeTier> tier = {});
  // Walks through the volume's map, an extent at a time, others in between. kNotFound.
  Task<Result<ViewSpace>> view_space(VolumeView view);
  // Appends runs that cover the range: data means that the block may read differently in the two
  // views. kInvalidArgument: they are not of one volume.
  Task<Status> changed_blocks(VolumeView before, VolumeView after, BlockRange range,
                              std::vector<BlockStatusRun>* runs);

  // Ranges must lie inside the volume (kInvalidArgument otherwise; kNotFound for a deleted volume).
  // `data` holds count * 4 KiB and `crcs` one CRC-32C per block; both must stay valid and unchanged
  // until the task ends. Data that is 4 KiB-aligned is written without a copy when it is large.
  // kNoSpace: the store is full even after cleaning, or the map at its budget of memory; nothing
  // was written.
  Task<Status> write(VolumeId id, BlockRange range, const std::byte* data, const uint32_t* crcs);
  // `out` must be 4 KiB-aligned. Blocks never written, trimmed or zeroed read as zeroes.
  // kDamaged: at least one block fails its checksum; `out` is then unspecified.
  Task<Status> read(VolumeView view, BlockRange range, std::byte* out);
  // Afterwards the range reads as zeroes and takes no space. Works on a full store.
  Task<Status> trim(VolumeId id, BlockRange range);
  // Appends runs that cover the range, neighbours merged.
  Status block_status(VolumeView view, BlockRange range, std::vector<BlockStatusRun>& runs) const;

  // Everything that is live is read and checked, again and again, a pass in about `pass_seconds`,
  // though not slower than 1 MiB/s; 0, as after open: never. The first begins at once.
  void scrub_every(uint64_t pass_seconds);
  // A pass from now on, at this rate; one that is under way goes on to become it.
  void scrub_now(uint64_t bytes_per_second);
  // Whoever can mend them is told of each bad block that a pass meets, one at a time, and again
  // every few seconds until it is mended or gone (true). Empty: nobody.
  using Healer = std::function<Task<bool>(BadBlock)>;
  void set_healer(Healer healer);
  // What another copy holds, 4 KiB-aligned, is written where the bad bytes are: no number changes.
  // Counted as repaired. kInvalidArgument: the checksum is another; kNotFound: that version does
  // not lie there any more; kIoError, kDamaged: the device did not take it.
  Task<Status> heal(BadBlock bad, const std::byte* data);

  // Ends when space may have become free (or the store is closing): try the write again.
  Task<void> space_freed();

  StoreStats stats() const;
  // The SSD, then the HDDs in the order in which they were added. Walks through the HDDs' slots.
  std::vector<DeviceStats> devices() const;
  const Uuid& disk() const;
  const Uuid& cluster() const;  // zero: none

  // As a member of replication groups (docs/replication.md). The store keeps what it is told; the
  // protocol is its caller's.

  // Ends when it is durable. kStale: a newer epoch is durable. kInvalidArgument: no group, or an
  // epoch of more than 24 bits. Positions never fall.
  Task<Status> put_group(MemberState group);
  std::vector<MemberState> groups() const;
  // The volume (added when it is not there), its snapshots and generations, and the attach
  // generation of its blocks in one group. Ends when all is durable. Snapshots are only added.
  // kStale: a newer attach generation is durable; kNoSpace: too many snapshots.
  Task<Status> put_fence(AttachFence fence, VolumeRecord volume, VolumeHistory history = {});
  uint64_t fence(GroupId group, VolumeId volume) const;  // 0: none
  bool has_volume(VolumeId id) const;
  VolumeHistory history(VolumeId id) const;
  // What the volume's writes carry; 0 also where it is not known.
  Generation newest_generation(VolumeId id) const;
  bool has_view(VolumeView view) const;
  // What the volume is a clone of; 0: of nothing.
  VolumeId base_of(VolumeId id) const;
  // Drops the snapshots of generations below `below` that are not in `kept`. kNotFound.
  Task<Status> keep_snapshots(VolumeId id, Generation below, std::vector<Generation> kept);
  // Raised whenever keep_snapshots() has dropped something.
  uint64_t snapshots_dropped() const;
  std::vector<AttachFence> fences() const;
  std::vector<VolumeRecord> volume_records() const;

  // As write(); the range lies in one extent. Of one generation the higher number wins, whatever
  // comes first. kNotFound also: the generation is newer than what put_fence() told.
  Task<Status> write_as(GroupStamp stamp, VolumeId id, BlockRange range, const std::byte* data,
                        const uint32_t* crcs);
  // The whole range reads as zeroes from this number on; remembered also where nothing was written.
  Task<Status> zero_as(GroupStamp stamp, VolumeId id, BlockRange range);
  // As read(), of what the generation shows, whether or not it is a snapshot.
  Task<Status> read_generation(VersionRange what, std::byte* out);
  // The parts of the range that a trim must name: they hold something.
  std::vector<BlockRange> used_ranges(VolumeId id, BlockRange range) const;

  // Another member's copy has replaced a damaged block.
  void count_repair();

  // Whether a write_as() without reserved_room of this range that starts now finds room.
  bool has_room(BlockRange range) const;

  // Highest number that the log has of the group.
  Sequence log_end(GroupId group) const;
  // Versions of the group's blocks with a number above `after`, of all generations that something
  // shows, from (volume, block) on; ends with the first block that brings it to `runs_max` runs.
  ChangedPage changed(GroupId group, Sequence after, VolumeId volume, uint64_t block,
                      size_t runs_max) const;
  // What each block of the range is in exactly this generation.
  std::vector<BlockVersion> versions(VersionRange what) const;
  // What the view shows of each block, whether or not it is a snapshot; a read that is awaited
  // next, without anything in between, returns these versions.
  std::vector<BlockVersion> seen(VolumeView view, BlockRange range) const;
  // Whether a version of the block in this generation would be shown by anything.
  bool is_shown(VolumeId id, Generation generation, uint64_t block) const;

 private:
  explicit Store(std::unique_ptr<StoreCore> core);
  std::unique_ptr<StoreCore> core_;
};

}  // namespace varve
