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
    kVolumeSet,
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
    kDiskScrub,
    kClusterInit,
    kClusterMoveMetadata,
    kNodeList,
    kAttach,
    kDetach,
    kStatus,
    kCertInit,
    kCertIssue,
    kCertShow,
  };

  Action action = Action::kHelp;
  std::string help;             // for kHelp
  std::string not_built;        // for kNotBuilt: "top", "disk remove"
  std::string config_path;      // empty: the default one, if it is there
  std::string new_config_path;  // cluster move-metadata
  std::string endpoint;         // empty: from the config
  std::string ca_file;          // of the admin API; empty, all four: from the config
  std::string cert_file;
  std::string key_file;
  std::string token_file;
  bool json = false;
  std::string name;                // of the volume, snapshot, or disk group (or its path); cert
  std::vector<std::string> names;  // snapshot create; cert issue: hosts
  std::string other;       // volume clone: the new volume; snapshot changes: until; cert issue: out
  std::string disk_group;  // volume create, resize, set, delete
  std::string tier;        // volume create, set, clone; empty: none was given
  uint64_t size_bytes = 0;
  uint64_t segment_bytes = 0;
  bool wipe = false;
  std::string hdd;              // disk add
  uint64_t hdd_size_bytes = 0;  // disk add
  uint32_t copies = 0;          // volume create, cluster init; 0: the default
  bool force = false;           // attach, detach, cert
  bool encrypted = false;       // volume create
  std::string wrapping_key;     // volume create, rewrap
  std::string role;             // cert issue
  std::string folder;           // cert init, issue: of the authority
  uint32_t days = 0;            // cert init, issue
};

// `words` without the program's name.
Result<Command> parse_command(std::span<const std::string> words);

}  // namespace varve
