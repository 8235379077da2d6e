// RdmaConnection: one peer, over one reliable queue pair. Sends become frames in the peer's slots,
// frames in our slots become RECEIVED events.
//
// A payload that fits into a slot goes with its header and is copied into a posted buffer when one
// is found. A longer one is copied into the staging memory, which is all that the peer may read,
// and the peer reads it straight into its buffer when it has one. A peer holds `window` messages at
// most; it says in every frame how many more it is done with.
//
// Where the node has [tls], a connection begins with a handshake (session.h). The host knows
// nothing of it until its peer has proven who it is; from then on every frame is sealed, and every
// payload that is read (authenticator.h).
//
// Its completions come through a queue of its own. The context gives turns to the connections whose
// queue is not armed, and arms them before its host sleeps.
//
// Thread rule: the shard's thread. Ownership: owns its manager id and all memory of its slots, and
// the buffers that payloads are arriving in; borrows shard and device, which outlive it.
// Errors: whatever goes wrong ends the connection with one log line; every send then gets its
// OP_DONE, and CLOSED is the last event.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>

#include "transports/rdma/authenticator.h"
#include "transports/rdma/device.h"
#include "transports/rdma/frame.h"
#include "transports/rdma/limits.h"
#include "transports/rdma/session.h"
#include "transports/rdma/shard.h"
#include "transports/rdma/staging_ring.h"

namespace varve {

// What a completion was asked for: the upper half of its work id; the lower one is an index.
enum class Work : uint32_t { kReceive = 1, kMessage, kNews, kRead, kProbe };

constexpr uint64_t work_id(Work work, uint32_t index) {
  return uint64_t{static_cast<uint32_t>(work)} << 32 | index;
}

class RdmaConnection {
 public:
  // `peer` is its name in the log.
  RdmaConnection(RdmaShard& shard, CmId id, uint64_t number, std::string peer);
  // Ends it without a word.
  ~RdmaConnection();
  RdmaConnection(const RdmaConnection&) = delete;
  RdmaConnection& operator=(const RdmaConnection&) = delete;

  // Before it is made: everything that it needs, receives posted. What is wrong, or empty.
  std::string prepare(RdmaDevice& device);
  // Asks the peer that the id was resolved to, or accepts the one that has asked; 0 or -1 and
  // errno.
  int ask();
  int accept(uint8_t peer_asks_depth, uint8_t peer_asked_depth);
  // Does not want the one that has asked.
  void reject();
  // What is wrong with the peer's greeting, or null.
  const char* greeted(std::span<const uint8_t> greeting);
  // The two are connected, greeted() was fine. From now on it has turns. With credentials they find
  // out first who the other is; `asked`: by this side.
  void begin(std::shared_ptr<const TlsCredentials> credentials, bool asked);
  // The peer may be reported to the host: it has proven its name, or needs none.
  bool proven() const { return begun_ && session_ == nullptr && !over_; }
  const std::string& peer_name() const { return peer_name_; }  // empty: none is proven
  // The host was told of it.
  void reported() { made_ = work_ = true; }

  int32_t send(const varve_message& message, uint32_t payload_bytes, uint64_t op_id);
  // The connection manager's news that it is over; what has arrived is still handed out.
  void lose(int32_t why, const char* what);
  // Takes completions, hands messages out. Afterwards over(), or has_work(): another turn is due
  // without news.
  void turn();
  // The next completion makes the device's channel readable. False: there were some already.
  bool arm();
  // The host wants no more of it: the next turn ends it.
  void disconnect() { leaving_ = work_ = true; }
  // To be called now and then: when nothing was heard since the last time, the peer is asked.
  void check_alive();
  // At once.
  void end(int32_t why, const char* what);
  void want_turn() { work_ = true; }

  rdma_cm_id* id() const { return id_.get(); }
  uint64_t number() const { return number_; }
  const std::string& peer() const { return peer_; }
  const RdmaDevice* device() const { return device_; }
  bool begun() const { return begun_; }
  bool made() const { return made_; }  // the host knows it
  bool over() const { return over_; }
  bool leaving() const { return leaving_ || over_; }
  bool has_work() const { return work_; }
  // Waits until a buffer is posted.
  bool lacks_buffer() const { return lacks_buffer_; }

