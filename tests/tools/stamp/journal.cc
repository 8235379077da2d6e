#include "tests/tools/stamp/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <span>
#include <utility>

#include "core/base/crc32c.h"
#include "core/base/text.h"

namespace varve {
namespace {

uint32_t record_crc(const Record& record) {
  return crc32c(std::as_bytes(std::span(&record, 1)).subspan(sizeof(record.crc)));
}

Status io_error(const std::string& path, const char* what) {
  return {ErrorCode::kIoError, text("cannot ", what, " journal ", path, ": ", strerror(errno))};
}

Status read_fully(const std::string& path, int fd, std::vector<Record>& records) {
  struct stat info;
  if (fstat(fd, &info) != 0) return io_error(path, "look at");
  records.resize(static_cast<uint64_t>(info.st_size) / sizeof(Record));
  char* out = reinterpret_cast<char*>(records.data());
  const size_t bytes = records.size() * sizeof(Record);
  for (size_t done = 0; done < bytes;) {
    const ssize_t got = pread(fd, out + done, bytes - done, static_cast<off_t>(done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return io_error(path, "read");
    done += static_cast<size_t>(got);
  }
  // A kill can only cut off the last write, so a bad record with a good one behind it is damage.
  size_t good = 0;
  while (good < records.size() && records[good].crc == record_crc(records[good])) ++good;
  for (size_t i = good; i < records.size(); ++i) {
    if (records[i].crc == record_crc(records[i])) {
      return {ErrorCode::kDamaged, text("journal ", path, " is damaged at record ", good)};
    }
  }
  records.resize(good);
  return {};
}

}  // namespace

const char* op_kind_name(OpKind kind) {
  switch (kind) {
    case OpKind::kWrite:
      return "write";
    case OpKind::kRead:
      return "read";
    case OpKind::kTrim:
      return "trim";
    case OpKind::kZero:
      return "zero";
    case OpKind::kFlush:
      return "flush";
  }
  return "unknown";
}

Result<Journal> Journal::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (fd < 0) return io_error(path, "open");
  Journal journal(path, fd);
  if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
    return Status(ErrorCode::kBusy, text("journal ", path, " is in use by another stamp"));
  }
  VARVE_TRY(journal.load());
  return journal;
}

Journal::Journal(Journal&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      records_(std::move(other.records_)),
      gathered_(std::move(other.gathered_)) {}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

Status Journal::load() {
  VARVE_TRY(read_fully(path_, fd_, records_));
  if (ftruncate(fd_, static_cast<off_t>(records_.size() * sizeof(Record))) != 0) {
    return io_error(path_, "cut");
  }
  return {};
}

void Journal::append(Record record) {
  record.crc = record_crc(record);
  gathered_.push_back(record);
}

Status Journal::flush() {
  const char* from = reinterpret_cast<const char*>(gathered_.data());
  size_t left = gathered_.size() * sizeof(Record);
  while (left > 0) {
    const ssize_t put = ::write(fd_, from, left);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return io_error(path_, "write");
    from += put;
    left -= static_cast<size_t>(put);
  }
  gathered_.clear();
  return {};
}

Result<std::vector<Record>> read_journal(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return io_error(path, "open");
  std::vector<Record> records;
  const Status status = read_fully(path, fd, records);
  ::close(fd);
  if (!status.ok()) return status;
  return records;
}

}  // namespace varve
