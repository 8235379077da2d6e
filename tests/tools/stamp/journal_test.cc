// What a journal remembers outlives the process, and a history starts again where it was.
#include <catch2/catch_test_macros.hpp>

#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <vector>

#include "tests/tools/stamp/history.h"
#include "tests/tools/stamp/journal.h"

namespace varve {
namespace {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/stamp-test-XXXXXX";
    path_ = mkdtemp(name);
  }
  ~TempDir() { std::filesystem::remove_all(path_); }
  std::string file() const { return path_ + "/journal"; }

 private:
  std::string path_;
};

History reopened(const TempDir& dir) {
  Result<History> history = History::open(dir.file(), "vol", 8);
  REQUIRE(history.ok());
  return std::move(*history);
}

std::vector<std::byte> stamped(const History& history, uint64_t block, uint64_t op) {
  std::vector<std::byte> bytes(kBlockBytes);
  stamp_block(bytes, history.owner(), {.block = block, .op = op, .session = history.session()});
  return bytes;
}

std::string read_as(History& history, uint64_t block, const std::vector<std::byte>& bytes) {
  const uint64_t tick = history.read_sent({block, 1});
  const Finding finding = history.block_read(block, bytes, tick);
  history.read_ended({block, 1});
  REQUIRE(history.flush().ok());
  return finding.what;
}

const std::vector<std::byte> kZeroBlock(kBlockBytes);

}  // namespace

TEST_CASE("An acknowledgement on file is demanded by the next process") {
  TempDir dir;
  uint64_t op = 0;
  {
    History history = reopened(dir);
    history.session_started(100, false);
    op = history.write_sent(OpKind::kWrite, {3, 1});
    history.write_answered(op, 0);
    REQUIRE(history.flush().ok());
  }
  History history = reopened(dir);
  history.session_started(100, false);
  CHECK(read_as(history, 3, kZeroBlock) == "lost");
  CHECK(read_as(history, 3, stamped(history, 3, op)) == "");
  CHECK(history.write_sent(OpKind::kWrite, {0, 1}) > op);
  CHECK(block_history(dir.file(), 3, 20).find("acknowledged") != std::string::npos);
}

TEST_CASE("What a read settled stays settled in the next process") {
  TempDir dir;
  {
    History history = reopened(dir);
    history.session_started(100, false);
    const uint64_t op = history.write_sent(OpKind::kWrite, {3, 1});
    history.session_started(101, false);  // another server: fenced
    CHECK(read_as(history, 3, stamped(history, 3, op)) == "");
  }
  History history = reopened(dir);
  history.session_started(101, false);
  CHECK(read_as(history, 3, kZeroBlock) == "went back");
}

TEST_CASE("Only a server that is gone fences") {
  for (const bool gone : {false, true}) {
    TempDir dir;
    History history = reopened(dir);
    history.session_started(100, false);
    const uint64_t late = history.write_sent(OpKind::kWrite, {3, 1});
    history.session_started(100, gone);
    const uint64_t newer = history.write_sent(OpKind::kWrite, {3, 1});
    history.write_answered(newer, 0);
    CHECK(read_as(history, 3, stamped(history, 3, newer)) == "");
    CHECK(read_as(history, 3, stamped(history, 3, late)) == (gone ? "went back" : ""));
  }
}

TEST_CASE("A record cut off by a kill is dropped; damage before the end is named") {
  TempDir dir;
  {
    History history = reopened(dir);
    history.session_started(100, false);
    history.write_answered(history.write_sent(OpKind::kWrite, {3, 1}), 0);
    REQUIRE(history.flush().ok());
  }
  const uint64_t size = std::filesystem::file_size(dir.file());
  std::filesystem::resize_file(dir.file(), size - 5);
  {
    History history = reopened(dir);
    history.session_started(101, false);
    CHECK(read_as(history, 3, kZeroBlock) == "");  // the acknowledgement was the record cut off
  }
  std::fstream file(dir.file(), std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(sizeof(Record) + 20).put('x');
  file.close();
  CHECK(History::open(dir.file(), "vol", 8).code() == ErrorCode::kDamaged);
}

TEST_CASE("A journal serves one stamp and one volume") {
  TempDir dir;
  const History history = reopened(dir);
  CHECK(History::open(dir.file(), "vol", 8).code() == ErrorCode::kBusy);
  const TempDir other;
  {
    const History made = reopened(other);
  }
  CHECK(History::open(other.file(), "vol2", 8).code() == ErrorCode::kInvalidArgument);
  CHECK(History::open(other.file(), "vol", 9).code() == ErrorCode::kInvalidArgument);
}

}  // namespace varve
