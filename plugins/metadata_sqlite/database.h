// Database: the store's tables in one SQLite file, shared with the other daemons of this machine.
//
//     store    one row: the revision; up to which revision deletes may have been forgotten
//     keys     key, value, revision of the last change
//     deletes  key, revision: the last deletes, for watches
//
// WAL with synchronous=FULL: when COMMIT returns, a power cut does not undo it. No call waits for a
// lock: kBusy comes back and the caller decides.
//
// Thread rule: one thread, also for open and the destructor.
// Errors: trouble() says in words what was wrong after kFailed and kUnknown.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "plugins/metadata_sqlite/options.h"
#include "plugins/sdk/metadata_calls.h"

struct sqlite3;
struct sqlite3_stmt;

namespace varve {

enum class Outcome {
  kDone,
  kBusy,     // somebody else holds a lock; nothing was done
  kFailed,   // nothing was done and nothing will be
  kUnknown,  // commit only: it may have been applied
};

class Database {
 public:
  // Makes the file when there is none, unless it is to be used exclusively. On failure null, and
  // `why` says what an operator must know.
  static std::unique_ptr<Database> open(const SqliteOptions& options, std::string& why);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  Outcome revision(uint64_t& revision);
  Outcome range(const std::string& prefix, Answer& answer);
  Outcome commit(const Transaction& transaction, Answer& answer);
  // What changed under `prefix` after `after`.
  Outcome changes(const std::string& prefix, uint64_t after, Answer& answer);

  const std::string& trouble() const { return trouble_; }

 private:
  enum Query {
    kBegin,
    kBeginWrite,
    kCommit,
    kRollback,
    kStoreRow,
    kRange,
    kKeyRevision,
    kPut,
    kForgetDelete,
    kDelete,
    kRememberDelete,
    kDeleteCount,
    kOldDelete,
    kTrimDeletes,
    kSetForgotten,
    kSetRevision,
    kChanges,
    kQueryCount
  };
  struct StoreRow {
    uint64_t revision = 0;
    uint64_t forgotten = 0;
  };
  class Run;

  explicit Database(const SqliteOptions& options)
      : path_(options.path), exclusive_(options.exclusive) {}
  std::string open_file();
  std::string look_at_owner(bool& empty);
  // In a transaction, or it may see the file half made by another daemon.
  std::string check_owner(bool& empty);
  std::string make_tables();
  std::string prepare();
  std::string sync_log_and_folder() const;
  bool pragma(const char* sql, std::string& value);

  Outcome begin(Query query);
  void rollback();
  Outcome store_row(StoreRow& row);
  Outcome conditions_hold(const Transaction& transaction, bool& hold);
  Outcome apply(const Transaction& transaction, uint64_t revision, bool& changed);
  Outcome trim_deletes();
  Outcome finish_commit();
  Outcome failed(int code);

  const std::string path_;
  const bool exclusive_;
  sqlite3* handle_ = nullptr;
  std::array<sqlite3_stmt*, kQueryCount> queries_{};
  std::string trouble_;
};

}  // namespace varve
