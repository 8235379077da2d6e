// RegisterProgram: the smallest node program there is, to try the simulated cluster itself: node 0
// keeps all blocks on its own device, the others pass everything on to it. It keeps the contract as
// long as it has none of the planted faults.
//
// Thread rule, ownership: as NodeProgram.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/runtime/task_group.h"
#include "core/runtime/wait_list.h"
#include "tests/sim/cluster/node_program.h"

namespace varve {

enum class PlantedFault : uint8_t {
  kNone,
  kAnswersEarly,  // acknowledges before the write is durable
  kForgetsFence,  // serves older attach generations
  kStaleReads,    // other nodes keep what they have read
  kLosesReplies,  // never answers some requests
  kTornBlocks,    // overwrites blocks in place
  kReusesMemory,  // changes the memory of a send
  kHangsAtStop,
};

class RegisterProgram : public NodeProgram, private TransportSink {
 public:
  RegisterProgram(const NodeEnvironment& environment, PlantedFault fault);
  ~RegisterProgram() override;

  static uint64_t device_bytes();

  Task<Status> start() override;
  Task<void> stop() override;
  Task<Status> attach(std::string volume) override;
  Task<Status> read(std::string volume, BlockRange range, std::byte* out) override;
  Task<Status> write(std::string volume, BlockRange range, const std::byte* data) override;
  Task<Status> trim(std::string volume, BlockRange range) override;
  bool settled() const override { return open_requests_.empty(); }
  Task<Status> read_replica(std::string volume, std::string snapshot, BlockRange range,
                            std::byte* out) override;
  std::string state_line() const override;

 private:
  enum class Kind : uint32_t { kAttach, kRead, kWrite, kReply };
  struct Message {
    Kind kind = Kind::kRead;
    ErrorCode status = ErrorCode::kOk;
    uint32_t volume = 0;
    uint64_t request = 0;
    uint64_t generation = 0;
    uint64_t block = 0;
  };
  // A request of this node that waits for its reply.
  struct OpenRequest {
    bool ended = false;
    Message reply;
    std::byte* out = nullptr;
  };
  struct Arrived {
    ConnectionId from = 0;
    Message message;
    std::shared_ptr<AlignedBuffer> block;
  };

  // TransportSink.
  void connected(uint64_t op_id, ErrorCode result, ConnectionId connection) override;
  void accepted(ConnectionId) override {}
  void received(ConnectionId connection, std::span<const std::byte> header, uint64_t buffer,
                uint32_t payload_bytes) override;
  void sent(uint64_t op_id, ErrorCode result) override;
  void closed(ConnectionId connection, ErrorCode why) override;
  void writable(ConnectionId) override { changed_.wake_all(); }

  bool server() const { return environment_.node == 0; }
  Task<Result<Message>> ask(Message request, const std::byte* block, std::byte* out);
  Task<Message> serve(Message request, const std::byte* block, std::byte* out);
  Task<void> serve_arrived();
  Task<Status> send(ConnectionId to, Message message, const std::byte* block);
  Task<Status> store_block(uint64_t place, const std::byte* data);
  Task<Status> load_block(uint64_t place, std::byte* out);
  void post(uint64_t buffer);

  const NodeEnvironment environment_;
  const PlantedFault fault_;
  WaitList changed_;
  TaskGroup tasks_;
  AlignedBuffer receive_memory_;
  AlignedBuffer send_memory_;
  std::vector<uint32_t> free_slots_;  // of send_memory_
  uint64_t op_count_ = 0;
  uint64_t request_count_ = 0;
  std::map<uint64_t, uint32_t> sending_;  // op -> slot
  bool stopping_ = false;
  // As a client of node 0.
  ConnectionId connection_ = 0;
  bool connecting_ = false;
  std::map<uint64_t, OpenRequest*> open_requests_;
  std::map<std::string, uint64_t> attached_;  // generation
  std::map<std::pair<uint32_t, uint64_t>, std::vector<std::byte>> remembered_;
  // As node 0.
  std::deque<Arrived> arrived_;
  bool serving_one_ = false;
  std::vector<uint64_t> versions_;  // by place
};

}  // namespace varve
