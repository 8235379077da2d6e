#include "tests/sim/sim_device.h"

#include <algorithm>
#include <cstring>

#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {

namespace {

constexpr size_t kCachedMax = 48;  // a disk's cache is small, and drains

bool overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

// Which sectors of an unstable write survive a crash.
enum class Survival { kNone, kAll, kFront, kBack, kSubset };

Survival draw_survival(Random& random, uint64_t whole_crash) {
  if (whole_crash == 0) return Survival::kNone;
  if (whole_crash == 1) return Survival::kAll;
  return static_cast<Survival>(random.below(5));
}

void fill_survivors(Random& random, Survival survival, std::vector<uint8_t>& keep) {
  const size_t cut = random.below(keep.size() + 1);
  for (size_t i = 0; i < keep.size(); ++i) {
    switch (survival) {
      case Survival::kNone:
        keep[i] = 0;
        break;
      case Survival::kAll:
        keep[i] = 1;
        break;
      case Survival::kFront:
        keep[i] = i < cut;
        break;
      case Survival::kBack:
        keep[i] = i >= cut;
        break;
      case Survival::kSubset:
        keep[i] = random.chance(1, 2);
        break;
    }
  }
}

void count_survival(Survival survival, const std::vector<uint8_t>& keep, FaultCounts& counts) {
  const size_t kept = std::count(keep.begin(), keep.end(), 1);
  if (kept == 0) {
    counts.add(Fault::kDroppedUnflushed);
  } else if (kept == keep.size()) {
    counts.add(Fault::kKeptUnflushed);
  } else {
    counts.add(survival == Survival::kSubset ? Fault::kPartialSubset : Fault::kTornWrite);
  }
}

}  // namespace

SimDevice::SimDevice(SimLoop& loop, DiskState disk, SimDeviceOptions options, uint64_t seed)
    : loop_(loop),
      ready_(&loop.ready()),
      image_(std::move(disk.image)),
      options_(options),
      random_(seed),
      cached_(std::move(disk.cached)) {}

void SimDevice::offend(std::string what) {
  if (offence_.empty()) offence_ = std::move(what);
}

void SimDevice::check_request(const IoRequest& request) {
  if (request.kind == IoRequest::Kind::kFlush) return;
  if (request.bytes == 0 || request.bytes % kBlockBytes != 0 || request.offset % kBlockBytes != 0 ||
      request.offset + request.bytes > image_.size()) {
    offend(text("a request is misaligned or out of range: offset ", request.offset, ", ",
                request.bytes, " bytes"));
  }
  if (request.kind == IoRequest::Kind::kRead) return;
  for (const Flight& flight : flights_) {
    if (flight.request == nullptr || flight.request->kind == IoRequest::Kind::kRead ||
        flight.request->kind == IoRequest::Kind::kFlush)
      continue;
    if (overlap(request.offset, request.bytes, flight.request->offset, flight.request->bytes)) {
      offend(text("two writes in flight on the same bytes: offsets ", request.offset, " and ",
                  flight.request->offset));
    }
  }
}

void SimDevice::submit(IoRequest& request) {
  ++io_events_;
  ++in_flight_;
  check_request(request);
  uint32_t index = 0;
  while (index < flights_.size() && flights_[index].request != nullptr) ++index;
  if (index == flights_.size()) flights_.emplace_back();
  Flight& flight = flights_[index];
  flight.request = &request;
  flight.data.clear();
  if (request.kind == IoRequest::Kind::kWrite) {
    ++writes_submitted_;
    ++writes_in_flight_;
    flight.fails = writes_submitted_ == options_.fail_write;
    flight.data.reserve(request.bytes);
    for (uint32_t i = 0; i < request.vector_count; ++i) {
      const auto* base = static_cast<const std::byte*>(request.vectors[i].iov_base);
      flight.data.insert(flight.data.end(), base, base + request.vectors[i].iov_len);
    }
    if (flight.data.size() != request.bytes)
      offend("a write's vectors do not add up to its length");
  } else if (request.kind == IoRequest::Kind::kRead) {
    flight.early_read = random_.chance(1, 2);
    if (flight.early_read) read_into(request);
  } else if (request.kind == IoRequest::Kind::kDiscard) {
    ++discards_submitted_;
  }
  loop_.note(request.offset * 4 + static_cast<uint64_t>(request.kind));
  uint64_t delay_ns = options_.delay_min_ns + random_.below(options_.delay_spread_ns + 1);
  if (random_.chance(options_.slow_per_mille, 1000)) delay_ns *= 30;
  delay_ns *= slowness_;
  loop_.schedule(delay_ns, [this, index, life = life_] { complete(index, life); });
}

