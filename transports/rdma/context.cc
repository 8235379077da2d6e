#include "transports/rdma/context.h"

#include <fcntl.h>
#include <infiniband/verbs.h>
#include <rdma/rdma_cma.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace varve {

RdmaContext::RdmaContext(const RdmaOptions& options, PluginTls* tls, const HostLog& log)
    : options_(options),
      shard_(options, tls, log),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)) {}

bool RdmaContext::open(std::string& why) {
  errno = 0;
  channel_.reset(rdma_create_event_channel());
  const bool good = channel_ != nullptr && epoll_.valid() && timer_.valid() &&
                    ::fcntl(channel_->fd, F_SETFL, O_NONBLOCK) == 0 && watch(channel_->fd) &&
                    watch(timer_.get());
  if (good) return true;
  why = join({"RDMA cannot be used here: ", std::strerror(errno),
              "; it takes an RDMA device and the kernel module rdma_ucm. RDMA devices: ",
              describe_devices()});
  return false;
}

bool RdmaContext::watch(int fd) {
  epoll_event interest{};
  interest.events = EPOLLIN;
  interest.data.fd = fd;
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &interest) == 0;
}

int32_t RdmaContext::memory_register(void* base, uint64_t bytes, uint64_t* memory) {
  const int32_t result = shard_.memory.add(base, bytes, memory);
  if (result != VARVE_OK) return result;
  for (const auto& [verbs, device] : devices_) {
    if (device->add_arena(*memory, base, bytes)) continue;
    shard_.log.warn(join({"device ", device->name(), ": memory cannot be registered: ",
                          std::strerror(errno), "; is the limit of locked memory too low?"}));
    memory_unregister(*memory);
    return VARVE_E_NO_MEMORY;
  }
  arenas_.push_back({*memory, base, bytes});
  return VARVE_OK;
}

int32_t RdmaContext::memory_unregister(uint64_t memory) {
  const int32_t result = shard_.memory.remove(memory);
  if (result != VARVE_OK) return result;
  for (const auto& [verbs, device] : devices_) device->remove_arena(memory);
  std::erase_if(arenas_, [memory](const Arena& arena) { return arena.memory == memory; });
  return VARVE_OK;
}

RdmaDevice* RdmaContext::device_of(rdma_cm_id* id, std::string& why) {
  if (id->verbs == nullptr) {
    why = join({"no RDMA device leads there; RDMA devices: ", describe_devices()});
    return nullptr;
  }
  if (const auto known = devices_.find(id->verbs); known != devices_.end())
    return known->second.get();
  const std::string name = ibv_get_device_name(id->verbs->device);
  if (!options_.device.empty() && name != options_.device) {
    why = join({"that is device ", name, ", and the option device says ", options_.device});
    return nullptr;
  }
  std::unique_ptr<RdmaDevice> device = RdmaDevice::open(id->verbs, why);
  if (device == nullptr) return nullptr;
  for (const Arena& arena : arenas_) {
    if (device->add_arena(arena.memory, arena.base, arena.bytes)) continue;
    why = join({"device ", name, ": memory cannot be registered: ", std::strerror(errno),
                "; is the limit of locked memory too low?"});
    return nullptr;
  }
  if (!watch(device->wait_fd())) {
    why = std::strerror(errno);
    return nullptr;
  }
  return devices_.emplace(id->verbs, std::move(device)).first->second.get();
}

int32_t RdmaContext::receive_post(const varve_slice& buffer, uint64_t op_id) {
  const int32_t result = check_receive(buffer, op_id, shard_.memory);
  if (result != VARVE_OK) return result;
  shard_.buffers.put({static_cast<uint8_t*>(buffer.data), buffer.bytes, op_id, buffer.memory});
  wake_line();
  return VARVE_OK;
}

// There are buffers again.
void RdmaContext::wake_line() {
  for (RdmaConnection* connection : std::exchange(in_line_, {})) {
    connection->in_line = false;
    wake(*connection);
  }
}

int32_t RdmaContext::send(uint64_t number, const varve_message& message, uint64_t op_id) {
  uint32_t payload_bytes = 0;
  const int32_t result = check_message(message, shard_.memory, payload_bytes);
  if (result != VARVE_OK) return result;
  RdmaConnection* const connection = find(number);
  if (connection == nullptr || connection->leaving()) return VARVE_E_CLOSED;
  const int32_t sent = connection->send(message, payload_bytes, op_id);
  if (connection->has_work()) wake(*connection);
  return sent;
}

int32_t RdmaContext::disconnect(uint64_t number) {
  RdmaConnection* const connection = find(number);
  if (connection == nullptr || connection->leaving()) return VARVE_E_CLOSED;
  connection->disconnect();
  wake(*connection);
  return VARVE_OK;
}

