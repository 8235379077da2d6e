// NodeVolumes: the volumes of all disk groups of this node, by name.
//
// A name means one volume on the whole node. Where it is found on two disk groups after all (one of
// them was away when the other volume was made), neither is served until one is deleted: handing
// out either of them could show a client the wrong data.
//
// Thread rule: the shard's thread. Ownership: borrows the groups and the table; both outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/daemon/disk_group.h"
#include "core/daemon/node_status.h"
#include "core/runtime/task.h"
#include "core/volume/volume_table.h"

namespace varve {

struct CreateVolume {
  std::string name;
  uint64_t size_bytes = 0;
  std::string disk_group;  // empty: the one with most free space
  uint32_t copies = 0;     // 0: the default; a node that is in no cluster has one
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

struct ResizedVolume {
  VolumeStatus volume;
  bool changed = false;  // it had another size
};

class NodeVolumes final : public VolumeDirectory {
 public:
  // `table` knows which volumes are in use; it may be made after this, but before any call.
  NodeVolumes(const std::vector<std::unique_ptr<DiskGroup>>& groups, VolumeTable& table)
      : groups_(groups), table_(table) {}

  Result<Found> find(std::string_view name) override;
  std::vector<std::string> names() override;

  // kAlreadyExists: with another size, or on another disk group than asked for.
  Task<Result<CreatedVolume>> create(CreateVolume request);
  // Who has it open may use the new size at once. kInvalidArgument: it would shrink.
  Task<Result<ResizedVolume>> resize(ResizeVolume request);
  // `disk_group` may be empty. kBusy: a client has it open. Returns what was deleted.
  Task<Result<VolumeStatus>> remove(std::string name, std::string disk_group);
  std::vector<VolumeStatus> list() const;  // by name

 private:
  struct Place {
    DiskGroup* group = nullptr;
    VolumeInfo info;
  };
  class NameHold;

  std::vector<Place> places_of(std::string_view name) const;
  // The one that is meant; kNotFound, kInvalidArgument: there are several.
  Result<Place> place_of(const std::string& name, const std::string& disk_group) const;
  Status not_found(std::string_view name) const;
  Result<DiskGroup*> group_for(const CreateVolume& request) const;
  VolumeStatus status_of(const Place& place) const;

  const std::vector<std::unique_ptr<DiskGroup>>& groups_;
  VolumeTable& table_;
  std::set<std::string, std::less<>> held_names_;  // being created or deleted
};

}  // namespace varve
