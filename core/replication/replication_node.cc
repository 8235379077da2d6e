#include "core/replication/replication_node.h"

#include <cstring>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/replication/limits.h"

namespace varve {

ReplicationNode::ReplicationNode(Runtime& runtime, Peers& peers, MetadataStore& metadata,
                                 NodeId node)
    : runtime_(runtime),
      peers_(peers),
      metadata_(metadata),
      node_(node),
      started_ns_(runtime.clock.monotonic_ns()),
      changed_(runtime.ready),
      tasks_(runtime.ready) {}

ReplicationNode::~ReplicationNode() = default;

void ReplicationNode::add_disk_group(DiskGroupId id, Store& store) {
  stores_[id] = &store;
  store.set_healer([this, &store](BadBlock bad) { return heal(&store, bad); });
  for (const auto& [group, seen] : records_) add_replica(seen);
}

void ReplicationNode::add_replica(const SeenRecord& seen) {
  const GroupId group = seen.record.id;
  for (const GroupMember& member : seen.record.members) {
    const auto store = stores_.find(member.disk_group);
    if (member.node != node_ || store == stores_.end() || replicas_.contains(group)) continue;
    const PrimaryContext context{runtime_,       peers_, metadata_,
                                 *store->second, group,  member.disk_group};
    replicas_[group] = std::make_unique<Replica>(context, node_, started_ns_);
    replicas_[group]->record_seen(seen);
  }
}

void ReplicationNode::record_seen(const SeenRecord& seen) {
  SeenRecord& held = records_[seen.record.id];
  if (seen.revision <= held.revision) return;
  held = seen;
  if (!stopping_) add_replica(seen);
  if (Replica* const mine = replica(seen.record.id)) mine->record_seen(seen);
  changed_.wake_all();
}

void ReplicationNode::start() {
  tasks_.start(run());
}

void ReplicationNode::hand_over() {
  if (stopping_) return;
  for (const auto& [group, replica] : replicas_) tasks_.start(replica->hand_over(false));
}

Task<void> ReplicationNode::leave(uint64_t deadline_ns) {
  if (stopping_) co_return;
  TaskGroup leaving(runtime_.ready);
  for (const auto& [group, replica] : replicas_) leaving.start(replica->hand_over(true));
  while (leaving.running() > 0 && runtime_.clock.monotonic_ns() < deadline_ns)
    co_await changed_.wait_until(runtime_.timers, runtime_.clock.monotonic_ns() + kTickNs / 10);
  for (const auto& [group, replica] : replicas_)
    if (replica->primary() != nullptr && leaving.running() > 0)
      replica->primary()->resign("the node stops");
  co_await leaving.done();
  for (const NodeId node : beacon_nodes()) leaving.start(send_beacon(node, true));
  co_await leaving.done();
}

Task<void> ReplicationNode::stop() {
  stopping_ = true;
  changed_.wake_all();
  for (const auto& [id, store] : stores_) store->set_healer({});
  while (healing_ > 0) co_await changed_.wait();
  TaskGroup stops(runtime_.ready);
  for (const auto& [group, replica] : replicas_) stops.start(replica->stop());
  co_await stops.done();
  co_await tasks_.done();
}

Task<void> ReplicationNode::run() {
  uint64_t next_ns = runtime_.clock.monotonic_ns();
  while (!stopping_) {
    if (runtime_.clock.monotonic_ns() >= next_ns) {
      next_ns = runtime_.clock.monotonic_ns() + kTickNs;
      for (const auto& [group, replica] : replicas_) {
        replica->tick();
        record_seen(replica->seen());
      }
      refresh_old_records();
      if (runtime_.clock.monotonic_ns() - beacons_sent_ns_ >= kBeaconPeriodNs) send_beacons();
    }
    co_await changed_.wait_until(runtime_.timers, next_ns);
  }
}

// A member whose primary is ahead of the record that this node has seen: a change went unnoticed.
void ReplicationNode::refresh_old_records() {
  const uint64_t now_ns = runtime_.clock.monotonic_ns();
  if (now_ns - refreshed_ns_ < kPositionPeriodNs) return;
  refreshed_ns_ = now_ns;
  for (const auto& [group, replica] : replicas_)
    if (replica->epoch() > replica->seen().record.epoch) tasks_.start(refresh(group));
}

Replica* ReplicationNode::replica(GroupId group) {
  const auto found = replicas_.find(group);
  return found == replicas_.end() ? nullptr : found->second.get();
}

uint64_t ReplicationNode::heard_ns(NodeId node) const {
  const auto heard = heard_.find(node);
  return heard == heard_.end() ? started_ns_ : heard->second;
}

void ReplicationNode::send_beacons() {
  beacons_sent_ns_ = runtime_.clock.monotonic_ns();
  for (const NodeId node : beacon_nodes()) tasks_.start(send_beacon(node, false));
}

std::set<NodeId> ReplicationNode::beacon_nodes() const {
  std::set<NodeId> nodes(nodes_.begin(), nodes_.end());
  nodes.erase(node_);
  for (const auto& [group, replica] : replicas_) {
    if (replica->primary() == nullptr) continue;
    for (const GroupMember& member : replica->primary()->seen().record.members)
      if (member.node != node_) nodes.insert(member.node);
  }
  return nodes;
}

Task<void> ReplicationNode::send_beacon(NodeId node, bool leaving) {
  std::vector<GroupClaim> claims;
  for (const auto& [group, replica] : replicas_) {
    if (replica->primary() == nullptr) continue;
    const auto claim = replica->primary()->beacon_claim(node);
    if (claim) claims.push_back(*claim);
  }
  BeaconRequest request;
  request.sent_ns = runtime_.clock.monotonic_ns();
  request.count = static_cast<uint32_t>(claims.size());
  request.leaving = leaving ? 1 : 0;
  const std::span<const std::byte> part = std::as_bytes(std::span(claims));
  const Slices slices = claims.empty() ? Slices() : Slices(&part, 1);
  const auto reply =
      co_await peers_.call<BeaconReply>(node, request, slices, request.sent_ns + kCallDeadlineNs);
  if (!reply.ok()) co_return;
  heard_[node] = runtime_.clock.monotonic_ns();
  // Whoever answers is alive, in every group.
  for (const auto& [group, replica] : replicas_)
    if (replica->primary() != nullptr) replica->primary()->heard_from(node);
  for (uint32_t i = 0; i < reply->body.count; ++i) {
    GroupEpoch grant;
    std::memcpy(&grant, reply->payload.bytes().data() + i * sizeof grant, sizeof grant);
    Replica* const mine = replica(grant.group);
    // Only what this beacon asked for, in the office in which it asked.
    const bool asked = std::any_of(claims.begin(), claims.end(), [&](const GroupClaim& claim) {
      return claim.group == grant.group && claim.epoch == grant.epoch;
    });
    if (mine == nullptr || mine->primary() == nullptr || !asked) continue;
    if (grant.epoch >= mine->primary()->office()) mine->primary()->granted(node, request.sent_ns);
  }
}

Task<void> ReplicationNode::answer_beacon(IncomingRequest request) {
  const BeaconRequest body = request.as<BeaconRequest>();
  std::vector<GroupEpoch> granted;
  for (uint32_t i = 0; i < body.count; ++i) {
    GroupClaim claim;
    std::memcpy(&claim, request.payload.bytes().data() + i * sizeof claim, sizeof claim);
    Replica* const mine = replica(claim.group);
    if (mine != nullptr && mine->beacon(claim)) granted.push_back({claim.group, claim.epoch});
  }
  for (const auto& [group, replica] : replicas_)
    if (body.leaving == 1 && replica->primary() != nullptr) replica->primary()->left(request.from);
  BeaconReply reply;
  reply.sent_ns = body.sent_ns;
  reply.count = static_cast<uint32_t>(granted.size());
  const std::span<const std::byte> part = std::as_bytes(std::span(granted));
  const Slices slices = granted.empty() ? Slices() : Slices(&part, 1);
  co_await peers_.reply(request, ErrorCode::kOk, reply, slices);
}

void ReplicationNode::handle(IncomingRequest request) {
  if (!stopping_) tasks_.start(serve(std::move(request)));
}

Task<void> ReplicationNode::refuse(IncomingRequest request, ErrorCode why) {
  switch (request.type) {
    case MessageType::kPrepare:
      co_await peers_.reply(request, why, PrepareReply(), Slices());
      break;
    case MessageType::kChanged:
      co_await peers_.reply(request, why, ChangedReply(), Slices());
      break;
    case MessageType::kIo:
      co_await peers_.reply(request, why, IoWireReply(), Slices());
      break;
    case MessageType::kReplicate:
    case MessageType::kFetch:
    case MessageType::kFence:
    case MessageType::kAttach:
      co_await peers_.reply(request, why, EmptyReply(), Slices());
      break;
    case MessageType::kHello:
    case MessageType::kBeacon:
      break;
  }
}

Task<void> ReplicationNode::serve(IncomingRequest request) {
  heard_[request.from] = runtime_.clock.monotonic_ns();
  if (request.type == MessageType::kBeacon) {
    co_await answer_beacon(std::move(request));
    co_return;
  }
  // Every other body begins with the group.
  GroupId group{};
  std::memcpy(&group, request.body.bytes().data(), sizeof group);
  Replica* const mine = replica(group);
  if (mine == nullptr) {
    co_await refuse(std::move(request), ErrorCode::kUnavailable);
    co_return;
  }
  switch (request.type) {
    case MessageType::kReplicate:
      co_await mine->replicate(std::move(request));
      break;
    case MessageType::kPrepare:
      co_await mine->prepare(std::move(request));
      break;
    case MessageType::kChanged:
      co_await mine->changed(std::move(request));
      break;
    case MessageType::kFetch:
      co_await mine->fetch(std::move(request));
      break;
    case MessageType::kFence:
      co_await mine->fence(std::move(request));
      fence_put();
      break;
    case MessageType::kAttach:
      co_await serve_attach(std::move(request));
      fence_put();
      break;
    case MessageType::kIo:
      co_await serve_io(std::move(request));
      break;
    case MessageType::kHello:
    case MessageType::kBeacon:
      break;
  }
}

}  // namespace varve
