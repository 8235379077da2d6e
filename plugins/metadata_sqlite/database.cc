#include "plugins/metadata_sqlite/database.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "plugins/abi/metadata.h"
#include "plugins/metadata_sqlite/limits.h"
#include "plugins/sdk/host.h"
#include "plugins/sdk/unique_fd.h"

namespace varve {
namespace {

constexpr char kApplicationId[] = "1448236613";  // "VRVE"
constexpr int64_t kSchemaVersion = 1;

constexpr char kTables[] =
    "CREATE TABLE store(one INTEGER PRIMARY KEY CHECK(one = 1), revision INTEGER NOT NULL,"
    "  forgotten INTEGER NOT NULL);"
    "INSERT INTO store VALUES(1, 0, 0);"
    "CREATE TABLE keys(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL,"
    "  revision INTEGER NOT NULL);"
    "CREATE INDEX keys_by_revision ON keys(revision);"
    "CREATE TABLE deletes(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE,"
    "  revision INTEGER NOT NULL);"
    "CREATE INDEX deletes_by_revision ON deletes(revision);"
    "PRAGMA application_id = 1448236613;"
    "PRAGMA user_version = 1;";

// In the order of Database::Query. The last looks by revision: a plus keeps SQLite from going by
// key.
constexpr const char* kQueries[] = {
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
    "SELECT revision, forgotten FROM store",
    R"(SELECT key, value, revision, 0 FROM keys
       WHERE key >= ?1 AND key < ?2 ORDER BY key)",
    "SELECT revision FROM keys WHERE key = ?1",
    R"(INSERT INTO keys(key, value, revision) VALUES(?1, ?2, ?3)
       ON CONFLICT(key) DO UPDATE SET value = excluded.value, revision = excluded.revision)",
    "DELETE FROM deletes WHERE key = ?1",
    "DELETE FROM keys WHERE key = ?1",
    "INSERT INTO deletes(key, revision) VALUES(?1, ?2)",
    "SELECT count(*) FROM deletes",
    "SELECT revision FROM deletes ORDER BY revision DESC LIMIT 1 OFFSET ?1",
    "DELETE FROM deletes WHERE revision <= ?1",
    "UPDATE store SET forgotten = ?1",
    "UPDATE store SET revision = ?1",
    R"(SELECT key, value, revision, 0 FROM keys
       WHERE revision > ?3 AND +key >= ?1 AND +key < ?2
       UNION ALL SELECT key, x'', revision, 1 FROM deletes
       WHERE revision > ?3 AND +key >= ?1 AND +key < ?2
       ORDER BY 3 LIMIT ?4)",
};

