// The command line of varve, parsed. CLI11 stays in command.cc.
//
// Errors: kInvalidArgument with what is wrong and how it is meant: exit 2.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace varve {

struct Command {
  enum class Action : uint8_t {
    kHelp,
    kVersion,
    kNotBuilt,
    kVolumeCreate,
    kVolumeList,
    kVolumeShow,
    kVolumeResize,
    kVolumeRewrap,
    kVolumeDelete,
    kVolumeClone,
    kSnapshotCreate,
    kSnapshotList,
    kSnapshotShow,
    kSnapshotDelete,
    kSnapshotRollback,
    kSnapshotChanges,
    kDiskAdd,
    kDiskList,
    kClusterInit,
    kClusterMoveMetadata,
    kNodeList,
    kAttach,
    kDetach,
    kStatus,
  };

  Action action = Action::kHelp;
  std::string help;             // for kHelp
  std::string not_built;        // for kNotBuilt: "top", "volume set"
  std::string config_path;      // empty: the default one, if it is there
  std::string new_config_path;  // cluster move-metadata
  std::string endpoint;         // empty: from the config
  bool json = false;
  std::string name;                // of the volume, snapshot, or disk group (or its path)
  std::vector<std::string> names;  // snapshot create
  std::string other;               // volume clone: the new volume; snapshot changes: until
  std::string disk_group;          // volume create, resize, delete
  uint64_t size_bytes = 0;
  uint64_t segment_bytes = 0;
  bool wipe = false;
  uint32_t copies = 0;       // volume create, cluster init; 0: the default
  bool force = false;        // attach, detach
  bool encrypted = false;    // volume create
  std::string wrapping_key;  // volume create, rewrap
};

// `words` without the program's name.
Result<Command> parse_command(std::span<const std::string> words);

}  // namespace varve
