#include "plugins/metadata_sqlite/context.h"

#include <set>
#include <span>
#include <string>

namespace varve {
namespace {

// False: longer than allowed, or not there.
bool copy(varve_bytes from, uint64_t bytes_min, uint64_t bytes_max, std::string& into) {
  if (from.bytes < bytes_min || from.bytes > bytes_max) return false;
  if (from.bytes > 0 && from.data == nullptr) return false;
  if (from.bytes > 0) into.assign(static_cast<const char*>(from.data), from.bytes);
  return true;
}

bool copy_key(varve_bytes from, std::string& into) {
  return copy(from, 1, VARVE_KEY_BYTES_MAX, into);
}

bool copy_transaction(std::span<const varve_compare> compares, std::span<const varve_put> puts,
                      Transaction& into) {
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
    if (!copied.remove && !copy(put.value, 0, VARVE_VALUE_BYTES_MAX, copied.value)) return false;
    if (!keys.insert(copied.key).second) return false;
  }
  return true;
}

varve_bytes bytes_of(const std::string& text) {
  return {text.data(), text.size()};
}

}  // namespace

Context::~Context() {
  mailbox_->close();
}

int32_t Context::range(varve_bytes prefix, uint64_t op_id) {
  Request request{.kind = Request::Kind::kRange, .mailbox = mailbox_, .op_id = op_id};
  if (!copy(prefix, 0, VARVE_KEY_BYTES_MAX, request.prefix)) return VARVE_E_INVALID;
  if (!mailbox_->begin_call()) return VARVE_E_AGAIN;
  thread_.push(std::move(request));
  return VARVE_OK;
}

int32_t Context::commit(const varve_compare* compares, uint32_t compare_count,
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

int32_t Context::watch(varve_bytes prefix, uint64_t revision, uint64_t op_id) {
  Request request{.kind = Request::Kind::kWatch, .mailbox = mailbox_, .op_id = op_id};
  request.revision = revision;
  if (!copy(prefix, 0, VARVE_KEY_BYTES_MAX, request.prefix)) return VARVE_E_INVALID;
  request.watch = mailbox_->add_watch(op_id);
  if (request.watch == 0) return VARVE_E_INVALID;
  thread_.push(std::move(request));
  return VARVE_OK;
}

int32_t Context::unwatch(uint64_t op_id) {
  Request request{.kind = Request::Kind::kUnwatch, .mailbox = mailbox_, .op_id = op_id};
  request.watch = mailbox_->remove_watch(op_id);
  if (request.watch == 0) return VARVE_E_NOT_FOUND;
  thread_.push(std::move(request));
  return VARVE_OK;
}

int32_t Context::poll(varve_metadata_event* events, uint32_t capacity) {
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
