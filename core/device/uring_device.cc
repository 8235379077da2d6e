#include "core/device/uring_device.h"

#include <fcntl.h>
#include <liburing.h>

#include <cerrno>
#include <utility>

#include "core/base/check.h"
#include "core/base/units.h"

namespace varve {
namespace {

constexpr uint32_t kMaxVectors = 1024;  // the kernel's IOV_MAX

}  // namespace

// One request on its way. A short transfer is submitted again for what is left of it.
class UringDevice::Transfer final : public UringOperation {
 public:
  explicit Transfer(UringDevice& device) : device_(device) {}

  void start(IoRequest& request) {
    request_ = &request;
    vectors_ = request.vectors;
    vector_count_ = request.vector_count;
    done_bytes_ = 0;
    device_.loop_.submit(*this);
  }
  IoRequest& request() { return *request_; }

  void prepare(io_uring_sqe& entry) override {
    const int file = device_.file_.descriptor();
    const uint64_t offset = request_->offset + done_bytes_;
    const bool sync = request_->durable && device_.durability_ == Durability::kFlush;
    switch (request_->kind) {
      case IoRequest::Kind::kRead:
        io_uring_prep_readv2(&entry, file, vectors_, vector_count_, offset, 0);
        break;
      case IoRequest::Kind::kWrite:
        io_uring_prep_writev2(&entry, file, vectors_, vector_count_, offset, sync ? RWF_DSYNC : 0);
        break;
      case IoRequest::Kind::kDiscard:
        io_uring_prep_fallocate(&entry, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                static_cast<off_t>(offset), static_cast<off_t>(request_->bytes));
        return;
      case IoRequest::Kind::kFlush:
        io_uring_prep_fsync(&entry, file, IORING_FSYNC_DATASYNC);
        return;
    }
    if (vector_count_ == 1) use_plain_form(entry);
  }

  void complete(int32_t result) override {
    if (request_->kind == IoRequest::Kind::kDiscard) {
      device_.finish(*this, ErrorCode::kOk);  // a hint: devices without it are fine
    } else if (result == -EINTR || result == -EAGAIN) {
      device_.loop_.submit(*this);
    } else if (request_->kind == IoRequest::Kind::kFlush) {
      device_.finish(*this, result < 0 ? ErrorCode::kIoError : ErrorCode::kOk);
    } else if (result <= 0) {
      device_.finish(*this, ErrorCode::kIoError);
    } else {
      done_bytes_ += static_cast<uint32_t>(result);
      if (done_bytes_ >= request_->bytes) {
        device_.finish(*this, ErrorCode::kOk);
      } else {
        skip_done_vectors();
        device_.loop_.submit(*this);
      }
    }
  }

 private:
  // One buffer needs no array that the kernel would have to copy.
  void use_plain_form(io_uring_sqe& entry) const {
    entry.opcode = request_->kind == IoRequest::Kind::kRead ? IORING_OP_READ : IORING_OP_WRITE;
    entry.addr = reinterpret_cast<uintptr_t>(vectors_->iov_base);
    entry.len = static_cast<uint32_t>(vectors_->iov_len);
  }

  void skip_done_vectors() {
    uint64_t skip = done_bytes_;
    uint32_t first = 0;
    while (skip >= request_->vectors[first].iov_len) skip -= request_->vectors[first++].iov_len;
    rest_.assign(request_->vectors + first, request_->vectors + request_->vector_count);
    rest_[0].iov_base = static_cast<std::byte*>(rest_[0].iov_base) + skip;
    rest_[0].iov_len -= skip;
    vectors_ = rest_.data();
    vector_count_ = static_cast<uint32_t>(rest_.size());
  }

  UringDevice& device_;
  IoRequest* request_ = nullptr;
  const iovec* vectors_ = nullptr;  // what is left: the request's own, or rest_
  uint32_t vector_count_ = 0;
  uint64_t done_bytes_ = 0;
  std::vector<iovec> rest_;
};

Result<std::unique_ptr<UringDevice>> UringDevice::open(UringLoop& loop, const std::string& path,
                                                       Durability durability) {
  Result<DeviceFile> file = DeviceFile::open(path);
  if (!file.ok()) return file.status();
  return std::unique_ptr<UringDevice>(new UringDevice(loop, std::move(*file), durability));
}

UringDevice::UringDevice(UringLoop& loop, DeviceFile file, Durability durability)
    : loop_(loop), file_(std::move(file)), durability_(durability) {}

UringDevice::~UringDevice() {
  VARVE_CHECK(idle_.size() == transfers_.size());
}

void UringDevice::submit(IoRequest& request) {
  const bool discard = request.kind == IoRequest::Kind::kDiscard;
  const bool flush = request.kind == IoRequest::Kind::kFlush;
  VARVE_CHECK(flush || request.bytes > 0);
  VARVE_CHECK(request.bytes % kBlockBytes == 0);
  VARVE_CHECK(request.offset % kBlockBytes == 0);
  VARVE_CHECK(request.bytes <= size_bytes() && request.offset <= size_bytes() - request.bytes);
  VARVE_CHECK(discard || flush ||
              (request.vector_count > 0 && request.vector_count <= kMaxVectors));
  if (discard && !file_.block_device()) {
    // Holes in a file would make later writes slow: they would have to change its metadata.
    request.result = ErrorCode::kOk;
    loop_.runtime().ready.push(request.waiter);
    return;
  }
  if (idle_.empty()) {
    transfers_.push_back(std::make_unique<Transfer>(*this));
    idle_.push_back(transfers_.back().get());
  }
  Transfer& transfer = *idle_.back();
  idle_.pop_back();
  transfer.start(request);
}

void UringDevice::finish(Transfer& transfer, ErrorCode result) {
  IoRequest& request = transfer.request();
  request.result = result;
  idle_.push_back(&transfer);
  loop_.runtime().ready.push(request.waiter);
}

}  // namespace varve
