#include "tests/tools/stamp/history.h"

#include <deque>
#include <random>
#include <unordered_set>
#include <utility>

#include "core/base/text.h"

namespace varve {
namespace {

constexpr uint32_t kVersion = 1;

Status mismatch(const std::string& path, std::string_view export_name, uint64_t block_count) {
  return {ErrorCode::kInvalidArgument,
          text("journal ", path, " was not made for volume \"", export_name, "\" of ", block_count,
               " blocks; give another --journal file")};
}

uint64_t random_id() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

bool covers(const Record& record, uint64_t block) {
  return block >= record.block && block < record.block + record.count;
}

std::string line_of(const Record& record, uint64_t block) {
  std::string head = text("  tick ", record.tick, "  session ", record.session, "  ");
  switch (record.kind) {
    case RecordKind::kSession:
      return text(head, "connected", record.op == 1 ? ", older sessions are fenced" : "");
    case RecordKind::kSent:
      return text(head, op_kind_name(record.op_kind), " ", record.op, " sent for blocks ",
                  record.block, " to ", record.block + record.count - 1);
    case RecordKind::kAnswer:
      return text(head, "operation ", record.op,
                  record.count == 0 ? std::string(" acknowledged")
                                    : text(" refused, errno ", record.count));
    case RecordKind::kSeen:
      return text(head, "block ", block, " read as ",
                  record.op == 0 ? std::string("zeroes") : text("write ", record.op));
    case RecordKind::kHeader:
      break;
  }
  return head;
}

}  // namespace

Result<History> History::open(const std::string& path, std::string_view export_name,
                              uint64_t block_count) {
  Result<Journal> journal = Journal::open(path);
  if (!journal.ok()) return journal.status();
  History history(std::move(*journal), block_count);
  VARVE_TRY(history.replay(export_name));
  return history;
}

Status History::replay(std::string_view export_name) {
  const uint64_t block_count = checker_.block_count();
  const uint64_t hash = volume_hash(export_name);
  const std::vector<Record> records = journal_.take_records();
  if (records.empty()) {
    owner_ = {.volume_hash = hash, .journal_id = random_id()};
    journal_.append({.kind = RecordKind::kHeader,
                     .count = kVersion,
                     .op = owner_.journal_id,
                     .block = block_count,
                     .other = hash});
    return journal_.flush();
  }
  const Record& header = records.front();
  if (header.kind != RecordKind::kHeader || header.count != kVersion || header.other != hash ||
      header.block != block_count) {
    return mismatch(path(), export_name, block_count);
  }
  owner_ = {.volume_hash = hash, .journal_id = header.op};
  for (const Record& record : records) apply(record);
  return {};
}

void History::apply(const Record& record) {
  tick_ = record.tick;
  switch (record.kind) {
    case RecordKind::kHeader:
      break;
    case RecordKind::kSession:
      session_ = record.session;
      server_pid_ = record.other;
      if (record.op == 1) checker_.fence(record.tick);
      break;
    case RecordKind::kSent:
      op_ = record.op;
      checker_.write_sent(
          record.op, {record.block, record.count},
          record.op_kind == OpKind::kWrite ? WriteValue::kStamp : WriteValue::kZeroes, record.tick);
      break;
    case RecordKind::kAnswer:
      if (record.count == 0) checker_.write_acknowledged(record.op, record.tick);
      break;
    case RecordKind::kSeen:
      checker_.block_read(record.block, record.op, record.other, record.tick);
      break;
  }
}

void History::session_started(uint64_t server_pid, bool server_was_away) {
  const bool other_server = server_pid != 0 && server_pid_ != 0 && server_pid != server_pid_;
  const Record record{.kind = RecordKind::kSession,
                      .session = session_ + 1,
                      .tick = tick_ + 1,
                      .op = server_was_away || other_server ? 1u : 0u,
                      .other = server_pid};
  journal_.append(record);
  apply(record);
}

uint64_t History::write_sent(OpKind kind, BlockRange range) {
  const Record record{.kind = RecordKind::kSent,
                      .op_kind = kind,
                      .session = session_,
                      .count = static_cast<uint32_t>(range.count),
                      .tick = tick_ + 1,
                      .op = op_ + 1,
                      .block = range.first};
  journal_.append(record);
  apply(record);
  return record.op;
}

void History::write_answered(uint64_t op, int error_number) {
  const Record record{.kind = RecordKind::kAnswer,
                      .session = session_,
                      .count = static_cast<uint32_t>(error_number),
                      .tick = tick_ + 1,
                      .op = op};
  journal_.append(record);
  apply(record);
}

uint64_t History::read_sent(BlockRange range) {
  checker_.read_sent(range);
  return ++tick_;
}

Finding History::block_read(uint64_t block, std::span<const std::byte> bytes, uint64_t sent_tick) {
  const Inspection inspection = inspect_block(bytes, owner_, block);
  switch (inspection.content) {
    case BlockContent::kTorn:
      return {"torn", inspection.detail};
    case BlockContent::kMixed:
      return {"mixed", inspection.detail};
    case BlockContent::kForeign:
      return {"foreign", inspection.detail};
    case BlockContent::kZeroes:
    case BlockContent::kStamp:
      break;
  }
  const uint64_t tick = ++tick_;
  const Verdict verdict = checker_.block_read(block, inspection.op, sent_tick, tick);
  if (verdict.violation != Violation::kNone) {
    return {violation_name(verdict.violation),
            inspection.op == 0 ? "zeroes" : text("write ", inspection.op)};
  }
  if (verdict.learned) {
    journal_.append({.kind = RecordKind::kSeen,
                     .session = session_,
                     .tick = tick,
                     .op = inspection.op,
                     .block = block,
                     .other = sent_tick});
  }
  return {};
}

std::string block_history(const std::string& journal_path, uint64_t block, size_t line_count_max) {
  const Result<std::vector<Record>> records = read_journal(journal_path);
  if (!records.ok()) return text("  ", records.status().message(), "\n");
  std::unordered_set<uint64_t> ops;
  std::deque<std::string> lines;
  for (const Record& record : *records) {
    const bool about_block = record.kind == RecordKind::kSession ||
                             (record.kind == RecordKind::kSent && covers(record, block)) ||
                             (record.kind == RecordKind::kAnswer && ops.contains(record.op)) ||
                             (record.kind == RecordKind::kSeen && record.block == block);
    if (!about_block) continue;
    if (record.kind == RecordKind::kSent) ops.insert(record.op);
    lines.push_back(line_of(record, block));
    if (lines.size() > line_count_max) lines.pop_front();
  }
  std::string out;
  for (const std::string& line : lines) out += line + "\n";
  return out;
}

}  // namespace varve
