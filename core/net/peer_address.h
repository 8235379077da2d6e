// PeerAddress: where a node is on one of its transports, and the text in which its record has all
// of them, most wanted first: "fast=10.1.0.1:7071 tcp=10.0.0.1:7071".
//
// Thread rule: plain values.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace varve {

struct PeerAddress {
  std::string transport;  // empty: not known which (a record of a release that had but one)
  std::string address;
  bool operator==(const PeerAddress&) const = default;
};

std::string peer_addresses_text(const std::vector<PeerAddress>& addresses);
// Takes any words: what is no address will not connect.
std::vector<PeerAddress> parse_peer_addresses(std::string_view words);

}  // namespace varve
