// PeerWays: the ways to one other node, most wanted first, and how each fared. A way is a transport
// that both nodes have, and the node's address on it.
//
// A way that failed waits before it is tried again, and stands behind those that did not. So does,
// for much longer, one that carries short messages and loses long ones.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/net/peer_address.h"
#include "core/net/transport_set.h"

namespace varve {

struct Way {
  size_t transport = 0;  // its place in the set
  std::string address;
  bool operator==(const Way&) const = default;
};

class PeerWays {
 public:
  explicit PeerWays(const TransportSet& transports) : transports_(transports) {}

  // False: nothing has changed. What is new counts as not tried yet.
  bool set(const std::vector<PeerAddress>& addresses);
  bool empty() const { return ways_.empty(); }
  size_t count() const { return ways_.size(); }
  const Way& at(size_t rank) const { return ways_[rank].way; }
  // 0 is the most wanted one; count(): it is none of them any more.
  size_t rank(const Way& way) const;
  // The way to try now, or null: then `*next_ns` says when there is one.
  const Way* due(uint64_t now_ns, uint64_t* next_ns) const;

  // It was tried, or its connection was lost before it was of any use.
  void failed(const Way& way, std::string_view why, uint64_t now_ns);
  // A connection was made; it keeps the pause that it has until worked().
  void made(const Way& way);
  void worked(const Way& way);
  // A payload of so many bytes went over it.
  void carried(const Way& way, uint32_t bytes);
  // A connection that had worked has ended while a payload of so many bytes, longer than any that
  // it had carried, was on its way. True: that happened so often that the way is left alone.
  bool lost_long(const Way& way, uint32_t bytes, uint64_t now_ns);
  bool is_left_alone(size_t rank, uint64_t now_ns) const {
    return now_ns < ways_[rank].left_alone_until_ns;
  }

  // Why `way`, and none that this node wants more: a reason for each of those; empty for the most
  // wanted one.
  std::string why_not_better(const Way& way) const;
  // Why there is no way at all, in words; empty when there is one, or the node has no address.
  std::string why_none() const;

 private:
  struct Entry {
    Way way;
    std::string failure;  // of the last attempt
    uint64_t pause_ns = 0;
    uint64_t retry_at_ns = 0;
    uint32_t lost_count = 0;  // connections with a payload of lost_bytes or more on its way
    uint32_t lost_bytes = 0;
    uint64_t left_alone_until_ns = 0;
  };
  Entry* find(const Way& way);

  const TransportSet& transports_;
  std::vector<PeerAddress> addresses_;
  std::vector<Entry> ways_;
};

}  // namespace varve
