// SendTable: messages whose memory is with the transport.
//
// An OutgoingMessage lives in the frame of the task that sends it, or waits for its turn. A header
// is copied by the transport, so only one with slices stays in the table until sent().
//
// Thread rule: one shard's thread. Ownership: runtime and transports are borrowed. The destructors
// require that nothing is with the transport.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <span>

#include "core/net/transport_set.h"
#include "core/runtime/runtime.h"
#include "core/runtime/task.h"
#include "core/runtime/wait_list.h"
#include "core/wire/message_header.h"

namespace varve {

using Slices = std::span<const std::span<const std::byte>>;

struct OutgoingMessage {
  explicit OutgoingMessage(RunQueue& ready) : changed(ready) {}
  // REQUIRES at most kMessageSlicesMax slices; their bytes are the payload's.
  void encode(Message message, Slices slices);

  MessageType type{};
  MessageBytes bytes;
  size_t byte_count = 0;
  std::array<std::span<const std::byte>, kMessageSlicesMax> slices;
  size_t slice_count = 0;
  uint32_t payload_bytes = 0;
  uint64_t op_id = 0;
  ConnectionId connection = 0;
  bool with_transport = false;  // its slices are
  bool memory_wanted = false;   // somebody waits until they are not
  WaitList changed;             // woken when it is ended, sent, or the wanted memory is back
  boost::intrusive::list_member_hook<> queue_hook;
  boost::intrusive::set_member_hook<> table_hook;
};

using MessageQueue = boost::intrusive::list<
    OutgoingMessage,
    boost::intrusive::member_hook<OutgoingMessage, boost::intrusive::list_member_hook<>,
                                  &OutgoingMessage::queue_hook>>;

class SendTable {
 public:
  SendTable(Runtime& runtime, TransportSet& transports)
      : runtime_(runtime), transports_(transports) {}
  ~SendTable() { VARVE_CHECK(table_.empty()); }

  // As TransportSet::send.
  Status send(ConnectionId connection, OutgoingMessage& message);
  void sent(uint64_t op_id);
  // Ends when the slices are the sender's again; at the deadline closes the connection for that.
  Task<void> memory_back(OutgoingMessage& message, uint64_t deadline_ns);

 private:
  struct OpIdOf {
    using type = uint64_t;
    type operator()(const OutgoingMessage& message) const { return message.op_id; }
  };

  Runtime& runtime_;
  TransportSet& transports_;
  uint64_t op_id_ = 0;
  boost::intrusive::set<
      OutgoingMessage,
      boost::intrusive::member_hook<OutgoingMessage, boost::intrusive::set_member_hook<>,
                                    &OutgoingMessage::table_hook>,
      boost::intrusive::key_of_value<OpIdOf>>
      table_;
};

}  // namespace varve
