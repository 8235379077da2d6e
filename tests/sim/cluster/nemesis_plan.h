// NemesisPlan: what one seed's run is made of: how many nodes, clients and volumes, which faults
// are on, and how strong each is. Every fault class is on with probability 0.6, its strength
// uniform.
//
// Thread rule: plain values. Units: nanoseconds of the loop's time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/sim/cluster/sim_metadata.h"
#include "tests/sim/cluster/sim_network.h"
#include "tests/sim/sim_device.h"

namespace varve {

enum class FaultClass : uint8_t {
  kKill,
  kPowerCut,
  kAllPowerCut,
  kCrashLoop,  // a node dies again while it starts
  kPause,
  kTwoWayPartition,
  kOneWayPartition,
  kBreak,
  kLate,
  kStall,
  kBusy,
  kBuffersMissing,
  kConnectFail,
  kLinger,
  kClockRate,
  kSlowDevice,
  kMetadataUnknown,
  kMetadataUnavailable,
  kMetadataSlow,
  kMetadataStale,
  kWatchLost,
  kMetadataPartition,
  kMigrate,   // not a fault: volumes are attached elsewhere though nothing is wrong
  kHandOver,  // nor is this: a node gives its offices to others
  kCount,
};
inline constexpr size_t kFaultClassCount = static_cast<size_t>(FaultClass::kCount);

const char* fault_class_name(FaultClass fault);

struct NemesisPlan {
  uint32_t node_count = 3;
  uint32_t volume_count = 1;
  uint32_t volume_blocks = 8;
  uint32_t depth = 4;  // operations under way per volume
  uint32_t op_blocks_max = 1;
  uint32_t read_percent = 40;
  uint32_t trim_percent = 5;
  uint64_t think_max_ns = 20'000'000;
  bool snapshots = false;  // are taken, read and deleted
  bool tiers = false;      // of volumes change
  uint64_t safety_ns = 20'000'000'000;
  // 0: off, 1 to 1000: how strong.
  std::array<uint32_t, kFaultClassCount> strength{};

  uint32_t of(FaultClass fault) const { return strength[static_cast<size_t>(fault)]; }
  SimNetworkOptions network() const;
  SimMetadataOptions metadata() const;
  SimDeviceOptions device() const;
  uint32_t clock_spread_ppm() const { return 20 * of(FaultClass::kClockRate); }
  std::string text() const;
};

NemesisPlan draw_nemesis_plan(uint64_t seed);

}  // namespace varve