// All keys that begin with `prefix` are below this, all that follow them are not.
std::string prefix_end(std::string prefix) {
  while (!prefix.empty()) {
    const auto last = static_cast<unsigned char>(prefix.back());
    if (last != 0xff) {
      prefix.back() = static_cast<char>(last + 1);
      return prefix;
    }
    prefix.pop_back();
  }
  return std::string(VARVE_KEY_BYTES_MAX + 1, '\xff');  // behind every key
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool is_busy(int code) {
  return (code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED ||
         (code & 0xff) == SQLITE_PROTOCOL;
}

}  // namespace

// One use of a prepared statement; reset when it goes.
class Database::Run {
 public:
  Run(Database& database, Query query) : statement_(database.queries_[query]) {}
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;
  ~Run() {
    sqlite3_reset(statement_);
    sqlite3_clear_bindings(statement_);
  }
  // The bytes must stay until this goes.
  Run& bytes(int index, const std::string& value) {
    sqlite3_bind_blob64(statement_, index, value.data(), value.size(), SQLITE_STATIC);
    return *this;
  }
  Run& number(int index, uint64_t value) {
    sqlite3_bind_int64(statement_, index, static_cast<sqlite3_int64>(value));
    return *this;
  }
  int step() { return sqlite3_step(statement_); }
  uint64_t number_at(int column) const {
    return static_cast<uint64_t>(sqlite3_column_int64(statement_, column));
  }
  std::string bytes_at(int column) const {
    const void* data = sqlite3_column_blob(statement_, column);
    const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
    return data == nullptr ? std::string() : std::string(static_cast<const char*>(data), size);
  }
  Entry entry() const { return {bytes_at(0), bytes_at(1), number_at(2), number_at(3) != 0}; }

 private:
  sqlite3_stmt* statement_;
};

std::unique_ptr<Database> Database::open(const SqliteOptions& options, std::string& why) {
  static_assert(std::size(kQueries) == kQueryCount);
  std::unique_ptr<Database> database(new Database(options));
  why = database->open_file();
  if (why.empty()) return database;
  why = join({"path: ", options.path, " ", why});
  return nullptr;
}

Database::~Database() {
  for (sqlite3_stmt* statement : queries_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

std::string Database::open_file() {
  struct stat info{};
  if (stat(folder_of(path_).c_str(), &info) != 0)
    return join({"cannot be made: its folder: ", strerror(errno)});
  const int flags = SQLITE_OPEN_READWRITE | (exclusive_ ? 0 : SQLITE_OPEN_CREATE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_PRIVATECACHE;
  if (sqlite3_open_v2(path_.c_str(), &handle_, flags, nullptr) != SQLITE_OK)
    return join({"cannot be opened: ", sqlite3_errmsg(handle_), " (",
                 strerror(sqlite3_system_errno(handle_)), ")"});
  if (sqlite3_db_readonly(handle_, "main") == 1) return "may not be written by this user";
  // Only here: somebody else may be making the store right now.
  sqlite3_busy_timeout(handle_, static_cast<int>(kLockPatienceMs));
  // Whoever has the file open in the mode of a write-ahead log holds a shared lock on it meanwhile.
  if (exclusive_)
    sqlite3_exec(handle_, "PRAGMA locking_mode = EXCLUSIVE", nullptr, nullptr, nullptr);
  bool empty = false;
  if (std::string wrong = look_at_owner(empty); !wrong.empty()) {
    return exclusive_ && is_busy(sqlite3_errcode(handle_)) ? "is in use by another process" : wrong;
  }
  std::string mode;
  for (uint64_t waited_ms = 0; mode != "wal"; waited_ms += 10) {
    const bool answered = pragma("PRAGMA journal_mode = WAL", mode);
    if (mode == "wal") break;
    if (answered || !is_busy(sqlite3_errcode(handle_)) || waited_ms >= kLockPatienceMs)
      return join({"cannot be used with a write-ahead log: ",
                   answered ? "the file system does not allow it" : sqlite3_errmsg(handle_)});
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  std::string level;
  sqlite3_exec(handle_, "PRAGMA synchronous = FULL", nullptr, nullptr, nullptr);
  if (!pragma("PRAGMA synchronous", level) || level != "2") return "cannot be written durably";
  if (empty) {
    if (std::string wrong = make_tables(); !wrong.empty()) return wrong;
  }
  if (std::string wrong = prepare(); !wrong.empty()) return wrong;
  sqlite3_busy_timeout(handle_, 0);
  // The first read has made the log, or brought back what a process that died in COMMIT had written
  // there without its sync. From here on a power cut takes away neither.
  StoreRow row;
  if (store_row(row) != Outcome::kDone) return join({"cannot be read: ", sqlite3_errmsg(handle_)});
  return sync_log_and_folder();
}

bool Database::pragma(const char* sql, std::string& value) {
  sqlite3_stmt* statement = nullptr;
  value.clear();
  if (sqlite3_prepare_v2(handle_, sql, -1, &statement, nullptr) != SQLITE_OK) return false;
  const bool row = sqlite3_step(statement) == SQLITE_ROW;
  if (row && sqlite3_column_text(statement, 0) != nullptr)
    value = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  sqlite3_finalize(statement);
  return row;
}

std::string Database::look_at_owner(bool& empty) {
  sqlite3_exec(handle_, "BEGIN", nullptr, nullptr, nullptr);
  std::string wrong = check_owner(empty);
  // Whoever refuses the file closes it.
  if (wrong.empty()) sqlite3_exec(handle_, "COMMIT", nullptr, nullptr, nullptr);
  return wrong;
}

std::string Database::check_owner(bool& empty) {
  std::string tables, owner, version;
  if (!pragma("SELECT count(*) FROM sqlite_schema", tables)) {
    if ((sqlite3_errcode(handle_) & 0xff) == SQLITE_NOTADB)
      return "is no SQLite database; it was left as it is";
    return join({"cannot be read: ", sqlite3_errmsg(handle_)});
  }
  if (!pragma("PRAGMA application_id", owner) || !pragma("PRAGMA user_version", version))
    return join({"cannot be read: ", sqlite3_errmsg(handle_)});
  empty = owner == "0" && version == "0" && tables == "0";
  if (empty) return {};
  if (owner != kApplicationId) return "is a database of another program; it was left as it is";
  if (std::atoll(version.c_str()) > kSchemaVersion)
    return join({"has schema version ", version, ", of a newer release; this one knows ",
                 std::to_string(kSchemaVersion)});
  if (std::atoll(version.c_str()) != kSchemaVersion || tables == "0")
    return join({"is damaged: its schema version is ", version});
  return {};
}

std::string Database::make_tables() {
  const auto words = [this] { return join({"cannot be made: ", sqlite3_errmsg(handle_)}); };
  if (sqlite3_exec(handle_, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr) != SQLITE_OK)
    return words();
  bool empty = false;  // another daemon may have been faster
  std::string wrong = check_owner(empty);
  if (wrong.empty() && empty &&
      sqlite3_exec(handle_, kTables, nullptr, nullptr, nullptr) != SQLITE_OK)
    wrong = words();
  const char* end = wrong.empty() ? "COMMIT" : "ROLLBACK";
  if (sqlite3_exec(handle_, end, nullptr, nullptr, nullptr) != SQLITE_OK && wrong.empty())
    wrong = words();
  return wrong;
}

std::string Database::prepare() {
  for (size_t i = 0; i < kQueryCount; ++i) {
    if (sqlite3_prepare_v3(handle_, kQueries[i], -1, SQLITE_PREPARE_PERSISTENT, &queries_[i],
                           nullptr) != SQLITE_OK)
      return join({"is damaged: ", sqlite3_errmsg(handle_)});
  }
  return {};
}

std::string Database::sync_log_and_folder() const {
  for (const std::string& name : {path_ + "-wal", folder_of(path_)}) {
    const UniqueFd file(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file.valid() || fsync(file.get()) != 0)
      return join({"cannot be made durable: ", name, ": ", strerror(errno)});
  }
  return {};
}

Outcome Database::failed(int code) {
  if (is_busy(code)) return Outcome::kBusy;
  trouble_ = join({path_, ": ", sqlite3_errmsg(handle_)});
  const bool of_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
  if (const int number = sqlite3_system_errno(handle_); of_system && number != 0)
    trouble_ += join({" (", strerror(number), ")"});
  return Outcome::kFailed;
}

Outcome Database::begin(Query query) {
  int moved = 0;
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  if (moved != 0) {
    trouble_ = join({path_, ": was removed or replaced while it was in use"});
    return Outcome::kFailed;
  }
  const int code = Run(*this, query).step();
  return code == SQLITE_DONE ? Outcome::kDone : failed(code);
}

void Database::rollback() {
  if (sqlite3_get_autocommit(handle_) == 0) Run(*this, kRollback).step();
}

Outcome Database::store_row(StoreRow& row) {
  Run run(*this, kStoreRow);
  const int code = run.step();
  if (code != SQLITE_ROW) {
    if (code != SQLITE_DONE) return failed(code);
    trouble_ = join({path_, ": is damaged: its table `store` is empty"});
    return Outcome::kFailed;
  }
  row = {run.number_at(0), run.number_at(1)};
  return Outcome::kDone;
}

Outcome Database::revision(uint64_t& revision) {
  StoreRow row;
  const Outcome outcome = store_row(row);
  revision = row.revision;
  return outcome;
}

Outcome Database::range(const std::string& prefix, Answer& answer) {
  Outcome outcome = begin(kBegin);
  if (outcome != Outcome::kDone) return outcome;
  StoreRow row;
  outcome = store_row(row);
  if (outcome == Outcome::kDone) {
    const std::string end = prefix_end(prefix);
    Run run(*this, kRange);
    run.bytes(1, prefix).bytes(2, end);
    int code = run.step();
    for (; code == SQLITE_ROW; code = run.step()) answer.entries.push_back(run.entry());
    if (code != SQLITE_DONE) outcome = failed(code);
  }
  answer.revision = row.revision;
  rollback();
  return outcome;
}

Outcome Database::changes(const std::string& prefix, uint64_t after, Answer& answer) {
  Outcome outcome = begin(kBegin);
  if (outcome != Outcome::kDone) return outcome;
  StoreRow row;
  outcome = store_row(row);
  answer.revision = row.revision;
  // Older than what is remembered, or of another life of the store (a backup was put back).
  answer.forgotten = after < row.forgotten || after > row.revision;
  if (outcome == Outcome::kDone && !answer.forgotten && after < row.revision) {
    const std::string end = prefix_end(prefix);
    Run run(*this, kChanges);
    run.bytes(1, prefix).bytes(2, end).number(3, after).number(4, kChangesMax + 1);
    int code = run.step();
    for (; code == SQLITE_ROW; code = run.step()) answer.entries.push_back(run.entry());
    if (code != SQLITE_DONE) outcome = failed(code);
  }
  rollback();
  if (answer.entries.size() > kChangesMax) {
    // A revision is told whole or not at all; none has this many changes.
    const uint64_t cut = answer.entries.back().revision;
    while (answer.entries.back().revision == cut) answer.entries.pop_back();
    answer.revision = answer.entries.back().revision;
    answer.more = true;
  }
  return outcome;
}

Outcome Database::commit(const Transaction& transaction, Answer& answer) {
  Outcome outcome = begin(kBeginWrite);
  if (outcome != Outcome::kDone) return outcome;
  StoreRow row;
  bool hold = false, changed = false;
  outcome = store_row(row);
  if (outcome == Outcome::kDone) outcome = conditions_hold(transaction, hold);
  if (outcome == Outcome::kDone && hold) outcome = apply(transaction, row.revision + 1, changed);
  answer.succeeded = hold;
  answer.revision = row.revision + (changed ? 1 : 0);
  if (outcome == Outcome::kDone && changed) return finish_commit();
  rollback();
  return outcome;
}

Outcome Database::conditions_hold(const Transaction& transaction, bool& hold) {
  for (const Compare& compare : transaction.compares) {
    Run run(*this, kKeyRevision);
    const int code = run.bytes(1, compare.key).step();
    if (code != SQLITE_ROW && code != SQLITE_DONE) return failed(code);
    const uint64_t revision = code == SQLITE_ROW ? run.number_at(0) : 0;
    if (revision != compare.revision) return Outcome::kDone;
  }
  hold = true;
  return Outcome::kDone;
}

Outcome Database::apply(const Transaction& transaction, uint64_t revision, bool& changed) {
  bool deleted = false;
  for (const Put& put : transaction.puts) {
    int code = SQLITE_DONE;
    if (!put.remove) {
      code = Run(*this, kPut).bytes(1, put.key).bytes(2, put.value).number(3, revision).step();
      if (code == SQLITE_DONE) code = Run(*this, kForgetDelete).bytes(1, put.key).step();
      changed = true;
    } else {
      code = Run(*this, kDelete).bytes(1, put.key).step();
      if (code == SQLITE_DONE && sqlite3_changes(handle_) == 0) continue;
      if (code == SQLITE_DONE)
        code = Run(*this, kRememberDelete).bytes(1, put.key).number(2, revision).step();
      changed = deleted = true;
    }
    if (code != SQLITE_DONE) return failed(code);
  }
  if (deleted) {
    if (const Outcome outcome = trim_deletes(); outcome != Outcome::kDone) return outcome;
  }
  if (!changed) return Outcome::kDone;
  const int code = Run(*this, kSetRevision).number(1, revision).step();
  return code == SQLITE_DONE ? Outcome::kDone : failed(code);
}

Outcome Database::trim_deletes() {
  uint64_t last_trimmed = 0;
  {
    Run count(*this, kDeleteCount);
    const int code = count.step();
    if (code != SQLITE_ROW) return failed(code);
    if (count.number_at(0) <= kDeletesMax) return Outcome::kDone;
  }
  {
    Run oldest(*this, kOldDelete);
    const int code = oldest.number(1, kDeletesMax).step();
    if (code != SQLITE_ROW) return failed(code);
    last_trimmed = oldest.number_at(0);
  }
  int code = Run(*this, kTrimDeletes).number(1, last_trimmed).step();
  if (code == SQLITE_DONE) code = Run(*this, kSetForgotten).number(1, last_trimmed).step();
  return code == SQLITE_DONE ? Outcome::kDone : failed(code);
}

// From here on an error leaves doubt: the log may already hold the commit's last frame.
Outcome Database::finish_commit() {
  const int code = Run(*this, kCommit).step();
  if (code == SQLITE_DONE) return Outcome::kDone;
  const Outcome outcome = failed(code);
  const bool still_open = sqlite3_get_autocommit(handle_) == 0;
  rollback();
  return outcome == Outcome::kBusy && still_open ? Outcome::kBusy : Outcome::kUnknown;
}

}  // namespace varve
