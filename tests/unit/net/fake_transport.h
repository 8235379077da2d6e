// FakeNetwork: transports in memory, in virtual time. It keeps the promises of
// core/net/transport.h: order, posted buffers, sent() before closed(), nothing from inside a call.
//
// Thread rule: one thread. Ownership: the loop is borrowed and outlives everything here; payload
// memory is read when a message arrives, so an early end of its sender shows.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/net/transport.h"
#include "tests/sim/sim_loop.h"

namespace varve {

class FakeTransport;

inline constexpr uint64_t kFakeDelayNs = 10'000;

class FakeNetwork {
 public:
  explicit FakeNetwork(SimLoop& loop) : loop_(loop) {}

  SimLoop& loop() { return loop_; }
  // Both ends are told.
  void cut(ConnectionId connection);
  void cut_all();
  size_t connection_count() const { return pipes_.size(); }

  bool refuse_listen = false;
  bool refuse_connects = false;
  bool lose_connects = false;  // connect() never ends
  uint64_t connect_ns = kFakeDelayNs;
  bool stalled = false;           // nothing arrives until resume()
  size_t payload_max = SIZE_MAX;  // what is longer never arrives, nor does what was sent behind it
  size_t sends_max = 1000;        // on their way on one connection; then kBusy
  void resume();
  // All that is on its way, at once, as one poll of a transport may: nothing runs in between.
  void resume_at_once();

 private:
  friend class FakeTransport;
  struct Sent {
    std::vector<std::byte> header;
    std::vector<std::span<const std::byte>> slices;
    uint64_t op_id;
  };
  // One direction of a connection.
  struct Pipe {
    FakeTransport* from;
    FakeTransport* to;
    ConnectionId peer;  // the other direction
    std::deque<Sent> sent;
    bool want_writable = false;
    bool scheduled = false;
  };
  void schedule(ConnectionId connection);
  void deliver(ConnectionId connection);
  void end(ConnectionId connection, ErrorCode why);

  SimLoop& loop_;
  std::map<std::string, FakeTransport*> listeners_;
  std::map<ConnectionId, Pipe> pipes_;  // by the sending end's number
  ConnectionId last_connection_ = 0;
};

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakeNetwork& network) : network_(network) {}
  ~FakeTransport() override;

  void set_sink(TransportSink& sink) override { sink_ = &sink; }
  Result<std::string> listen(const std::string& address) override;
  Status connect(const std::string& address, uint64_t op_id) override;
  void disconnect(ConnectionId connection) override;
  Status register_memory(std::span<std::byte> arena) override;
  Status post_receive(std::span<std::byte> buffer, uint64_t op_id) override;
  Status send(ConnectionId connection, std::span<const std::byte> header,
              std::span<const std::span<const std::byte>> slices, uint64_t op_id) override;

  std::string peer_name(ConnectionId) const override { return proven; }

  std::string proven;  // what all its peers have proven to be
  bool refuse_posts = false;
  int connect_count = 0;
  size_t posted_count() const { return posted_.size(); }
  size_t connection_count() const;

 private:
  friend class FakeNetwork;
  void arrived(const std::string& address, uint64_t op_id);

  FakeNetwork& network_;
  TransportSink* sink_ = nullptr;
  std::span<std::byte> arena_;
  std::multimap<size_t, std::pair<std::byte*, uint64_t>> posted_;  // by size
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace varve
