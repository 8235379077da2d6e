// SeedPlan: everything about one seed's run that is drawn at random: sizes, rates, shapes. Extremes
// are as likely as the middle; a bug that needs a tiny store or a long queue gets its seeds.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>

#include "tests/sim/sim_device.h"

namespace varve {

struct SeedPlan {
  uint32_t segment_bytes = 0;
  uint32_t slot_count = 0;
  uint32_t cold_slot_count = 0;  // of the HDD; 0: there is none
  uint32_t batches_in_flight_max = 1;
  uint32_t queue_depth = 1;
  uint32_t volume_count = 1;
  uint32_t fill_percent = 0;  // logical blocks of all volumes, in percent of the write limit
  uint32_t life_count = 1;
  uint32_t ops_per_life = 0;
  uint32_t crash_points_per_life = 0;

  // Shape of the requests.
  uint32_t write_blocks_max = 1;
  bool fixed_size = false;       // every write has write_blocks_max blocks
  uint32_t large_per_mille = 0;  // writes of 32 to 64 blocks
  uint32_t hot_per_mille = 0;    // requests that go to the first eighth of a volume
  bool sequential = false;       // writes walk through the volume
  // What they are, in parts of their sum.
  uint32_t write_weight = 0;
  uint32_t read_weight = 0;
  uint32_t trim_weight = 0;
  uint32_t status_weight = 0;
  uint32_t volume_weight = 0;     // create, delete or grow one
  uint32_t view_weight = 0;       // snapshots, roll-backs, clones
  uint32_t scrub_weight = 0;      // begin to check everything
  uint32_t tier_weight = 0;       // give a volume another tier
  bool keep_moves_apart = false;  // relocated segments, by how often their blocks were moved
  uint32_t close_percent = 0;     // lives that end with close()
  uint32_t damage_percent = 0;    // crashes that also damage something
  uint32_t recovery_crash_percent = 0;
  uint32_t device_error_percent = 0;  // lives in which one write fails

  SimDeviceOptions device;

  uint64_t ssd_bytes() const;
  uint64_t device_bytes() const;  // of SSD and HDD
  std::string text() const;
};

SeedPlan draw_plan(uint64_t seed);

// An independent stream of random numbers for part `a`, `b` of a seed's run.
uint64_t mix_seed(uint64_t seed, uint64_t a, uint64_t b = 0);

}  // namespace varve
