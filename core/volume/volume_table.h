// VolumeTable: the volumes that clients of one shard have open, over all its services.
//
// All openings of a volume share one VolumeShare, so that read-modify-writes exclude each other
// whichever service or connection they come from.
//
// Thread rule: one shard's thread. Ownership: runtime and directory (and the stores that it finds)
// are borrowed. End of life: end_waits(); services stop and their hosts drain; stores close; await
// drained(); then the table may go.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "core/base/error.h"
#include "core/base/ids.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/volume/buffer_pool.h"
#include "core/volume/encrypted_backend.h"
#include "core/volume/limits.h"
#include "core/volume/space_gate.h"
#include "core/volume/volume.h"

namespace varve {

struct VolumeOpening {
  bool read_only = false;
  bool force = false;  // also from another node that holds it
};

// Opens volumes that are in no store of this node alone: those of a cluster.
class VolumeOpener {
 public:
  virtual ~VolumeOpener() = default;
  virtual Task<Result<std::shared_ptr<VolumeShare>>> open(std::string name, bool force) = 0;
};

// Where volumes are found by name; the daemon implements it over its disk groups.
class VolumeDirectory {
 public:
  struct Found {
    Store* store = nullptr;
    VolumeId id{};
    uint64_t size_bytes = 0;
    Generation generation = kHead;        // of a snapshot, which is only read
    std::shared_ptr<BlockCipher> cipher;  // null: the volume is not encrypted
    VolumeOpener* opener = nullptr;       // when set, it knows the rest
  };

  virtual ~VolumeDirectory() = default;
  // kNotFound, or why the volume is not served (kDamaged, kClosed, ...).
  virtual Result<Found> find(std::string_view name) = 0;
  virtual std::vector<std::string> names() = 0;
};

class VolumeTable {
 public:
  VolumeTable(Runtime& runtime, VolumeDirectory& directory)
      : runtime_(runtime), directory_(directory) {}

  // The errors of directory and opener; kClosed after end_waits().
  Task<Result<std::shared_ptr<Volume>>> open(std::string name, VolumeOpening how);
  std::vector<std::string> names() { return directory_.names(); }

  // It has grown: who has it open may use the new size.
  void grown(const Store& store, VolumeId id, uint64_t size_bytes);
  // True while somebody has the volume (or snapshot) open or a request on it is still in flight.
  bool in_use(const Store& store, VolumeView view) const;
  // Writes that wait because the store is full.
  uint64_t waiting_for_space_count(const Store& store) const;

  // Shutdown: writes that wait for space end with kClosed; nothing more is opened.
  void end_waits();
  // Ends when no store is listened to: after end_waits() and Store::close() of each store.
  Task<void> drained();

 private:
  using Key = std::tuple<const Store*, VolumeId, Generation>;
  std::shared_ptr<VolumeShare> share_of(const VolumeDirectory::Found& found);

  Runtime& runtime_;
  VolumeDirectory& directory_;
  BufferPool ciphertexts_{UINT64_MAX, kCiphertextCacheBytesMax};  // of writes in flight
  std::map<Key, std::weak_ptr<VolumeShare>> shares_;
  std::map<const Store*, std::unique_ptr<SpaceGate>> gates_;
  bool closed_ = false;
};

}  // namespace varve
