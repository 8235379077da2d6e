// NodeVolumes: the volumes of all disk groups of this node, by name.
//
// A name means one volume on the whole node. Where it is found on two disk groups after all (one of
// them was away when the other volume was made), neither is served until one is deleted: handing
// out either of them could show a client the wrong data.
//
// Thread rule: the shard's thread. Ownership: borrows groups, table and keys; all outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/daemon/disk_group.h"
#include "core/daemon/node_status.h"
#include "core/daemon/volume_keys.h"
#include "core/runtime/task.h"
#include "core/volume/volume_table.h"

namespace varve {

struct CreateVolume {
  std::string name;
  uint64_t size_bytes = 0;
  std::string disk_group;  // empty: the one with most free space, of those that can have the tier
  uint32_t copies = 0;     // 0: the default; a node that is in no cluster has one
  bool encrypted = false;
  std::string wrapping_key;        // empty: the only one that there is
  std::optional<VolumeTier> tier;  // none: auto, or whatever one that exists has
};

struct CreatedVolume {
  VolumeStatus volume;
  bool existed = false;  // already there, with the same size
};

struct ResizeVolume {
  std::string name;
  uint64_t size_bytes = 0;
  std::string disk_group;  // where several have the name
};

struct SetVolumeTier {
  std::string name;
  VolumeTier tier = VolumeTier::kAuto;
  std::string disk_group;  // where several have the name
};

struct ChangedVolume {
  VolumeStatus volume;
  bool changed = false;  // it was not so already
};

struct CloneVolume {
  std::string snapshot;  // VOLUME@SNAPSHOT
  std::string name;
  uint64_t size_bytes = 0;         // 0: as the snapshot
  std::optional<VolumeTier> tier;  // none: as the volume
};

struct AskChanges {
  std::string since;  // VOLUME@SNAPSHOT
  std::string until;  // another one of the volume, or the volume itself
  uint64_t offset = 0;
};

// Bytes that may differ between two views of a volume.
struct ChangesPage {
  struct Run {
    uint64_t offset = 0;
    uint64_t bytes = 0;
  };
  std::vector<Run> runs;
  uint64_t next_offset = 0;  // go on here; 0: that was all
};

struct RewrapVolume {
  std::string name;
  std::string wrapping_key;
  std::string disk_group;  // where several have the name
};

class NodeVolumes final : public VolumeDirectory {
 public:
  // `table` knows which volumes are in use; it may be made after this, but before any call.
  NodeVolumes(const std::vector<std::unique_ptr<DiskGroup>>& groups, VolumeTable& table,
              const VolumeKeys& keys)
      : groups_(groups), table_(table), keys_(keys) {}

  Result<Found> find(std::string_view name) override;
  std::vector<std::string> names() override;

  // kAlreadyExists: with another size or tier, or on another disk group than asked for.
  Task<Result<CreatedVolume>> create(CreateVolume request);
  // Who has it open may use the new size at once. kInvalidArgument: it would shrink.
  Task<Result<ChangedVolume>> resize(ResizeVolume request);
  // What the store's set_volume_tier() says.
  Task<Result<ChangedVolume>> set_tier(SetVolumeTier request);
  // The data key of the volume and of all that share it stays; clients do not notice.
  Task<Result<VolumeStatus>> rewrap(RewrapVolume request);
  // `disk_group` may be empty. kBusy: a client has it open. Returns what was deleted.
  Task<Result<VolumeStatus>> remove(std::string name, std::string disk_group);
  std::vector<VolumeStatus> list() const;  // by name

  // Each named VOLUME@SNAPSHOT, all of one instant; they must be on one disk group.
  Task<Result<std::vector<SnapshotStatus>>> create_snapshots(std::vector<std::string> names);
  // `volume` empty: of all. By volume, then oldest first. Without their space.
  Result<std::vector<SnapshotStatus>> snapshots(const std::string& volume) const;
  Task<Result<SnapshotStatus>> snapshot(std::string name);
  // kBusy: a client has it open.
  Task<Result<SnapshotStatus>> delete_snapshot(std::string name);
  // kBusy: a client has the volume open.
  Task<Result<VolumeStatus>> roll_back(std::string name);
  Task<Result<VolumeStatus>> clone(CloneVolume request);
  Task<Result<ChangesPage>> changes(AskChanges request);

 private:
  struct Place {
    DiskGroup* group = nullptr;
    VolumeInfo info;
  };
  // A snapshot and where it is; `view.generation` is kHead for the volume itself.
  struct ViewPlace {
    Place place;
    std::string snapshot;
    VolumeView view;
    uint64_t size_bytes = 0;
  };
  class NameHold;

  // VOLUME@SNAPSHOT, or VOLUME.
  Result<ViewPlace> view_of(const std::string& name) const;
  Result<ViewPlace> snapshot_of(const std::string& name) const;
  SnapshotStatus snapshot_status(const Place& place, const SnapshotInfo& info) const;
  std::vector<Place> places_of(std::string_view name) const;
  // The one that is meant; kNotFound, kInvalidArgument: there are several.
  Result<Place> place_of(const std::string& name, const std::string& disk_group) const;
  Status not_found(std::string_view name) const;
  static Status check_existing(const CreateVolume& request, const Place& place);
  Result<DiskGroup*> group_for(const CreateVolume& request) const;
  VolumeStatus status_of(const Place& place) const;

  const std::vector<std::unique_ptr<DiskGroup>>& groups_;
  VolumeTable& table_;
  const VolumeKeys& keys_;
  std::set<std::string, std::less<>> held_names_;  // being created, deleted or rolled back
};

// Keeps other requests away from a name while its volume comes, goes or is rolled back.
class NodeVolumes::NameHold {
 public:
  NameHold(NodeVolumes& volumes, const std::string& name)
      : volumes_(volumes), place_(volumes.held_names_.insert(name).first) {}
  ~NameHold() { volumes_.held_names_.erase(place_); }
  NameHold(const NameHold&) = delete;
  NameHold& operator=(const NameHold&) = delete;

 private:
  NodeVolumes& volumes_;
  std::set<std::string, std::less<>>::iterator place_;
};

}  // namespace varve
