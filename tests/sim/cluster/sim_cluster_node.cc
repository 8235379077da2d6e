#include "tests/sim/cluster/sim_cluster_node.h"

#include "core/base/text.h"
#include "tests/sim/cluster/leave_behind.h"

namespace varve {

namespace {

constexpr uint64_t kPutDownSteps = 2'000'000;
constexpr uint64_t kSupervisorNs = 1000 * kMillisecond;
constexpr uint64_t kStartSkips = 200;  // timers that a dying start() may wait for

struct OpEnd {
  ClientOp* op;
  bool await_ready() const noexcept { return op->ended; }
  void await_suspend(std::coroutine_handle<> self) const noexcept { op->waiter = self; }
  void await_resume() const noexcept {}
};

}  // namespace

SimClusterNode::Life::Life(SimClusterNode& node, SimShardOptions clock, uint64_t seed)
    : shard(node.loop_, clock, seed),
      transport(node.network_, node.node_, shard),
      metadata(node.store_, node.node_, shard),
      tasks(shard.ready()) {}

SimClusterNode::SimClusterNode(SimLoop& loop, SimNetwork& network, SimMetadata& store,
                               uint32_t node, SimClusterNodeOptions options,
                               NodeProgramFactory factory, uint64_t seed,
                               ClusterFaultCounts& counts)
    : loop_(loop),
      network_(network),
      store_(store),
      node_(node),
      options_(options),
      factory_(std::move(factory)),
      random_(seed),
      counts_(counts),
      device_(loop, {}, options.device, random_.next()),
      disk_{DiskImage(options.device_bytes), {}} {}

SimClusterNode::~SimClusterNode() {
  crash(CrashKind::kPowerCut);
}

bool SimClusterNode::serving() const {
  return alive() && life_->started;
}

bool SimClusterNode::settled() const {
  return serving() && life_->program->settled();
}

void SimClusterNode::fail(std::string what) {
  if (failure_.empty()) failure_ = text("node ", node_, ": ", what);
}

std::string SimClusterNode::failure() const {
  if (failure_.empty() && !device_.offence().empty()) {
    return text("node ", node_, ": ", device_.offence());
  }
  return failure_;
}

std::string SimClusterNode::state_line() const {
  const std::string head = text("  node ", node_, " life ", life_count_, ": ");
  if (!alive()) return head + "down";
  return text(head, life_->started ? "" : "starting, ", life_->shard.paused() ? "paused, " : "",
              life_->open.size(), " operations, ", device_.flights_text(), "; ",
              life_->program->state_line());
}

// --- lives

void SimClusterNode::restart() {
  VARVE_CHECK(!alive());
  ++life_count_;
  const uint32_t spread = options_.clock_spread_ppm;
  SimShardOptions clock;
  clock.rate_ppm = 1'000'000 - spread + random_.below(2 * spread + 1);
  clock.offset_ns = random_.below(uint64_t{1} << 40);
  life_ = std::make_unique<Life>(*this, clock, random_.next());
  device_.insert(std::exchange(disk_, {}));
  device_.set_run_queue(life_->shard.ready());
  device_.set_power(true);
  life_->program = factory_({.node = node_,
                             .node_count = network_.node_count(),
                             .life = life_count_,
                             .runtime = life_->shard.runtime(),
                             .device = device_,
                             .transport = life_->transport,
                             .metadata = life_->metadata});
  life_->shard.post([this, life = life_.get()] { life->tasks.start(start(this, life)); });
}

Task<void> SimClusterNode::start(SimClusterNode* node, Life* life) {
  const Status status = co_await life->program->start();
  life->started = true;
  if (status.ok() || life->dying) co_return;
  if (status.code() == ErrorCode::kUnavailable || status.code() == ErrorCode::kUnknown) {
    node->start_again(node->life_count_);
  } else {
    node->fail(text("did not start: ", status.message()));
  }
}

// As who supervises daemons does.
void SimClusterNode::start_again(uint64_t life_count) {
  loop_.schedule(0, [this, life_count] {
    if (!alive() || life_count != life_count_) return;
    crash(CrashKind::kKill);
    loop_.schedule(kSupervisorNs, [this] {
      if (!alive()) restart();
    });
  });
}

Task<void> SimClusterNode::stop(Life* life) {
  co_await life->program->stop();
  life->stopped = true;
}

void SimClusterNode::hand_over() {
  if (!serving() || paused()) return;
  counts_.add(ClusterFault::kHandedOver);
  life_->shard.post([life = life_.get()] { life->program->hand_over(); });
}

void SimClusterNode::pause() {
  if (!alive() || life_->shard.paused()) return;
  counts_.add(ClusterFault::kNodePaused);
  life_->shard.pause();
}

void SimClusterNode::resume() {
  if (alive()) life_->shard.resume();
}

void SimClusterNode::crash(CrashKind kind) {
  if (!alive()) return;
  if (device_.in_flight() > 0) counts_.add(ClusterFault::kCrashInIo);
  if (!life_->started) counts_.add(ClusterFault::kCrashInStart);
  counts_.add(kind == CrashKind::kKill ? ClusterFault::kNodeKilled : ClusterFault::kNodePowerCut);
  loop_.note(node_ * 2 + (kind == CrashKind::kKill));
  disk_ = device_.crash(kind, random_, device_counts_);
  device_.set_power(false);
  device_.fail_in_flight();
  life_->dying = true;
  life_->transport.die(kind == CrashKind::kPowerCut);
  life_->metadata.die();
  const std::vector<ClientOpPtr> open = life_->open;
  for (const ClientOpPtr& op : open) end(*life_, op, ErrorCode::kUnknown);
  put_down();
}

// The program's tasks run to their end, in no time, with everything failing around them.
void SimClusterNode::put_down() {
  Life& life = *life_;
  life.shard.resume();
  bool stopping = false;
  uint64_t skips = 0;
  for (uint64_t steps = 0; steps < kPutDownSteps; ++steps) {
    if (!stopping && (life.started || skips > kStartSkips)) {
      stopping = true;
      life.tasks.start(stop(&life));
    }
    if (life.stopped && life.tasks.running() == 0) {
      life_.reset();
      return;
    }
    if (life.shard.run()) continue;
    if (device_.in_flight() > 0) {
      device_.fail_in_flight();
    } else if (life.shard.skip_to_next_timer()) {
      ++skips;
    } else if (!stopping) {
      skips = kStartSkips + 1;
    } else {
      break;
    }
  }
  fail(text("does not come to an end after a crash; ", life.tasks.running(), " tasks wait, stop() ",
            life.stopped ? "has" : "has not", " ended"));
  life.shard.pause();
  leave_behind(std::move(life_));
}

// --- operations

Task<void> SimClusterNode::perform(ClientOpPtr op) {
  if (!serving()) {
    op->result = ErrorCode::kUnavailable;
    co_return;
  }
  op->accepted = true;
  Life* life = life_.get();
  life->open.push_back(op);
  life->shard.post([this, life, op] {
    if (!op->ended) life->tasks.start(serve(this, life, op));
  });
  OpEnd ended{op.get()};
  co_await ended;
}

Task<Status> SimClusterNode::call(NodeProgram* program, ClientOp* op) {
  switch (op->kind) {
    case ClientOp::Kind::kAttach:
      co_return co_await program->attach(op->volume);
    case ClientOp::Kind::kRead:
      co_return co_await program->read(op->volume, op->range, op->data.data());
    case ClientOp::Kind::kWrite:
      co_return co_await program->write(op->volume, op->range, op->data.data());
    case ClientOp::Kind::kTrim:
      co_return co_await program->trim(op->volume, op->range);
    case ClientOp::Kind::kReadReplica:
      co_return co_await program->read_replica(op->volume, op->snapshot, op->range,
                                               op->data.data());
    case ClientOp::Kind::kSnapshot:
      co_return co_await program->snapshot(op->volumes, op->snapshot);
    case ClientOp::Kind::kReadSnapshot:
      co_return co_await program->read_snapshot(op->volume, op->snapshot, op->range,
                                                op->data.data());
    case ClientOp::Kind::kDeleteSnapshot:
      co_return co_await program->delete_snapshot(op->volume, op->snapshot);
    case ClientOp::Kind::kSetTier:
      co_return co_await program->set_tier(op->volume, op->tier);
  }
  co_return ErrorCode::kInvalidArgument;
}

Task<void> SimClusterNode::serve(SimClusterNode* node, Life* life, ClientOpPtr op) {
  Status status = co_await call(life->program.get(), op.get());
  node->end(*life, op, std::move(status));
}

void SimClusterNode::end(Life& life, const ClientOpPtr& op, Status result) {
  if (op->ended) return;
  op->ended = true;
  op->result = std::move(result);
  loop_.note(static_cast<uint64_t>(op->result.code()) + 16 * op->range.first);
  std::erase(life.open, op);
  if (op->waiter) loop_.ready().push(op->waiter);
}

}  // namespace varve
