#include "tests/sim/cluster/cluster_workload.h"

#include <algorithm>

#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {

ClusterWorkload::ClusterWorkload(SimLoop& loop, SimClusterNodes& nodes, ClusterChecker& checker,
                                 const NemesisPlan& plan, const std::vector<std::string>& volumes,
                                 uint64_t seed, ClusterTrace& trace)
    : loop_(loop),
      nodes_(nodes),
      checker_(checker),
      plan_(plan),
      random_(seed ^ 0x1d4fa86b93e7c052),
      trace_(trace),
      tasks_(loop.ready()) {
  for (const std::string& name : volumes) {
    volumes_.push_back({.number = checker.add_volume(name, plan.volume_blocks), .name = name});
    volumes_.back().open.resize(nodes.size());
  }
}

void ClusterWorkload::start() {
  for (Volume& volume : volumes_) {
    for (uint32_t i = 0; i < plan_.depth; ++i) tasks_.start(worker(&volume));
    if (plan_.of(FaultClass::kMigrate) > 0) tasks_.start(impatient(&volume));
  }
  if (plan_.tiers) tasks_.start(tier_changer());
  if (!plan_.snapshots) return;
  tasks_.start(snapshotter());
  tasks_.start(snapshot_reader());
}

void ClusterWorkload::start_final_reads() {
  for (Volume& volume : volumes_) tasks_.start(final_reads(&volume));
}

Task<void> ClusterWorkload::pause(uint64_t max_ns) {
  co_await loop_.runtime().timers.until(loop_.monotonic_ns() + 1 + random_.below(max_ns));
}

