#include "tests/sim/cluster/nemesis.h"

namespace varve {

namespace {
constexpr uint64_t kTickNs = 50 * kMillisecond;
constexpr uint64_t kSecondNs = 1000 * kMillisecond;
}  // namespace

Nemesis::Nemesis(SimLoop& loop, SimNetwork& network, SimMetadata& store, SimClusterNodes& nodes,
                 const NemesisPlan& plan, uint64_t seed, ClusterFaultCounts& counts,
                 ClusterTrace& trace)
    : loop_(loop),
      network_(network),
      store_(store),
      nodes_(nodes),
      plan_(plan),
      random_(seed ^ 0x5ce19b7f04a2d683),
      counts_(counts),
      trace_(trace),
      traps_(nodes.size()) {}

template <typename Action>
void Nemesis::later(uint64_t delay_ns, Action action) {
  loop_.schedule(delay_ns, [this, action] {
    if (active_) action();
  });
}

void Nemesis::start() {
  active_ = true;
  network_.set_options(plan_.network());
  store_.set_options(plan_.metadata());
  later(kTickNs, [this] { tick(); });
}

bool Nemesis::strikes(FaultClass fault, uint64_t per_mille) {
  const uint64_t strength = plan_.of(fault);
  return strength > 0 && random_.chance(strength * per_mille, 1'000'000);
}

uint64_t Nemesis::draw_duration_ns(uint64_t max_ns) {
  const uint64_t drawn_ns = random_.below(max_ns);
  return random_.chance(2, 3) ? drawn_ns / 8 : drawn_ns;
}

void Nemesis::tick() {
  if (strikes(FaultClass::kKill, 15)) crash_soon(CrashKind::kKill);
  if (strikes(FaultClass::kPowerCut, 15)) crash_soon(CrashKind::kPowerCut);
  if (strikes(FaultClass::kAllPowerCut, 4)) cut_power_of_all();
  if (strikes(FaultClass::kPause, 20)) pause();
  if (strikes(FaultClass::kTwoWayPartition, 25)) part(true);
  if (strikes(FaultClass::kOneWayPartition, 25)) part(false);
  if (strikes(FaultClass::kBreak, 30)) network_.break_connections(any_node(), any_node());
  if (strikes(FaultClass::kStall, 30)) {
    network_.stall(any_node(), any_node(), draw_duration_ns(3 * kSecondNs));
  }
  if (strikes(FaultClass::kSlowDevice, 10)) slow_a_device();
  if (strikes(FaultClass::kMetadataPartition, 20)) cut_from_store();
  if (strikes(FaultClass::kHandOver, 60)) hand_over();
  later(kTickNs, [this] { tick(); });
}

// --- crashes

void Nemesis::crash(uint32_t node, CrashKind kind) {
  traps_[node].reset();
  if (!nodes_[node]->alive()) return;
  trace_.say(kind == CrashKind::kKill ? "kill" : "power cut", " of node ", node, ", ",
             nodes_[node]->device().flights_text());
  nodes_[node]->crash(kind);
  restart_later(node, 4 * kSecondNs);
}

// Half of the crashes come at once, the others with a request to the device: those find something.
void Nemesis::crash_soon(CrashKind kind) {
  const uint32_t node = any_node();
  if (random_.chance(1, 2)) return crash(node, kind);
  traps_[node] = {nodes_[node]->device().io_events() + 1 + random_.below(12), kind};
}

void Nemesis::after_step() {
  for (uint32_t node = 0; node < traps_.size(); ++node) {
    if (!traps_[node] || !active_ || nodes_[node]->device().io_events() < traps_[node]->io_events)
      continue;
    crash(node, traps_[node]->kind);
  }
}

void Nemesis::cut_power_of_all() {
  counts_.add(ClusterFault::kAllPowerCut);
  for (uint32_t node = 0; node < nodes_.size(); ++node) crash(node, CrashKind::kPowerCut);
}

void Nemesis::restart_later(uint32_t node, uint64_t delay_max_ns) {
  later(draw_duration_ns(delay_max_ns), [this, node] {
    if (nodes_[node]->alive()) return;
    trace_.say("restart of node ", node);
    nodes_[node]->restart();
    if (!random_.chance(plan_.of(FaultClass::kCrashLoop), 2000)) return;
    const CrashKind kind = random_.chance(1, 2) ? CrashKind::kKill : CrashKind::kPowerCut;
    traps_[node] = {nodes_[node]->device().io_events() + 1 + random_.below(30), kind};
  });
}

// --- everything else

void Nemesis::pause() {
  const uint32_t node = any_node();
  if (nodes_[node]->paused()) return;
  trace_.say("pause of node ", node);
  nodes_[node]->pause();
  later(draw_duration_ns(12 * kSecondNs), [this, node] {
    trace_.say("resume of node ", node);
    nodes_[node]->resume();
  });
}

// One node from another, or one from all others, in one direction or both.
void Nemesis::part(bool both_ways) {
  counts_.add(both_ways ? ClusterFault::kPartitionTwoWay : ClusterFault::kPartitionOneWay);
  const uint32_t node = any_node();
  const bool from_all = random_.chance(1, 2);
  const bool outgoing = random_.chance(1, 2);
  const uint32_t other = any_node();
  const uint64_t duration_ns = draw_duration_ns(12 * kSecondNs);
  for (uint32_t peer = 0; peer < nodes_.size(); ++peer) {
    if (peer == node || (!from_all && peer != other)) continue;
    const char* arrow = both_ways ? " <-> " : outgoing ? " -> " : " <- ";
    trace_.say("cut ", node, arrow, peer);
    if (both_ways || outgoing) network_.cut(node, peer);
    if (both_ways || !outgoing) network_.cut(peer, node);
    // Often one side notices at once, and the other has what was sent before when all is healed.
    if (random_.chance(1, 2)) network_.break_connections(node, peer);
    later(duration_ns, [this, node, peer] {
      trace_.say("healed ", node, " <-> ", peer);
      network_.heal(node, peer);
      network_.heal(peer, node);
    });
  }
}

void Nemesis::hand_over() {
  const uint32_t node = any_node();
  if (random_.chance(1, 4)) return offices_come_back(node);
  nodes_[node]->hand_over();
}

// A node holds the offices, gives them away and gets them back. What the others had sent to it
// arrives in a later term than the one it was sent to, when they have long done it again elsewhere.
void Nemesis::offices_come_back(uint32_t node) {
  trace_.say("node ", node, " gives its offices away and gets them back; what was sent comes late");
  const auto each_peer = [this, node](auto action) {
    for (uint32_t peer = 0; peer < nodes_.size(); ++peer)
      if (peer != node) action(peer);
  };
  // An heir may be another one at first.
  const auto take = [this, each_peer] {
    each_peer([this](uint32_t peer) { nodes_[peer]->hand_over(); });
  };
  take();
  later(200 * kMillisecond, take);
  later(600 * kMillisecond, [this, node, each_peer] {
    each_peer([this, node](uint32_t peer) { network_.stall(peer, node, 400 * kMillisecond); });
  });
  later(700 * kMillisecond, [this, node] { nodes_[node]->hand_over(); });
  // The others know it by now.
  later(800 * kMillisecond + random_.below(150 * kMillisecond), [this, node, each_peer] {
    each_peer([this, node](uint32_t peer) { network_.break_late(peer, node); });
  });
  const uint64_t back_ns = kSecondNs + random_.below(kSecondNs);
  for (uint64_t round = 0; round < 3; ++round) later(back_ns + round * 150 * kMillisecond, take);
}

void Nemesis::slow_a_device() {
  counts_.add(ClusterFault::kDeviceSlow);
  const uint32_t node = any_node();
  const auto factor = static_cast<uint32_t>(2 + random_.below(200));
  trace_.say("device of node ", node, " slow by ", factor);
  nodes_[node]->device().set_slowness(factor);
  later(draw_duration_ns(8 * kSecondNs), [this, node] { nodes_[node]->device().set_slowness(1); });
}

void Nemesis::cut_from_store() {
  const uint32_t node = any_node();
  trace_.say("node ", node, " cut off from the metadata store");
  store_.cut(node);
  later(draw_duration_ns(10 * kSecondNs), [this, node] {
    trace_.say("node ", node, " reaches the metadata store");
    store_.heal(node);
  });
}

void Nemesis::heal() {
  trace_.say("everything is healed");
  active_ = false;
  network_.set_options({});
  network_.heal_all();
  store_.set_options({});
  store_.heal_all();
  for (uint32_t node = 0; node < nodes_.size(); ++node) {
    traps_[node].reset();
    nodes_[node]->device().set_slowness(1);
    nodes_[node]->resume();
    if (!nodes_[node]->alive()) nodes_[node]->restart();
  }
}

}  // namespace varve