  bool awake = false;    // its queue is not armed; the context's own mark
  bool in_line = false;  // for a buffer; the context's own mark

 private:
  // A message that we have sent. It keeps its slot until it has left and the peer is done with it.
  struct Outgoing {
    uint64_t op_id = 0;
    size_t staged_bytes = 0;  // 0: its payload went with it
    bool told = true;         // the host knows how it ended
  };
  // A message that has come. It keeps its slot until the host has it.
  struct Incoming {
    uint32_t slot = 0;
    Frame frame;
    Authenticator::PayloadSeal seal;
    ReceiveBuffer buffer;
    bool whole = false;
  };

  Greeting own_greeting() const;
  rdma_conn_param parameters(uint8_t* greeting) const;
  uint8_t* receive_slot(uint32_t slot) const;
  uint8_t* send_slot(uint32_t slot) const;
  bool post_receive(uint32_t slot);
  bool post_frame(uint8_t* at, uint32_t bytes, std::span<const uint8_t> staged, uint64_t work_id);
  bool post_send(const uint8_t* from, uint32_t bytes, uint64_t work_id);
  bool post_read(uint32_t index);

  void shake(bool more);
  void send_handshake();
  void peer_is_proven();
  const char* handshake_arrived(uint32_t slot, std::span<const uint8_t> sent);

  bool drain();
  void completed(const ibv_wc& completion);
  void failed(const ibv_wc& completion);
  void message_left();
  void frame_arrived(uint32_t slot, uint32_t bytes);
  void payload_arrived(Incoming& incoming);
  void damaged(const char* what);
  bool peer_freed(uint32_t count);
  void tell_done(Outgoing& outgoing, int32_t result);
  void place_all();
  bool place(Incoming& incoming, uint32_t index);
  void hand_out();
  bool next_is_whole() const;
  void announce();
  bool has_news_slot() const { return news_sent_ - news_left_ < kNewsSlots; }
  void send_news();

  bool open_staging();
  bool room_for(uint32_t payload_bytes) const;
  void stage(const varve_message& message, uint8_t* to);
  void tell_room();
  void release();

  RdmaShard& shard_;
  const CmId id_;
  const uint64_t number_;
  const std::string peer_;
  RdmaDevice* device_ = nullptr;
  Pages slots_;
  MemoryRegion slots_region_;
  Pages staging_memory_;
  MemoryRegion staging_region_;
  CompletionQueue completions_;  // after the queue pair, which is the id's

  Greeting peer_greeting_;
  std::unique_ptr<RdmaSession> session_;  // until the peer has proven who it is
  std::unique_ptr<Authenticator> authenticator_;
  std::string peer_name_;

  bool begun_ = false;
  bool made_ = false;
  bool over_ = false;
  bool leaving_ = false;
  bool work_ = false;
  bool heard_ = false;    // since the last check_alive()
  bool probing_ = false;  // the peer was asked and has not answered
  uint32_t silent_checks_ = 0;
  bool deaf_ = false;  // something wrong has arrived: nothing behind it counts
  int32_t lost_why_ = VARVE_OK;
  const char* lost_what_ = nullptr;

  uint32_t window_ = 0;
  uint32_t eager_bytes_ = 0;
  // Of the messages sent: all, those that have left, those that the peer is done with.
  uint32_t sent_ = 0;
  uint32_t left_ = 0;
  uint32_t freed_by_peer_ = 0;
  std::array<Outgoing, kSlots> outgoing_;
  StagingRing staging_{kStagingBytes};
  uint32_t news_sent_ = 0;
  uint32_t news_left_ = 0;
  bool wants_room_ = false;  // a send was refused
  uint32_t refused_bytes_ = 0;

  // Of the messages that have come: all, those that have a buffer, those that the host has.
  uint32_t arrived_ = 0;
  uint32_t placed_ = 0;
  uint32_t handed_out_ = 0;
  std::array<Incoming, kSlots> incoming_;
  bool lacks_buffer_ = false;
  uint32_t freed_ = 0;         // not told the peer yet
  bool freed_staged_ = false;  // among them one that the peer holds memory for
};

}  // namespace varve
