#include "core/embed/custom_device.h"

#include <atomic>

#include "core/base/check.h"
#include "core/base/log.h"
#include "core/base/units.h"

// One transfer of a custom device. Reused when it has ended.
struct varve_io {
  varve::CustomDevice& device;
  varve::IoRequest* request = nullptr;
  std::vector<varve_part> parts;
  std::atomic<bool> pending = false;
};

namespace varve {

CustomDevice::CustomDevice(UringLoop& loop, const varve_device& device)
    : loop_(loop), device_(device), size_bytes_(device.size_bytes / kBlockBytes * kBlockBytes) {}

CustomDevice::~CustomDevice() {
  VARVE_CHECK(idle_.size() == transfers_.size());
}

void CustomDevice::submit(IoRequest& request) {
  VARVE_CHECK(request.bytes % kBlockBytes == 0 && request.offset % kBlockBytes == 0);
  VARVE_CHECK(request.bytes <= size_bytes_ && request.offset <= size_bytes_ - request.bytes);
  const bool unwanted = (request.kind == IoRequest::Kind::kFlush && device_.flush == nullptr) ||
                        (request.kind == IoRequest::Kind::kDiscard && device_.discard == nullptr);
  if (unwanted) {
    request.result = ErrorCode::kOk;
    loop_.runtime().ready.push(request.waiter);
    return;
  }
  if (idle_.empty()) {
    transfers_.push_back(std::unique_ptr<varve_io>(new varve_io{*this}));
    idle_.push_back(transfers_.back().get());
  }
  varve_io& io = *idle_.back();
  idle_.pop_back();
  io.request = &request;
  io.parts.clear();
  for (uint32_t i = 0; i < request.vector_count; ++i)
    io.parts.push_back({request.vectors[i].iov_base, request.vectors[i].iov_len});
  io.pending = true;
  start(io);
}

void CustomDevice::start(varve_io& io) {
  const IoRequest& request = *io.request;
  switch (request.kind) {
    case IoRequest::Kind::kRead:
      device_.read(device_.user, &io, request.offset, io.parts.data(), io.parts.size());
      break;
    case IoRequest::Kind::kWrite:
      device_.write(device_.user, &io, request.offset, io.parts.data(), io.parts.size(),
                    request.durable ? 1 : 0);
      break;
    case IoRequest::Kind::kFlush:
      device_.flush(device_.user, &io);
      break;
    case IoRequest::Kind::kDiscard:
      device_.discard(device_.user, &io, request.offset, request.bytes);
      break;
  }
}

void CustomDevice::ended(varve_io& io, int result) {
  if (!io.pending.exchange(false)) {
    log_error("device", "varve_io_done() was called twice for one transfer; the second is ignored");
    return;
  }
  const ErrorCode code = result == VARVE_OK ? ErrorCode::kOk : ErrorCode::kIoError;
  io.device.loop_.post([&io, code] { io.device.finish(io, code); });
}

void CustomDevice::finish(varve_io& io, ErrorCode result) {
  IoRequest& request = *io.request;
  request.result = request.kind == IoRequest::Kind::kDiscard ? ErrorCode::kOk : result;
  idle_.push_back(&io);
  loop_.runtime().ready.push(request.waiter);
}

}  // namespace varve

void varve_io_done(varve_io* io, int result) {
  varve::CustomDevice::ended(*io, result);
}
