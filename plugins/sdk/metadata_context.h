// Context: one shard's side of a metadata plugin. Checks calls, copies what they bring, fills in
// events.
//
// Thread rule: the shard's thread. Ownership: borrows the instance's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/abi/metadata.h"
#include "plugins/sdk/metadata_calls.h"
#include "plugins/sdk/metadata_mailbox.h"

namespace varve {

class Context {
 public:
  Context(MetadataThread& thread, uint32_t calls_max)
      : thread_(thread), mailbox_(std::make_shared<Mailbox>(calls_max)) {}
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  bool valid() const { return mailbox_->valid(); }
  int32_t range(varve_bytes prefix, uint64_t op_id);
  int32_t commit(const varve_compare* compares, uint32_t compare_count, const varve_put* puts,
                 uint32_t put_count, uint64_t op_id);
  int32_t watch(varve_bytes prefix, uint64_t revision, uint64_t op_id);
  int32_t unwatch(uint64_t op_id);
  int32_t poll(varve_metadata_event* events, uint32_t capacity);
  bool arm() { return !mailbox_->empty(); }
  int wait_fd() const { return mailbox_->wait_fd(); }

 private:
  MetadataThread& thread_;
  std::shared_ptr<Mailbox> mailbox_;
  // What the events of the last poll point at.
  std::vector<Letter> letters_;
  std::vector<std::vector<varve_key_value>> entries_;
};

// False: longer than allowed, or not there.
inline bool copy_bytes(varve_bytes from, uint64_t bytes_min, uint64_t bytes_max,
                       std::string& into) {
  if (from.bytes < bytes_min || from.bytes > bytes_max) return false;
  if (from.bytes > 0 && from.data == nullptr) return false;
  if (from.bytes > 0) into.assign(static_cast<const char*>(from.data), from.bytes);
  return true;
}

inline bool copy_key(varve_bytes from, std::string& into) {
  return copy_bytes(from, 1, VARVE_KEY_BYTES_MAX, into);
}

inline bool copy_transaction(std::span<const varve_compare> compares,
                             std::span<const varve_put> puts, Transaction& into) {
  for (const varve_compare& compare : compares) {
    Compare& copied = into.compares.emplace_back();
    copied.revision = compare.revision;
    if (!copy_key(compare.key, copied.key)) return false;
  }
  std::set<std::string_view> keys;
  into.puts.reserve(puts.size());
  for (const varve_put& put : puts) {
    Put& copied = into.puts.emplace_back();
    copied.remove = put.flags == VARVE_PUT_DELETE;
    if ((put.flags & ~VARVE_PUT_DELETE) != 0 || !copy_key(put.key, copied.key)) return false;
    if (!copied.remove && !copy_bytes(put.value, 0, VARVE_VALUE_BYTES_MAX, copied.value))
      return false;
    if (!keys.insert(copied.key).second) return false;
  }
  return true;
}

inline varve_bytes bytes_of(const std::string& text) {
  return {text.data(), text.size()};
}

inline Context::~Context() {
  mailbox_->close();
  thread_.push(Request{});
}

inline int32_t Context::range(varve_bytes prefix, uint64_t op_id) {
  Request request{.kind = Request::Kind::kRange, .mailbox = mailbox_, .op_id = op_id};
  if (!copy_bytes(prefix, 0, VARVE_KEY_BYTES_MAX, request.prefix)) return VARVE_E_INVALID;
  if (!mailbox_->begin_call()) return VARVE_E_AGAIN;
  thread_.push(std::move(request));
  return VARVE_OK;
}

inline int32_t Context::commit(const varve_compare* compares, uint32_t compare_count,
                               const varve_put* puts, uint32_t put_count, uint64_t op_id) {
  if (compare_count > VARVE_TXN_ENTRIES_MAX || put_count > VARVE_TXN_ENTRIES_MAX ||
      (compare_count > 0 && compares == nullptr) || (put_count > 0 && puts == nullptr))
    return VARVE_E_INVALID;
  Request request{.kind = Request::Kind::kCommit, .mailbox = mailbox_, .op_id = op_id};
  if (!copy_transaction({compares, compare_count}, {puts, put_count}, request.transaction))
    return VARVE_E_INVALID;
  if (!mailbox_->begin_call()) return VARVE_E_AGAIN;
  thread_.push(std::move(request));
  return VARVE_OK;
}

inline int32_t Context::watch(varve_bytes prefix, uint64_t revision, uint64_t op_id) {
  Request request{.kind = Request::Kind::kWatch, .mailbox = mailbox_, .op_id = op_id};
  request.revision = revision;
  if (!copy_bytes(prefix, 0, VARVE_KEY_BYTES_MAX, request.prefix)) return VARVE_E_INVALID;
  request.watch = mailbox_->add_watch(op_id);
  if (request.watch == 0) return VARVE_E_INVALID;
  thread_.push(std::move(request));
  return VARVE_OK;
}

inline int32_t Context::unwatch(uint64_t op_id) {
  Request request{.kind = Request::Kind::kUnwatch, .mailbox = mailbox_, .op_id = op_id};
  request.watch = mailbox_->remove_watch(op_id);
  if (request.watch == 0) return VARVE_E_NOT_FOUND;
  thread_.push(std::move(request));
  return VARVE_OK;
}

inline int32_t Context::poll(varve_metadata_event* events, uint32_t capacity) {
  bool behind = false;
  letters_ = mailbox_->take(capacity, behind);
  entries_.clear();
  for (size_t i = 0; i < letters_.size(); ++i) {
    const Letter& letter = letters_[i];
    std::vector<varve_key_value>& entries = entries_.emplace_back();
    for (const Entry& entry : letter.answer.entries) {
      entries.push_back({bytes_of(entry.key), bytes_of(entry.value), entry.revision,
                         entry.deleted ? VARVE_KEY_DELETED : 0, 0});
    }
    varve_metadata_event& event = events[i];
    event = {};
    event.kind = letter.kind;
    event.result = letter.result;
    event.op_id = letter.op_id;
    event.revision = letter.answer.revision;
    event.succeeded = letter.answer.succeeded ? 1 : 0;
    event.count = static_cast<uint32_t>(entries.size());
    event.entries = entries.data();
  }
  if (behind) thread_.push(Request{.kind = Request::Kind::kLook});
  return static_cast<int32_t>(letters_.size());
}

}  // namespace varve