// A connection that the host knows.
RdmaConnection* RdmaContext::find(uint64_t number) {
  const auto found = connections_.find(number);
  return found == connections_.end() || !found->second->made() ? nullptr : found->second.get();
}

int32_t RdmaContext::poll(varve_transport_event* events, uint32_t capacity) {
  shard_.events.begin(capacity);
  shard_.handshake_steps = kHandshakeStepsPerPoll;
  const bool slept = std::exchange(may_have_slept_, false);
  if (slept || ++polls_without_look_ >= kPollsWithoutLook) look_at_descriptors();
  give_turns();
  return shard_.events.take(events);
}

bool RdmaContext::arm() {
  may_have_slept_ = true;
  bool pending = !shard_.events.empty();
  std::erase_if(awake_, [&](RdmaConnection* connection) {
    if (!connection->has_work() && connection->arm()) {
      connection->awake = false;
      return true;
    }
    pending = true;
    return false;
  });
  return pending;
}

void RdmaContext::look_at_descriptors() {
  polls_without_look_ = 0;
  epoll_event news[8];
  const int count = ::epoll_wait(epoll_.get(), news, 8, 0);
  bool manager = false;
  for (int i = 0; i < count; ++i) {
    const int fd = news[i].data.fd;
    if (fd == timer_.get()) tick();
    manager = manager || fd == channel_->fd;
    for (const auto& [verbs, device] : devices_)
      if (device->wait_fd() == fd) take_completions(*device);
  }
  // Last: it may end devices.
  if (manager) take_news();
}

void RdmaContext::take_completions(RdmaDevice& device) {
  ibv_cq* queue = nullptr;
  void* context = nullptr;
  while (ibv_get_cq_event(device.channel(), &queue, &context) == 0) {
    ibv_ack_cq_events(queue, 1);
    wake(*static_cast<RdmaConnection*>(context));
  }
}

void RdmaContext::wake(RdmaConnection& connection) {
  connection.want_turn();
  if (!connection.begun() || std::exchange(connection.awake, true)) return;
  awake_.push_back(&connection);
}

void RdmaContext::give_turns() {
  bool ended = false;
  // Turns may not wake others.
  for (RdmaConnection* connection : awake_) {
    connection->turn();
    if (!connection->made()) settle(*connection);
    ended = ended || connection->over();
    if (connection->lacks_buffer() && !std::exchange(connection->in_line, true))
      in_line_.push_back(connection);
  }
  if (ended) forget_ended();
}

void RdmaContext::forget_ended() {
  const auto over = [](const RdmaConnection* connection) { return connection->over(); };
  std::erase_if(awake_, over);
  std::erase_if(in_line_, over);
  std::erase_if(connections_, [](const auto& entry) { return entry.second->over(); });
  said_full_ = false;
  wake_line();  // they may have left buffers
}

// Connects that take too long end; silent peers are asked whether they are there.
void RdmaContext::tick() {
  uint64_t ticks = 0;
  if (::read(timer_.get(), &ticks, sizeof(ticks)) < 0) return;
  timer_ms_ = 0;
  const uint64_t now = monotonic_ms();
  std::vector<uint64_t> late;
  for (const auto& [number, pending] : pending_)
    if (pending.deadline_ms <= now) late.push_back(number);
  for (const uint64_t number : late) {
    const RdmaConnection& connection = *connections_.at(number);
    if (connection.begun())
      shard_.silence.warn(now, shard_.log,
                          join({"peer ", connection.peer(), ": no TLS handshake in time"}));
    give_up(number, VARVE_E_NOT_FOUND, "");
  }
  if (now >= next_check_ms_) {
    next_check_ms_ = now + options_.keepalive_s * 1000ull;
    for (const auto& [number, connection] : connections_) {
      if (!connection->made()) continue;
      connection->check_alive();
      if (connection->has_work()) wake(*connection);
    }
  }
  set_timer();
}

// To whatever comes first; early is no harm.
void RdmaContext::set_timer() {
  if (connections_.empty()) return;
  if (next_check_ms_ == 0) next_check_ms_ = monotonic_ms() + options_.keepalive_s * 1000ull;
  uint64_t earliest = next_check_ms_;
  for (const auto& [number, pending] : pending_) earliest = std::min(earliest, pending.deadline_ms);
  if (timer_ms_ != 0 && timer_ms_ <= earliest) return;
  timer_ms_ = earliest;
  itimerspec when{};
  when.it_value.tv_sec = static_cast<time_t>(earliest / 1000);
  when.it_value.tv_nsec = static_cast<long>(earliest % 1000 * 1'000'000);
  ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

}  // namespace varve