void SimDevice::fail_in_flight() {
  ++life_;
  for (Flight& flight : flights_) {
    if (flight.request == nullptr) continue;
    ++io_events_;
    flight.request->result = ErrorCode::kIoError;
    ready_->push(flight.request->waiter);
    flight.request = nullptr;
  }
  in_flight_ = 0;
  writes_in_flight_ = 0;
}

void SimDevice::insert(DiskState disk) {
  VARVE_CHECK(in_flight_ == 0);
  image_ = std::move(disk.image);
  cached_ = std::move(disk.cached);
  durable_history_.clear();
  unreadable_.clear();
}

void SimDevice::read_into(const IoRequest& request) const {
  uint64_t at = request.offset;
  for (uint32_t i = 0; i < request.vector_count; ++i) {
    std::memcpy(request.vectors[i].iov_base, image_.data() + at, request.vectors[i].iov_len);
    at += request.vectors[i].iov_len;
  }
}

void SimDevice::complete(uint32_t index, uint32_t life) {
  if (life != life_) return;
  Flight& flight = flights_[index];
  IoRequest& request = *flight.request;
  ++io_events_;
  --in_flight_;
  if (request.kind == IoRequest::Kind::kWrite) --writes_in_flight_;
  const bool failed = fails(flight);
  request.result = powered_ && !failed ? ErrorCode::kOk : ErrorCode::kIoError;
  if (powered_ && failed) {
    if (request.kind == IoRequest::Kind::kWrite) fail_write(flight);
  } else if (powered_) {
    take_effect(flight);
  }
  flight.request = nullptr;
  loop_.note(request.offset * 4 + 3);
  ready_->push(request.waiter);
}

bool SimDevice::fails(const Flight& flight) const {
  const IoRequest& request = *flight.request;
  if (request.kind == IoRequest::Kind::kWrite) return flight.fails;
  if (request.kind != IoRequest::Kind::kRead) return false;
  const auto first = unreadable_.lower_bound(request.offset);
  return first != unreadable_.end() && *first < request.offset + request.bytes;
}

void SimDevice::take_effect(const Flight& flight) {
  switch (flight.request->kind) {
    case IoRequest::Kind::kWrite:
      complete_write(flight);
      break;
    case IoRequest::Kind::kDiscard:
      complete_discard(*flight.request);
      break;
    case IoRequest::Kind::kFlush:
      cached_.clear();
      break;
    case IoRequest::Kind::kRead:
      if (!flight.early_read) read_into(*flight.request);
      break;
  }
}

void SimDevice::complete_write(const Flight& flight) {
  const IoRequest& request = *flight.request;
  uint64_t at = 0;
  for (uint32_t i = 0; i < request.vector_count; ++i) {
    if (std::memcmp(flight.data.data() + at, request.vectors[i].iov_base,
                    request.vectors[i].iov_len) != 0) {
      offend(text("the memory of a write changed while it was in flight: offset ", request.offset));
    }
    at += request.vectors[i].iov_len;
  }
  bytes_written_ += request.bytes;
  unreadable_.erase(unreadable_.lower_bound(request.offset),
                    unreadable_.lower_bound(request.offset + request.bytes));
  forget_history(request.offset, request.bytes);
  if (request.durable) {
    close_cached(request.offset, request.bytes);
    keep_history(request.offset, request.bytes);
  } else {
    cache(request.offset, request.bytes, false);
  }
  std::memcpy(image_.data() + request.offset, flight.data.data(), request.bytes);
}

// Any of its sectors may have got to the disk's cache.
void SimDevice::fail_write(const Flight& flight) {
  failed_a_write_ = true;
  const uint64_t offset = flight.request->offset;
  forget_history(offset, flight.data.size());
  cache(offset, flight.data.size(), false);
  for (uint64_t at = 0; at < flight.data.size(); at += kSectorBytes) {
    if (random_.chance(1, 2)) continue;
    std::memcpy(image_.data() + offset + at, flight.data.data() + at, kSectorBytes);
  }
}

void SimDevice::complete_discard(const IoRequest& request) {
  if (!random_.chance(options_.discard_zeroes_per_mille, 1000)) return;
  forget_history(request.offset, request.bytes);
  cache(request.offset, request.bytes, true);
  std::memset(image_.data() + request.offset, 0, request.bytes);
}

