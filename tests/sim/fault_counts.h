// FaultCounts: how often each thing the oracle must have met was met. A kind never hit fails the
// run: a fault that is not injected proves nothing.
//
// Thread rule: plain values. They live in memory shared between processes, so no pointers here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace varve {

enum class Fault : uint8_t {
  kTornWrite,         // a run of the sectors of an unstable write was lost: its front or its back
  kPartialSubset,     // any subset of its sectors was lost
  kDroppedUnflushed,  // all of it was lost
  kKeptUnflushed,     // all of it survived without having been acknowledged
  kBitFlip,           // in a durable block
  kDroppedDurableBatch,    // an acknowledged batch that something durable names is gone
  kKilled,                 // only the process died: the disk's cache lived on
  kPowerCutAfterRecovery,  // what was served must still be there
  kDeviceFailed,           // a write ended with an error
  kCrashInRecovery,
  kCrashInCleaning,  // moved blocks were in flight
  kCrashInSinking,   // blocks were on their way to the HDD
  kCrashWithColdBlocks,
  kCrashWithCachedBlocks,  // in slots that count as free
  kReadFromCache,
  kCrashInClose,
  kCrashWhenIdle,     // nothing in flight: everything acknowledged must be there
  kCrashAfterDamage,  // a later life of a damaged store
  kStaleSlot,         // blocks of a slot's former life lay behind the end of the log
  kSlotReused,        // the store had wrapped
  kDamagedAnswered,   // reads of damaged blocks said so
  kRefusedToServe,    // open() said kDamaged, and wrote nothing
  kNoSpaceAnswered,
  kPendingSurvived,   // a write that was never acknowledged was found complete
  kPendingLost,       // and one was found gone
  kTrimCrossedCrash,  // a trimmed block was read back as zeroes after a crash
  kVolumeCreatedInFlight,
  kVolumeDeletedInFlight,
  kSnapshotInFlight,    // of one volume or several
  kSnapshotWithWrites,  // made while writes of its volumes were in flight
  kRolledBack,
  kCloned,
  kGrown,
  kTierSet,
  kScrubbed,              // to the end, beside everything else
  kSnapshotCrossedCrash,  // one was read in full after a crash
  kCount,
};

inline constexpr size_t kFaultCount = static_cast<size_t>(Fault::kCount);

const char* fault_name(Fault fault);

struct FaultCounts {
  std::array<uint64_t, kFaultCount> hits{};

  void add(Fault fault, uint64_t count = 1) { hits[static_cast<size_t>(fault)] += count; }
  uint64_t of(Fault fault) const { return hits[static_cast<size_t>(fault)]; }
  void add(const FaultCounts& other) {
    for (size_t i = 0; i < kFaultCount; ++i) hits[i] += other.hits[i];
  }
};

}  // namespace varve
