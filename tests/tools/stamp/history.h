// History: journal and checker together, so that what is checked is always what is on file.
//
// Starting again on an old journal replays it into a checker, which then knows what it knew before.
// Every event goes through here: it gets its tick, a record, and reaches the checker.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "core/base/error.h"
#include "tests/tools/stamp/checker.h"
#include "tests/tools/stamp/journal.h"
#include "tests/tools/stamp/stamp_block.h"

namespace varve {

struct Finding {
  std::string what;     // empty: allowed
  std::string content;  // what the block held
};

class History {
 public:
  // kInvalidArgument: the journal was made for another volume or size.
  static Result<History> open(const std::string& path, std::string_view export_name,
                              uint64_t block_count);

  // A new session: connected, all former connections are gone. `server_pid` 0: unknown. Fences when
  // the former server is known to be dead (`server_was_away`, or another pid).
  void session_started(uint64_t server_pid, bool server_was_away);
  // Records a write, trim or zero and returns its op id.
  uint64_t write_sent(OpKind kind, BlockRange range);
  void write_answered(uint64_t op, int error_number);
  // Returns the tick to give to block_read.
  uint64_t read_sent(BlockRange range);
  // `what` of the finding is empty when the block may hold this.
  Finding block_read(uint64_t block, std::span<const std::byte> bytes, uint64_t sent_tick);
  void read_ended(BlockRange range) { checker_.read_ended(range); }
  // Puts on file what was recorded: before the writes are sent.
  Status flush() { return journal_.flush(); }

  const Checker& checker() const { return checker_; }
  const StampOwner& owner() const { return owner_; }
  const std::string& path() const { return journal_.path(); }
  uint32_t session() const { return session_; }

 private:
  History(Journal journal, uint64_t block_count)
      : journal_(std::move(journal)), checker_(block_count) {}
  Status replay(std::string_view export_name);
  void apply(const Record& record);

  Journal journal_;
  Checker checker_;
  StampOwner owner_;
  uint32_t session_ = 0;
  uint64_t server_pid_ = 0;
  uint64_t tick_ = 0;
  uint64_t op_ = 0;
};

// The last lines of one block's life, from the journal file, for the report of a violation.
std::string block_history(const std::string& journal_path, uint64_t block, size_t line_count_max);

}  // namespace varve