Task<void> ClusterWorkload::worker(Volume* volume) {
  while (!stopping_ && failure_.empty()) {
    co_await pause(plan_.think_max_ns);
    if (stopping_) break;
    const bool migrate = random_.chance(plan_.of(FaultClass::kMigrate), 50'000);
    if (!volume->owner || migrate) {
      if (!volume->attaching) co_await attach(volume);
      continue;
    }
    const bool unaware = volume->earlier && random_.chance(1, 10);
    const Owner owner = unaware ? *volume->earlier : *volume->owner;
    co_await one_op(volume, owner);
  }
}

// Where an owner's operations hang, because its node is cut off or stopped, somebody attaches the
// volume elsewhere and writes; the former owner, which may live on, reads on.
Task<void> ClusterWorkload::impatient(Volume* volume) {
  // Or it waits until another member has taken office, maybe more than one after the other.
  const uint64_t patience_ns = (random_.chance(1, 2) ? 800 : 20'000) * kMillisecond;
  uint64_t ops_before = ops_done_;
  while (!stopping_ && failure_.empty()) {
    co_await pause(patience_ns);
    const bool hangs = volume->owner && volume->open[volume->owner->node] > 0;
    const bool idle = ops_done_ == ops_before;
    ops_before = ops_done_;
    if (stopping_ || !hangs || !idle || volume->attaching) continue;
    co_await attach(volume);
    for (int i = 0; i < 8 && volume->owner && volume->earlier && !stopping_; ++i) {
      const BlockRange range = draw_range();
      const Owner earlier = *volume->earlier;
      co_await write(volume, *volume->owner, range, false);
      // Its node may have attached anew meanwhile.
      if (!volume->earlier || volume->earlier->session != earlier.session) break;
      tasks_.start(read(volume, earlier, range));
    }
  }
}

Task<void> ClusterWorkload::tier_changer() {
  while (!stopping_ && failure_.empty()) {
    co_await pause(2000 * kMillisecond);
    Volume* const volume = &volumes_[random_.below(volumes_.size())];
    const auto node = static_cast<uint32_t>(random_.below(nodes_.size()));
    const BlockRange nothing{};
    ClientOpPtr op = new_op(*volume, ClientOp::Kind::kSetTier, nothing);
    op->tier = static_cast<VolumeTier>(random_.below(3));
    co_await nodes_[node]->perform(op);
    trace_.say("tier ", tier_name(op->tier), " of ", volume->name, " at node ", node, ": ",
               op->result.message());
  }
}

std::optional<uint32_t> ClusterWorkload::draw_node(const Volume& volume) {
  const auto first = static_cast<uint32_t>(random_.below(nodes_.size()));
  for (uint32_t i = 0; i < nodes_.size(); ++i) {
    const auto node = static_cast<uint32_t>((first + i) % nodes_.size());
    // The operations of an older session on the node would pass for the newer one's.
    if (nodes_[node]->serving() && volume.open[node] == 0) return node;
  }
  return std::nullopt;
}

Task<void> ClusterWorkload::attach(Volume* volume) {
  const std::optional<uint32_t> near = node_of_others(*volume);
  const std::optional<uint32_t> node = near ? near : draw_node(*volume);
  if (!node) co_return;
  volume->attaching = true;
  if (volume->owner && volume->owner->node == *node) volume->owner.reset();
  if (volume->earlier && volume->earlier->node == *node) volume->earlier.reset();
  const uint32_t session = checker_.begin_attach(volume->number);
  const BlockRange nothing{};
  ClientOpPtr op = new_op(*volume, ClientOp::Kind::kAttach, nothing);
  co_await perform(volume, *node, op);
  checker_.end_attach(session, op->result.ok());
  volume->attaching = false;
  trace_.say("session ", session, " attach of ", volume->name, " at node ", *node, ": ",
             op->result.message());
  if (!op->result.ok()) co_return;
  volume->earlier = volume->owner;
  volume->owner = {session, *node};
}

// Its operations fail: somebody attaches anew.
void ClusterWorkload::lost(Volume* volume, Owner owner) {
  ++ops_failed_;
  if (volume->owner && volume->owner->session == owner.session) {
    volume->earlier = volume->owner;
    volume->owner.reset();
  } else if (volume->earlier && volume->earlier->session == owner.session) {
    volume->earlier.reset();
  }
}

BlockRange ClusterWorkload::draw_range() {
  BlockRange range;
  range.count = 1 + random_.below(std::min(plan_.op_blocks_max, plan_.volume_blocks));
  range.first = random_.below(plan_.volume_blocks - range.count + 1);
  return range;
}

ClientOpPtr ClusterWorkload::new_op(const Volume& volume, ClientOp::Kind kind,
                                    BlockRange range) const {
  auto op = std::make_shared<ClientOp>();
  op->kind = kind;
  op->volume = volume.name;
  op->range = range;
  if (range.count > 0) op->data = AlignedBuffer(range.count * kBlockBytes);
  return op;
}

Task<void> ClusterWorkload::perform(Volume* volume, uint32_t node, ClientOpPtr op) {
  ++volume->open[node];
  co_await nodes_[node]->perform(op);
  --volume->open[node];
}

Task<void> ClusterWorkload::one_op(Volume* volume, Owner owner) {
  const BlockRange range = draw_range();
  const uint64_t kind = random_.below(100);
  if (kind < plan_.read_percent) {
    co_await read(volume, owner, range);
  } else {
    co_await write(volume, owner, range, kind < plan_.read_percent + plan_.trim_percent);
  }
}

Task<void> ClusterWorkload::write(Volume* volume, Owner owner, BlockRange range, bool zeroes) {
  ClientOpPtr op = new_op(*volume, zeroes ? ClientOp::Kind::kTrim : ClientOp::Kind::kWrite, range);
  const uint32_t number = checker_.begin_write(owner.session, range, zeroes);
  for (uint64_t i = 0; i < range.count; ++i) {
    fill_block({volume->number, static_cast<uint32_t>(range.first + i), number},
               op->data.data() + i * kBlockBytes);
  }
  cuts_.begin_write(number, volume->number, range, zeroes);
  co_await perform(volume, owner.node, op);
  using WriteEnd = ClusterChecker::WriteEnd;
  WriteEnd how = op->accepted ? WriteEnd::kIndeterminate : WriteEnd::kRefused;
  if (op->result.ok()) how = WriteEnd::kDone;
  cuts_.end_write(number, how == WriteEnd::kDone, how == WriteEnd::kRefused);
  std::string wrong = checker_.end_write(number, how);
  if (!wrong.empty()) fail(std::move(wrong));
  ++ops_done_;
  if (!op->result.ok()) lost(volume, owner);
}

Task<void> ClusterWorkload::read(Volume* volume, Owner owner, BlockRange range) {
  ClientOpPtr op = new_op(*volume, ClientOp::Kind::kRead, range);
  const uint32_t number = checker_.begin_read(owner.session, range);
  co_await perform(volume, owner.node, op);
  ++ops_done_;
  if (!op->result.ok()) {
    checker_.end_read_failed(number);
    if (op->result.code() == ErrorCode::kDamaged) {
      fail(text("read op ", number, ": damaged, though no disk was\n",
                checker_.history(volume->number, range.first)));
    }
    lost(volume, owner);
    co_return;
  }
  std::vector<BlockValue> values;
  std::string found;
  for (uint64_t i = 0; i < range.count; ++i) {
    const std::byte* block = op->data.data() + i * kBlockBytes;
    values.push_back(value_of(block, volume->number, static_cast<uint32_t>(range.first + i)));
    if (values.back() == kGarbageValue) found = text("  found: ", describe_block(block), "\n");
    cuts_.saw(volume->number, range.first + i, values.back());
  }
  std::string wrong = checker_.end_read(number, values);
  if (!wrong.empty()) fail(wrong + found);
}

// --- the end

Task<void> ClusterWorkload::final_reads(Volume* volume) {
  volume->owner.reset();
  volume->earlier.reset();
  while (!volume->owner && failure_.empty()) {
    co_await pause(100 * kMillisecond);
    co_await attach(volume);
  }
  for (uint64_t block = 0; block < plan_.volume_blocks; ++block) {
    if (!failure_.empty() || !volume->owner) break;
    const Owner owner = *volume->owner;
    const BlockRange range{block, 1};
    co_await read(volume, owner, range);
    if (!volume->owner)
      fail(text("a read of block ", block, " of ", volume->name,
                " failed after everything was healed"));
    co_await compare_members(volume, block);
  }
  co_await final_snapshot_reads(volume);
}

// A node may hear late of a snapshot that was the last to be made: it is asked again.
Task<ClientOpPtr> ClusterWorkload::read_member(Volume* volume, std::string snapshot, uint64_t block,
                                               uint32_t node) {
  for (int attempt = 1;; ++attempt) {
    const BlockRange range{block, 1};
    ClientOpPtr op = new_op(*volume, ClientOp::Kind::kReadReplica, range);
    op->snapshot = snapshot;
    co_await perform(volume, node, op);
    const bool unheard = !snapshot.empty() && op->result.code() == ErrorCode::kUnavailable;
    if (!unheard || attempt == kFinalAttempts) co_return op;
    co_await pause(100 * kMillisecond);
  }
}

Task<std::vector<BlockValue>> ClusterWorkload::member_values(Volume* volume, std::string snapshot,
                                                             uint64_t block) {
  std::vector<BlockValue> values;
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    const ClientOpPtr op = co_await read_member(volume, snapshot, block, node);
    if (op->result.code() == ErrorCode::kNotFound) continue;
    if (!op->result.ok()) {
      fail(text("node ", node, " cannot read its block ", block, " of ", volume->name,
                snapshot.empty() ? "" : "@", snapshot, ": ", op->result.message()));
      co_return std::vector<BlockValue>();
    }
    values.push_back(value_of(op->data.data(), volume->number, static_cast<uint32_t>(block)));
  }
  if (values.empty()) fail(text("nobody holds block ", block, " of ", volume->name));
  co_return values;
}

Task<void> ClusterWorkload::compare_members(Volume* volume, uint64_t block) {
  const std::vector<BlockValue> values = co_await member_values(volume, {}, block);
  if (values.empty()) co_return;
  std::string wrong = checker_.check_replicas(volume->number, block, values);
  if (!wrong.empty()) fail(std::move(wrong));
}

std::string ClusterWorkload::open_text() const {
  std::string out;
  for (const Volume& volume : volumes_) {
    for (uint32_t node = 0; node < volume.open.size(); ++node) {
      if (volume.open[node] == 0) continue;
      out += text("  ", volume.open[node], " operations on ", volume.name, " at node ", node, "\n");
    }
    if (volume.attaching) out += text("  an attach of ", volume.name, "\n");
  }
  return out;
}

}  // namespace varve
