#include "tests/sim/cluster/register_program.h"

#include <cstring>

#include "core/base/text.h"
#include "core/base/units.h"
#include "tests/sim/cluster/sim_network.h"

namespace varve {

namespace {

constexpr uint32_t kVolumes = 4;
constexpr uint64_t kPlacesPerVolume = 40;  // the first holds the attach generation
constexpr uint64_t kPlaces = kVolumes * kPlacesPerVolume;
constexpr uint64_t kCopyBytes = 2 * kBlockBytes;  // a block, and another that says which it is
constexpr uint32_t kBuffers = 8;
constexpr uint64_t kRetryNs = 50 * kMillisecond;

struct CopyHeader {
  uint64_t version = 0;
  uint64_t sum = 0;
};

uint64_t sum_of(uint64_t version, const std::byte* data) {
  uint64_t sum = version;
  for (uint64_t at = 0; at < kBlockBytes; at += sizeof(uint64_t)) {
    uint64_t word = 0;
    std::memcpy(&word, data + at, sizeof word);
    sum = (sum ^ word) * 0x9e3779b97f4a7c15;
    sum ^= sum >> 31;
  }
  return sum;
}

// "volume1" is 0.
uint32_t volume_index(const std::string& name) {
  return static_cast<uint32_t>(name.back() - '1') % kVolumes;
}
uint64_t place_of(uint32_t volume, uint64_t block) {
  return volume * kPlacesPerVolume + 1 + block;
}

}  // namespace

uint64_t RegisterProgram::device_bytes() {
  return kPlaces * 2 * kCopyBytes;
}

RegisterProgram::RegisterProgram(const NodeEnvironment& environment, PlantedFault fault)
    : environment_(environment),
      fault_(fault),
      changed_(environment.runtime.ready),
      tasks_(environment.runtime.ready),
      receive_memory_(kBuffers * kBlockBytes),
      send_memory_(kBuffers * kBlockBytes),
      versions_(kPlaces) {}

RegisterProgram::~RegisterProgram() = default;

Task<Status> RegisterProgram::start() {
  Transport& transport = environment_.transport;
  transport.set_sink(*this);
  VARVE_CO_TRY(transport.register_memory(receive_memory_.span()));
  VARVE_CO_TRY(transport.register_memory(send_memory_.span()));
  for (uint32_t i = 0; i < kBuffers; ++i) {
    post(i + 1);
    free_slots_.push_back(i);
  }
  if (server()) {
    // What is read below must stay, also if only the disk's cache holds it yet.
    const Status flushed = co_await environment_.device.flush();
    if (!flushed.ok()) co_return flushed;
    AlignedBuffer block(kBlockBytes);
    for (uint64_t place = 0; place < kPlaces; ++place) {
      const Status loaded = co_await load_block(place, block.data());
      if (!loaded.ok()) co_return loaded;
    }
    tasks_.start(serve_arrived());
  }
  const auto listening = transport.listen(SimNetwork::address_of(environment_.node));
  co_return listening.status();
}

Task<void> RegisterProgram::stop() {
  if (fault_ == PlantedFault::kHangsAtStop) co_await changed_.wait();
  stopping_ = true;
  changed_.wake_all();
  co_await tasks_.done();
}

void RegisterProgram::post(uint64_t buffer) {
  const auto memory = receive_memory_.span().subspan((buffer - 1) * kBlockBytes, kBlockBytes);
  VARVE_CHECK(environment_.transport.post_receive(memory, buffer).ok());
}

// --- operations

Task<Status> RegisterProgram::attach(std::string volume) {
  const Message request{.kind = Kind::kAttach, .volume = volume_index(volume)};
  const auto reply = co_await ask(request, nullptr, nullptr);
  if (!reply.ok()) co_return reply.status();
  if (reply->status == ErrorCode::kOk) attached_[volume] = reply->generation;
  co_return reply->status;
}

Task<Status> RegisterProgram::read(std::string volume, BlockRange range, std::byte* out) {
  if (!attached_.contains(volume)) co_return ErrorCode::kStale;
  for (uint64_t i = 0; i < range.count; ++i) {
    const Message request{.kind = Kind::kRead,
                          .volume = volume_index(volume),
                          .generation = attached_[volume],
                          .block = range.first + i};
    if (fault_ == PlantedFault::kStaleReads && !server()) {
      std::vector<std::byte>& known = remembered_[{request.volume, request.block}];
      if (!known.empty() && environment_.runtime.random.chance(1, 4)) {
        std::memcpy(out + i * kBlockBytes, known.data(), kBlockBytes);
        continue;
      }
    }
    const auto reply = co_await ask(request, nullptr, out + i * kBlockBytes);
    if (!reply.ok()) co_return reply.status();
    if (reply->status != ErrorCode::kOk) co_return reply->status;
    if (fault_ == PlantedFault::kStaleReads) {
      remembered_[{request.volume, request.block}].assign(out + i * kBlockBytes,
                                                          out + (i + 1) * kBlockBytes);
    }
  }
  co_return Status{};
}

Task<Status> RegisterProgram::write(std::string volume, BlockRange range, const std::byte* data) {
  if (!attached_.contains(volume)) co_return ErrorCode::kStale;
  for (uint64_t i = 0; i < range.count; ++i) {
    const Message request{.kind = Kind::kWrite,
                          .volume = volume_index(volume),
                          .generation = attached_[volume],
                          .block = range.first + i};
    const auto reply = co_await ask(request, data + i * kBlockBytes, nullptr);
    if (!reply.ok()) co_return reply.status();
    if (reply->status != ErrorCode::kOk) co_return reply->status;
  }
  co_return Status{};
}

Task<Status> RegisterProgram::trim(std::string volume, BlockRange range) {
  AlignedBuffer zeroes(range.count * kBlockBytes);
  Status status = co_await write(volume, range, zeroes.data());
  co_return status;
}

Task<Status> RegisterProgram::read_replica(std::string volume, std::string, BlockRange range,
                                           std::byte* out) {
  if (!server()) co_return ErrorCode::kNotFound;
  for (uint64_t i = 0; i < range.count; ++i) {
    const uint64_t place = place_of(volume_index(volume), range.first + i);
    const Status status = co_await load_block(place, out + i * kBlockBytes);
    if (!status.ok()) co_return status;
  }
  co_return Status{};
}

std::string RegisterProgram::state_line() const {
  return text(server() ? "server" : "client", ", ", open_requests_.size(), " requests open, ",
              arrived_.size(), " to serve");
}

// --- the other nodes

// kClosed: it may have been served, or may still be.
Task<Result<RegisterProgram::Message>> RegisterProgram::ask(Message request, const std::byte* block,
                                                            std::byte* out) {
  if (server()) {
    while (serving_one_ && !stopping_) co_await changed_.wait();
    if (stopping_) co_return ErrorCode::kClosed;
    serving_one_ = true;
    Message reply = co_await serve(request, block, out);
    serving_one_ = false;
    changed_.wake_all();
    co_return reply;
  }
  while (connection_ == 0) {
    if (stopping_) co_return ErrorCode::kClosed;
    if (!connecting_) {
      connecting_ = true;
      const Status status = environment_.transport.connect(SimNetwork::address_of(0), ++op_count_);
      if (!status.ok()) {
        connecting_ = false;
        co_return status;
      }
    }
    const uint64_t deadline_ns = environment_.runtime.clock.monotonic_ns() + kRetryNs;
    co_await changed_.wait_until(environment_.runtime.timers, deadline_ns);
  }
  OpenRequest open{.out = out};
  request.request = ++request_count_;
  open_requests_[request.request] = &open;
  const Status status = co_await send(connection_, request, block);
  if (!status.ok()) open.ended = true, open.reply.status = ErrorCode::kClosed;
  while (!open.ended) co_await changed_.wait();
  open_requests_.erase(request.request);
  co_return open.reply;
}

Task<Status> RegisterProgram::send(ConnectionId to, Message message, const std::byte* block) {
  std::byte header[sizeof message];
  std::memcpy(header, &message, sizeof message);
  while (block != nullptr && free_slots_.empty()) {
    if (stopping_) co_return ErrorCode::kClosed;
    co_await changed_.wait();
  }
  std::vector<std::span<const std::byte>> slices;
  uint32_t slot = kBuffers;
  std::byte* memory = nullptr;
  if (block != nullptr) {
    slot = free_slots_.back();
    free_slots_.pop_back();
    memory = send_memory_.data() + slot * kBlockBytes;
    std::memcpy(memory, block, kBlockBytes);
    slices.emplace_back(memory, kBlockBytes);
  }
  Status status = ErrorCode::kBusy;
  const uint64_t op = ++op_count_;
  while (status.code() == ErrorCode::kBusy) {
    status = environment_.transport.send(to, header, slices, op);
    if (status.code() != ErrorCode::kBusy) break;
    const uint64_t deadline_ns = environment_.runtime.clock.monotonic_ns() + kRetryNs;
    co_await changed_.wait_until(environment_.runtime.timers, deadline_ns);
  }
  if (status.ok()) {
    sending_[op] = slot;
    if (fault_ == PlantedFault::kReusesMemory && memory != nullptr) memory[0] ^= std::byte{1};
  } else if (slot < kBuffers) {
    free_slots_.push_back(slot);
  }
  co_return status;
}

void RegisterProgram::connected(uint64_t, ErrorCode result, ConnectionId connection) {
  connecting_ = false;
  if (result == ErrorCode::kOk) connection_ = connection;
  changed_.wake_all();
}

void RegisterProgram::sent(uint64_t op_id, ErrorCode) {
  const uint32_t slot = sending_.at(op_id);
  sending_.erase(op_id);
  if (slot < kBuffers) free_slots_.push_back(slot);
  changed_.wake_all();
}

void RegisterProgram::closed(ConnectionId connection, ErrorCode) {
  if (connection != connection_) return;
  connection_ = 0;
  for (auto& [number, open] : open_requests_) {
    open->ended = true;
    open->reply.status = ErrorCode::kClosed;
  }
  changed_.wake_all();
}

void RegisterProgram::received(ConnectionId connection, std::span<const std::byte> header,
                               uint64_t buffer, uint32_t payload_bytes) {
  Arrived arrived{.from = connection};
  std::memcpy(&arrived.message, header.data(), sizeof arrived.message);
  if (buffer != 0) {
    arrived.block = std::make_shared<AlignedBuffer>(kBlockBytes);
    std::memcpy(arrived.block->data(), receive_memory_.data() + (buffer - 1) * kBlockBytes,
                payload_bytes);
    post(buffer);
  }
  if (arrived.message.kind != Kind::kReply) {
    arrived_.push_back(std::move(arrived));
  } else if (const auto found = open_requests_.find(arrived.message.request);
             found != open_requests_.end() && connection == connection_) {
    OpenRequest& open = *found->second;
    open.ended = true;
    open.reply = arrived.message;
    if (arrived.block && open.out != nullptr) {
      std::memcpy(open.out, arrived.block->data(), kBlockBytes);
    }
  }
  changed_.wake_all();
}

// --- node 0

Task<void> RegisterProgram::serve_arrived() {
  while (!stopping_) {
    if (arrived_.empty() || serving_one_) {
      co_await changed_.wait();
      continue;
    }
    serving_one_ = true;
    Arrived arrived = std::move(arrived_.front());
    arrived_.pop_front();
    AlignedBuffer out(kBlockBytes);
    const std::byte* block = arrived.block ? arrived.block->data() : nullptr;
    Message reply = co_await serve(arrived.message, block, out.data());
    serving_one_ = false;
    changed_.wake_all();
    reply.kind = Kind::kReply;
    reply.request = arrived.message.request;
    if (fault_ == PlantedFault::kLosesReplies && environment_.runtime.random.chance(1, 200)) {
      continue;
    }
    const bool data = arrived.message.kind == Kind::kRead && reply.status == ErrorCode::kOk;
    const Status status = co_await send(arrived.from, reply, data ? out.data() : nullptr);
    if (!status.ok()) continue;  // the asker has been told
  }
}

Task<RegisterProgram::Message> RegisterProgram::serve(Message request, const std::byte* block,
                                                      std::byte* out) {
  Message reply{.kind = Kind::kReply, .generation = request.generation};
  AlignedBuffer attach(kBlockBytes);
  const uint64_t place = place_of(request.volume, 0) - 1;
  Status status = co_await load_block(place, attach.data());
  uint64_t generation = 0;
  std::memcpy(&generation, attach.data(), sizeof generation);
  if (!status.ok()) {
    reply.status = status.code();
  } else if (request.kind == Kind::kAttach) {
    reply.generation = ++generation;
    std::memcpy(attach.data(), &generation, sizeof generation);
    status = co_await store_block(place, attach.data());
    reply.status = status.code();
  } else if (request.generation != generation && fault_ != PlantedFault::kForgetsFence) {
    reply.status = ErrorCode::kStale;
  } else if (request.kind == Kind::kRead) {
    status = co_await load_block(place + 1 + request.block, out);
    reply.status = status.code();
  } else {
    status = co_await store_block(place + 1 + request.block, block);
    reply.status = status.code();
  }
  co_return reply;
}

// Every place has two copies; the older one is overwritten.
Task<Status> RegisterProgram::store_block(uint64_t place, const std::byte* data) {
  const uint64_t version = versions_[place] + 1;
  AlignedBuffer copy(kCopyBytes);
  std::memcpy(copy.data(), data, kBlockBytes);
  const CopyHeader header{version, sum_of(version, data)};
  std::memcpy(copy.data() + kBlockBytes, &header, sizeof header);
  const bool in_place = fault_ == PlantedFault::kTornBlocks;
  const uint64_t at = (place * 2 + (in_place ? 0 : version % 2)) * kCopyBytes;
  const bool durable = fault_ != PlantedFault::kAnswersEarly;
  const Status status = co_await environment_.device.write(at, copy.span(), durable);
  if (status.ok()) versions_[place] = version;
  co_return status;
}

Task<Status> RegisterProgram::load_block(uint64_t place, std::byte* out) {
  AlignedBuffer copies(2 * kCopyBytes);
  const Status status = co_await environment_.device.read(place * 2 * kCopyBytes, copies.span());
  if (!status.ok()) co_return status;
  std::memset(out, 0, kBlockBytes);
  versions_[place] = 0;
  for (uint64_t i = 0; i < 2; ++i) {
    const std::byte* copy = copies.data() + i * kCopyBytes;
    CopyHeader header;
    std::memcpy(&header, copy + kBlockBytes, sizeof header);
    if (header.version <= versions_[place]) continue;
    const bool intact = header.sum == sum_of(header.version, copy);
    if (!intact && fault_ != PlantedFault::kTornBlocks) continue;
    versions_[place] = header.version;
    std::memcpy(out, copy, kBlockBytes);
  }
  co_return status;
}

}  // namespace varve
