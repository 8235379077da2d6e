// What operations on volumes share: a volume's record by its name, and changes of it. Parts of a
// turn of a CasLoop; see there.
//
// Thread rule: one shard's thread.
#pragma once

#include <string>
#include <string_view>

#include "core/cluster/cas_loop.h"
#include "core/cluster/cluster_volume.h"

namespace varve {

using FoundVolume = Result<Versioned<ClusterVolume>>;

// The volume of this name; revision 0 when there is none. Pointers outlive the task.
Task<FoundVolume> find_volume(CasLoop* loop, std::string name);
// kNotFound, in words.
Status no_volume(std::string_view name);
// What a node is called; its id where its record cannot be read.
Task<std::string> node_words(CasLoop* loop, NodeId node);
// Adds the change of one record, on what it was.
void add_change(MetadataTransaction& transaction, const Versioned<ClusterVolume>& before,
                const ClusterVolume& after);

// The change is refused, or raises the cluster's format where that is below `version`; in a cluster
// of that format it adds nothing. The transaction outlives the task.
Task<Status> raise_format(CasLoop* loop, uint32_t version, MetadataTransaction* transaction);

}  // namespace varve
