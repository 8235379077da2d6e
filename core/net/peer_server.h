// PeerServer: the connections that other nodes have made to this one: Hello, requests to the
// handler in order of arrival, replies back.
//
// A node has one such connection that carries requests: the first request on a newer one ends the
// older ones, whose requests that have not been handed over are dropped. Hello alone ends none, so
// that a node can find out about a connection while the requests go on over another.
//
// Thread rule: one shard's thread. Ownership: core and handler are borrowed. Before the destructor:
// stop(), every connection is closed, no reply is running.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "core/base/ids.h"
#include "core/net/incoming_request.h"
#include "core/net/limits.h"
#include "core/net/peer_endpoint.h"
#include "core/net/send_table.h"
#include "core/runtime/task.h"

namespace varve {

class PeersCore;

class PeerServer final : public PeerEndpoint {
 public:
  explicit PeerServer(PeersCore& core);
  ~PeerServer() override;

  void start(PeerHandler& handler);
  void stop();
  // False: there are too many; the connection is to be closed.
  bool accept(ConnectionId connection);
  // REQUIRES the body and the payload to be the type's; takes the duty at once.
  Task<void> reply(const IncomingRequest& request, ErrorCode status,
                   std::span<const std::byte> body, Slices slices);

  void received(ConnectionId connection, std::span<const std::byte> header, uint32_t payload_bytes,
                Payload payload) override;
  void closed(ConnectionId connection, ErrorCode why) override;
  void writable(ConnectionId connection) override;

 private:
  friend class AnswerDuty;
  enum class State : uint8_t { kStranger, kReady, kRefused, kClosing };
  struct Client {
    State state = State::kStranger;
    NodeId node{};
    uint64_t boot = 0;
    uint64_t greeted = 0;  // rises from Hello to Hello
    bool used = false;     // a request has come
    bool blocked = false;  // until the transport says that the connection is writable
    std::array<uint32_t, kMessageTypeCount> unanswered{};
    MessageQueue replies;
  };

  Client* find(ConnectionId connection);
  Status greet(ConnectionId connection, Client& client, const Message& message);
  Status check_hello(ConnectionId connection, const HelloRequest& hello) const;
  void limit_connections(NodeId node);
  void take_place(const Client& newer);
  void refuse(ConnectionId connection, Client& client, const Status& why);
  void answer_hello(ConnectionId connection, ErrorCode status);
  Status take_request(ConnectionId connection, Client& client, const Message& message,
                      Payload& payload);
  void flush(ConnectionId connection, Client& client);
  void close(ConnectionId connection, Client& client, std::string_view why);
  void drop_replies(Client& client);
  void dropped(const AnswerDuty& duty);
  Task<void> send_reply(ConnectionId connection, Message message, Slices slices);
  Task<void> answer_dropped(ConnectionId connection, MessageType type, uint64_t request_id);
  Task<void> hand_over();
  Task<void> watch_strangers();

  PeersCore& core_;
  PeerHandler* handler_ = nullptr;
  bool stopped_ = false;
  bool watching_ = false;
  std::map<ConnectionId, Client> clients_;
  uint64_t greeting_count_ = 0;
  std::deque<std::pair<uint64_t, ConnectionId>> strangers_;  // deadline, in order
  std::vector<IncomingRequest> arrived_;  // at most kRequestsOfTypeMax a type and connection
  std::vector<IncomingRequest> handed_over_;
  WaitList changed_;  // something has arrived, or stopped
  WaitList stop_wanted_;
};

}  // namespace varve