// Call before the image changes. Sectors that were unstable already are now so through the newer
// write alone, which goes back either to the older one's bytes or to what that one had replaced.
void SimDevice::cache(uint64_t offset, uint64_t bytes, bool discard) {
  CachedWrite write{.offset = offset, .discard = discard};
  write.before.assign(image_.begin() + offset, image_.begin() + offset + bytes);
  write.open.assign(bytes / kSectorBytes, 1);
  for (const CachedWrite& older : cached_) {
    if (!overlap(offset, bytes, older.offset, older.before.size())) continue;
    const uint64_t first = std::max(offset, older.offset);
    const uint64_t end = std::min(offset + bytes, older.offset + older.before.size());
    for (uint64_t at = first; at < end; at += kSectorBytes) {
      if (!older.open[(at - older.offset) / kSectorBytes] || random_.chance(1, 2)) continue;
      std::memcpy(write.before.data() + (at - offset), older.before.data() + (at - older.offset),
                  kSectorBytes);
    }
  }
  close_cached(offset, bytes);
  cached_.push_back(std::move(write));
  if (cached_.size() > kCachedMax || random_.chance(1, 24)) cached_.pop_front();
}

void SimDevice::close_cached(uint64_t offset, uint64_t bytes) {
  for (CachedWrite& older : cached_) {
    if (!overlap(offset, bytes, older.offset, older.before.size())) continue;
    const uint64_t first = std::max(offset, older.offset);
    const uint64_t end = std::min(offset + bytes, older.offset + older.before.size());
    for (uint64_t at = first; at < end; at += kSectorBytes) {
      older.open[(at - older.offset) / kSectorBytes] = 0;
    }
  }
}

void SimDevice::forget_history(uint64_t offset, uint64_t bytes) {
  std::erase_if(durable_history_, [&](const DurableWrite& write) {
    return overlap(offset, bytes, write.offset, write.before.size());
  });
}

void SimDevice::keep_history(uint64_t offset, uint64_t bytes) {
  if (options_.durable_history_max == 0) return;
  if (durable_history_.size() == options_.durable_history_max) durable_history_.pop_front();
  durable_history_.push_back(
      {offset, durable_count_++, {image_.begin() + offset, image_.begin() + offset + bytes}});
}

std::string SimDevice::flights_text() const {
  static constexpr const char* kKinds[] = {"read", "write", "discard", "flush"};
  std::string out;
  for (const Flight& flight : flights_) {
    if (flight.request == nullptr) continue;
    const IoRequest& request = *flight.request;
    out += text(out.empty() ? "" : ", ", kKinds[static_cast<size_t>(request.kind)], " ",
                request.offset / kBlockBytes, "+", request.bytes / kBlockBytes,
                request.durable ? " durable" : "");
  }
  return out.empty() ? "nothing in flight" : out;
}

void SimDevice::lose_cached(DiskImage& found, uint64_t whole_crash, Random& random,
                            FaultCounts& counts) const {
  std::vector<uint8_t> keep;
  for (auto write = cached_.rbegin(); write != cached_.rend(); ++write) {
    const Survival survival = draw_survival(random, whole_crash);
    keep.resize(write->open.size());
    fill_survivors(random, survival, keep);
    for (size_t i = 0; i < keep.size(); ++i) {
      if (keep[i] || !write->open[i]) continue;
      std::memcpy(found.data() + write->offset + i * kSectorBytes,
                  write->before.data() + i * kSectorBytes, kSectorBytes);
    }
    if (!write->discard) count_survival(survival, keep, counts);
  }
}

DiskState SimDevice::crash(CrashKind kind, Random& random, FaultCounts& counts) const {
  DiskState found{image_, {}};
  const uint64_t whole_crash = random.below(8);  // 0: all is lost, 1: all survives, else each alone
  if (kind == CrashKind::kKill) {
    found.cached = cached_;
  } else {
    lose_cached(found.image, whole_crash, random, counts);
  }
  std::vector<uint8_t> keep;
  for (const Flight& flight : flights_) {
    if (flight.request == nullptr || flight.request->kind != IoRequest::Kind::kWrite) continue;
    const Survival survival = draw_survival(random, whole_crash);
    keep.resize(flight.data.size() / kSectorBytes);
    fill_survivors(random, survival, keep);
    std::byte* at = found.image.data() + flight.request->offset;
    if (kind == CrashKind::kKill) {
      found.cached.push_back({.offset = flight.request->offset,
                              .before = {at, at + flight.data.size()},
                              .open = std::vector<uint8_t>(keep.size(), 1)});
    }
    for (size_t i = 0; i < keep.size(); ++i) {
      if (!keep[i]) continue;
      std::memcpy(at + i * kSectorBytes, flight.data.data() + i * kSectorBytes, kSectorBytes);
    }
    count_survival(survival, keep, counts);
  }
  return found;
}

}  // namespace varve
