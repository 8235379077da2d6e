// TransportSet: the transports of this node, most wanted first, as one: the number of a connection
// says which transport it is of. Each has receive buffers of its own.
//
// A transport that cannot start is not used; the others are.
//
// Thread rule: one shard's thread. Ownership: the transports and the sink are borrowed; destroy the
// transports before this, for they hold receive buffers.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/net/receive_buffers.h"
#include "core/net/transport.h"

namespace varve {

struct NamedTransport {
  std::string name;  // as other nodes know it
  Transport* transport;
};

inline constexpr size_t kTransportsMax = 4;

class TransportSet {
 public:
  // REQUIRES 1 to kTransportsMax transports.
  TransportSet(std::vector<NamedTransport> transports, uint32_t small_buffers,
               uint32_t large_buffers);
  ~TransportSet();

  // The sink is told of all transports' events, with this set's connection numbers. The error: none
  // of them can start.
  Status start(TransportSink& sink);
  // No receive buffers are posted any more.
  void stop();

  size_t count() const { return members_.size(); }
  const std::string& name(size_t index) const;
  bool usable(size_t index) const { return problem(index).empty(); }
  // Why it is not used; empty when it is.
  const std::string& problem(size_t index) const;
  // Begins to accept; returns the address for others. After an error it is not used.
  Result<std::string> listen(size_t index, const std::string& address);

  // As those of Transport.
  Status connect(size_t index, const std::string& address, uint64_t op_id);
  void disconnect(ConnectionId connection);
  std::string peer_name(ConnectionId connection) const;
  Status send(ConnectionId connection, std::span<const std::byte> header,
              std::span<const std::span<const std::byte>> slices, uint64_t op_id);
  // What received() brought on `connection`.
  Payload take(ConnectionId connection, uint64_t buffer, uint32_t payload_bytes);

 private:
  class Member;
  Member& member_of(ConnectionId connection) const;

  std::vector<std::unique_ptr<Member>> members_;
};

}  // namespace varve
