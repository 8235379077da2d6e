// Planted bugs: each breaks one rule on purpose, so that the tests can show that they would notice.
//
// Only the crash oracle's own build of the engine (-DVARVE_MUTANTS) holds them, and a run-time
// switch picks one. Everywhere else VARVE_MUTANT(x) is the constant false and leaves nothing in the
// object.
#pragma once

#ifdef VARVE_MUTANTS

namespace varve {

enum class Mutant {
  kNone,
  kAcknowledgeBeforeDurable,  // answer when the batch is submitted
  kDropDsync,                 // write batches without waiting for stable media
  kSkipDataCrcAtReplay,       // take a batch for valid by its header alone
  kPublishOutOfOrder,         // answer a batch before the ones in front of it
  kReuseSlotEarly,            // reuse a cleaned slot before the moved blocks are durable
  kDropTrimMemory,            // forget a trim when its segment is cleaned
  kStopAtFirstDamagedBatch,   // take damage for the torn end of the log
  kForgetSlotGeneration,      // accept batches of a slot's former life
};

// Set by the test, once, before anything runs.
extern Mutant active_mutant;

}  // namespace varve

#define VARVE_MUTANT(name) (::varve::active_mutant == ::varve::Mutant::name)
#else
#define VARVE_MUTANT(name) false
#endif
