// etcd's messages from and to the plugin's own.
//
// Thread rule: plain functions.
#pragma once

#include <cstdint>
#include <string>

#include "plugins/metadata_etcd/server.h"

namespace etcdserverpb {
class Event;
class KeyValue;
class RangeRequest;
class RangeResponse;
class ResponseHeader;
class TxnRequest;
class WatchCreateRequest;
class WatchResponse;
}  // namespace etcdserverpb

namespace varve {

// etcd counts from 1.
uint64_t revision_of(int64_t etcd_revision);
int64_t etcd_revision_of(uint64_t revision);

void write_range(const std::string& key_prefix, const std::string& prefix, const std::string& from,
                 uint64_t as_of, etcdserverpb::RangeRequest& request);
void write_transaction(const std::string& key_prefix, const Transaction& transaction,
                       etcdserverpb::TxnRequest& request);
void write_watch(const std::string& key_prefix, const std::string& prefix, uint64_t revision,
                 etcdserverpb::WatchCreateRequest& request);

void read_header(const etcdserverpb::ResponseHeader& header, Reply& reply);
// `response` is used up.
void read_range(const std::string& key_prefix, etcdserverpb::RangeResponse& response, Reply& reply);
void read_watch(const std::string& key_prefix, etcdserverpb::WatchResponse& response,
                WatchMessage& message);

}  // namespace varve
