// Every record of the metadata store from arbitrary bytes: an error in words, or a record whose
// text is the input, byte for byte. The addresses in a node's record, which may be any words: each
// is whole, and those that say their transport are the same when they are written and read again.
// The first byte chooses the kind.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/cluster/cluster_record.h"
#include "core/cluster/cluster_volume.h"
#include "core/cluster/group_record.h"
#include "core/cluster/node_record.h"
#include "core/cluster/record_key.h"
#include "core/net/peer_address.h"

namespace {

template <typename Decoder, typename Encoder>
void check(std::string_view text, const Decoder& decode, const Encoder& encode) {
  const auto record = decode(text);
  if (!record.ok()) {
    if (record.status().message().size() < 8) std::abort();
    return;
  }
  if (encode(*record) != text) std::abort();
}

void check_addresses(std::string_view words) {
  std::vector<varve::PeerAddress> addresses = varve::parse_peer_addresses(words);
  for (const varve::PeerAddress& one : addresses)
    if ((one.transport + one.address).find(' ') != std::string::npos) std::abort();
  std::erase_if(addresses, [](const auto& one) { return one.transport.empty(); });
  if (varve::parse_peer_addresses(peer_addresses_text(addresses)) != addresses) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'a':
      check_addresses(text);
      break;
    case 'c':
      check(text, decode_cluster_record, encode_cluster_record);
      break;
    case 'p':
      check(text, decode_planner_record, encode_planner_record);
      break;
    case 'm':
      check(text, decode_move_record, encode_move_record);
      break;
    case 'n':
      check(text, decode_node_record, encode_node_record);
      break;
    case 'd':
      check(text, decode_disk_group_record, encode_disk_group_record);
      break;
    case 'g':
      check(text, decode_group_record, encode_group_record);
      break;
    case 'v':
      check(text, decode_cluster_volume, encode_cluster_volume);
      break;
    default:
      if (const auto id = parse_id_value(text); id && id_value(VolumeId{*id}) != text) std::abort();
  }
  return 0;
}
