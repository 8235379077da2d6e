// TransportSide: one context of a transport under test, with memory of its own and a record of what
// it was told. It checks the contract of plugins/abi/transport.h on every event.
//
// Thread rule: one thread. Ownership: the instance outlives its sides.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "plugins/abi/transport.h"

namespace varve {

struct Received {
  uint64_t connection;
  std::string header;
  std::string payload;
  uint64_t buffer_bytes;  // of the posted buffer; 0 without payload
};

class TransportSide {
 public:
  TransportSide(const varve_transport& table, varve_transport_instance* instance);
  // Destroys the context; all memory must stay alone from then on.
  ~TransportSide();
  TransportSide(const TransportSide&) = delete;
  TransportSide& operator=(const TransportSide&) = delete;

  // Where it listens: on what VARVE_TRANSPORT_LISTEN says in the environment, or where the plugin
  // that this program was built for does.
  std::string listen();
  uint64_t connect(const std::string& address);  // the op_id
  void disconnect(uint64_t connection);
  void post(uint64_t bytes);
  // The payload lies in as many slices as there are pieces, each `skew` bytes off its alignment.
  int32_t send(uint64_t connection, const std::string& header,
               const std::vector<std::string>& pieces = {}, size_t skew = 0);

  // A send that the test makes itself.
  void expect_send(uint64_t connection, uint64_t op_id) { sends_[op_id] = {connection, {}}; }

  // Takes events once; how many.
  size_t poll();
  bool arm() { return table_.arm(context_) != 0; }
  int wait_fd() { return table_.wait_fd(context_); }

  varve_transport_context* context() { return context_; }
  // A registered slice of this size.
  varve_slice slice(uint64_t bytes);

  uint32_t poll_capacity = 64;
  bool repost = true;  // each receive buffer at once when its message was taken

  // What has happened.
  std::deque<Received> received;
  std::map<uint64_t, std::pair<int32_t, uint64_t>> connected;  // op_id -> result, connection
  std::vector<uint64_t> accepted;
  std::map<uint64_t, std::string> names;  // connection -> what its peer has proven
  std::map<uint64_t, int32_t> closed;     // connection -> why
  std::set<uint64_t> open;
  std::set<uint64_t> writable;
  size_t sends_accepted = 0;
  size_t sends_ok = 0;
  size_t sends_failed = 0;
  size_t connects_in_flight() const { return connects_.size(); }
  size_t sends_in_flight() const { return sends_.size(); }
  size_t posted() const { return posted_.size(); }

 private:
  struct Send {
    uint64_t connection;
    std::vector<varve_slice> slices;
  };
  void happened(const varve_transport_event& event);
  void message_arrived(const varve_transport_event& event);
  void give_back(const varve_slice& slice);

  const varve_transport& table_;
  varve_transport_context* context_ = nullptr;
  std::unique_ptr<char, decltype(&std::free)> arena_;  // pages that nobody touches cost nothing
  uint64_t memory_ = 0;
  std::map<char*, uint64_t> unused_;  // bytes from there on; neighbours are merged
  uint64_t last_op_id_ = 0;
  std::set<uint64_t> connects_;
  std::map<uint64_t, Send> sends_;
  std::map<uint64_t, varve_slice> posted_;
};

}  // namespace varve
