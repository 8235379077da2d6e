// Journal: what stamp did and what it was told, in a file outside the store under test.
//
// Fixed records, appended with one write(2) per group: a write is recorded before it is sent, its
// acknowledgement after it came, and what reads ruled out. So the file survives a kill of stamp
// itself (an unrecorded acknowledgement only makes the check more lenient); it is not meant to
// survive a crash of the machine it lies on. Ticks order the records.
//
// Thread rule: one thread. One process at a time holds a journal (a file lock).
// Errors: Status with a sentence that names the file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/base/error.h"

namespace varve {

enum class RecordKind : uint8_t {
  kHeader = 1,  // op: journal id; block: block count; other: volume hash; count: format version
  kSession,     // connected. op: 1 when everything unanswered is fenced; other: the server's pid
  kSent,        // op, block, count, op_kind
  kAnswer,      // op; count: 0 acknowledged, else the errno
  kSeen,        // a read ruled something out. op: value; block; other: tick of the read's sending
};

enum class OpKind : uint8_t { kWrite, kRead, kTrim, kZero, kFlush };
const char* op_kind_name(OpKind kind);

struct Record {
  uint32_t crc = 0;  // of all bytes behind it; set by append
  RecordKind kind = RecordKind::kHeader;
  OpKind op_kind = OpKind::kWrite;
  uint16_t reserved = 0;
  uint32_t session = 0;
  uint32_t count = 0;
  uint64_t tick = 0;
  uint64_t op = 0;
  uint64_t block = 0;
  uint64_t other = 0;
};
static_assert(sizeof(Record) == 48);

class Journal {
 public:
  // Opens or creates the file and locks it. A record cut off at the end (stamp was killed) is cut
  // away. kBusy: another stamp holds it. kDamaged: a bad record before the end.
  static Result<Journal> open(const std::string& path);
  Journal(Journal&& other) noexcept;
  Journal& operator=(Journal&&) = delete;
  ~Journal();

  // All records there were when it was opened.
  std::vector<Record> take_records() { return std::move(records_); }
  // Gathers; flush() writes what was gathered, in order.
  void append(Record record);
  Status flush();

  const std::string& path() const { return path_; }

 private:
  Journal(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}
  Status load();

  std::string path_;
  int fd_;
  std::vector<Record> records_;
  std::vector<Record> gathered_;
};

// The file's records, without taking the lock.
Result<std::vector<Record>> read_journal(const std::string& path);

}  // namespace varve
