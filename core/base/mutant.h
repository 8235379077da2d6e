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
  kTakeLaterCopy,             // of a moved block's copies take the one in the later segment
  kDropTrimMemory,            // forget a trim when its segment is cleaned
  kStopAtFirstDamagedBatch,   // take damage for the torn end of the log
  kForgetSlotGeneration,      // accept batches of a slot's former life
  kDropMarkAtDemotion,        // forget a trim though an HDD holds what it hides
  kReuseColdSlotEarly,        // write to an HDD's slot while its index is in force
  kDropHidingMark,            // forget a trim though a snapshot shows what it hides
  kMixGenerations,            // overwrite what a snapshot shows where the leaf has several
  kForgetPendingSnapshot,     // let writes overwrite what a snapshot that is being taken shows
  kSnapshotWithoutDrain,      // a snapshot does not wait for writes that belong to it
  kCutVolumesApart,           // the volumes of a group snapshot are cut one after the other
  kGrowBeforeDurable,         // answer that a volume has grown before that is durable
  kCacheWithoutGeneration,    // find in the read cache what an HDD's slot held in a former life
  kKeepTakenCacheSlot,        // find in the read cache what lay where a stream writes now

  // Of the replication protocol (docs/replication.md):
  kLearnerAdoptsPosition,     // a learner takes over positions before it is admitted
  kAdmitEarly,                // admit a learner that lacks something
  kAcknowledgeWithoutMember,  // answer while an in-sync member does not have it
  kIgnoreAttachGeneration,    // let an older attach generation write
  kKeepEpochOnRestart,        // a primary goes on in the epoch that it had before it restarted
  kSkipLeaseCheck,            // answer reads without a lease
  kRepairUnderOldNumber,      // settle under the number that the block has
  kSkipSettlement,            // serve without settling blocks in doubt
  kResendOutOfOrder,  // let an operation overtake one that it overlaps and that is sent again
  kForgetGraceTime,   // take over without waiting for leases that were granted
  kTrustReadAfterUnknownCas,  // a read that does not show a change proves that it failed
  kAcceptFormerOffice,        // serve operations that were sent to an earlier primaryship
  kCutWithoutDrain,           // cut a snapshot while writes are under way
  kCutVolumesOneByOne,        // let one volume write again before the next one is cut
  kForgetOldGenerations,      // bring a learner only the newest version of each block
  kSettleInNewest,            // settle a block in the newest generation instead of its own
  kFenceWithoutSnapshots,     // a member does not hear of snapshots
  kTakeUnheardGeneration,     // a member takes blocks of a generation that it was not told of
  kDropUnlistedSnapshots,     // give up snapshots that the record, as it was seen, does not have
};

// Set by the test, once, before anything runs.
extern Mutant active_mutant;

}  // namespace varve

#define VARVE_MUTANT(name) (::varve::active_mutant == ::varve::Mutant::name)
#else
#define VARVE_MUTANT(name) false
#endif
