#include "plugins/metadata_etcd/codec.h"

#include <etcd.pb.h>

#include <algorithm>
#include <utility>

#include "plugins/metadata_etcd/limits.h"

namespace varve {
namespace {

// The first key behind all that begin with `prefix`, which begins with "/".
std::string end_of(std::string prefix) {
  while (prefix.back() == '\xff') prefix.pop_back();
  prefix.back() = static_cast<char>(static_cast<unsigned char>(prefix.back()) + 1);
  return prefix;
}

void write_span(std::string first, std::string prefix, auto& request) {
  request.set_key(std::move(first));
  request.set_range_end(end_of(std::move(prefix)));
}

// False: Varve cannot have written it.
bool read_entry(const std::string& key_prefix, etcdserverpb::KeyValue& from, Entry& into) {
  if (!from.key().starts_with(key_prefix) || from.mod_revision() < 2) return false;
  into.key = from.key().substr(key_prefix.size());
  into.value = std::move(*from.mutable_value());
  into.revision = revision_of(from.mod_revision());
  return !into.key.empty() && into.key.size() <= VARVE_KEY_BYTES_MAX &&
         into.value.size() <= VARVE_VALUE_BYTES_MAX;
}

}  // namespace

uint64_t revision_of(int64_t etcd_revision) {
  return etcd_revision > 0 ? static_cast<uint64_t>(etcd_revision) - 1 : 0;
}

int64_t etcd_revision_of(uint64_t revision) {
  constexpr uint64_t kLast = (uint64_t{1} << 63) - 3;
  return static_cast<int64_t>(revision < kLast ? revision : kLast) + 1;
}

void write_range(const std::string& key_prefix, const std::string& prefix, const std::string& from,
                 uint64_t as_of, etcdserverpb::RangeRequest& request) {
  write_span(key_prefix + (from.empty() ? prefix : from), key_prefix + prefix, request);
  request.set_limit(kPageKeys);
  if (as_of != 0) request.set_revision(etcd_revision_of(as_of));
}

void write_transaction(const std::string& key_prefix, const Transaction& transaction,
                       etcdserverpb::TxnRequest& request) {
  for (const Compare& compare : transaction.compares) {
    etcdserverpb::Compare& written = *request.add_compare();
    written.set_result(etcdserverpb::Compare::EQUAL);
    written.set_target(etcdserverpb::Compare::MOD);
    written.set_key(key_prefix + compare.key);
    // Of a key that does not exist etcd says 0.
    written.set_mod_revision(compare.revision == 0 ? 0 : etcd_revision_of(compare.revision));
  }
  for (const Put& put : transaction.puts) {
    etcdserverpb::RequestOp& written = *request.add_success();
    if (put.remove) {
      written.mutable_request_delete_range()->set_key(key_prefix + put.key);
    } else {
      written.mutable_request_put()->set_key(key_prefix + put.key);
      written.mutable_request_put()->set_value(put.value);
    }
  }
  if (!transaction.puts.empty()) return;
  // Without any operation etcd answers from what one member happens to know.
  for (etcdserverpb::RequestOp* read : {request.add_success(), request.add_failure()}) {
    read->mutable_request_range()->set_key(key_prefix);
    read->mutable_request_range()->set_count_only(true);
  }
}

void write_watch(const std::string& key_prefix, const std::string& prefix, uint64_t revision,
                 etcdserverpb::WatchCreateRequest& request) {
  write_span(key_prefix + prefix, key_prefix + prefix, request);
  request.set_start_revision(etcd_revision_of(revision) + 1);
  request.set_progress_notify(true);
  request.set_fragment(true);
}

void read_header(const etcdserverpb::ResponseHeader& header, Reply& reply) {
  reply.cluster_id = header.cluster_id();
  reply.raft_term = header.raft_term();
  reply.revision = revision_of(header.revision());
}

void read_range(const std::string& key_prefix, etcdserverpb::RangeResponse& response,
                Reply& reply) {
  read_header(response.header(), reply);
  reply.more = response.more() && response.kvs_size() > 0;
  if (reply.more) {
    const std::string& last = response.kvs(response.kvs_size() - 1).key();
    reply.next = last.substr(std::min(key_prefix.size(), last.size())) + '\0';
  }
  for (etcdserverpb::KeyValue& from : *response.mutable_kvs()) {
    Entry entry;
    if (read_entry(key_prefix, from, entry)) {
      reply.entries.push_back(std::move(entry));
    } else {
      ++reply.strange_count;
    }
  }
}

void read_watch(const std::string& key_prefix, etcdserverpb::WatchResponse& response,
                WatchMessage& message) {
  message.created = response.created();
  message.canceled = response.canceled();
  message.reason = response.cancel_reason();
  message.compacted = revision_of(response.compact_revision());
  message.incomplete = response.fragment();
  message.cluster_id = response.header().cluster_id();
  message.revision = revision_of(response.header().revision());
  for (etcdserverpb::Event& event : *response.mutable_events()) {
    Entry entry;
    if (!read_entry(key_prefix, *event.mutable_kv(), entry)) {
      ++message.strange_count;
      continue;
    }
    entry.deleted = event.type() == etcdserverpb::Event::DELETE;
    if (entry.deleted) entry.value.clear();
    message.entries.push_back(std::move(entry));
  }
}

}  // namespace varve
