#include "core/map/packed_rows.h"

#include <algorithm>

#include "core/base/heap_bytes.h"
#include "core/base/units.h"

namespace varve {
namespace {

// Room for some more, but not beyond what most leaves end with.
uint32_t capacity_for(uint32_t size) {
  if (size > kLeafBlocks) return size + size / 8;
  return std::min(size + (size < kLeafBlocks / 4 ? size / 2 : size / 8), kLeafBlocks);
}

}  // namespace

PackedRows::Row PackedRows::row(uint32_t row) const {
  Row values;
  for (size_t i = 0; i < kColumns; ++i) values[i] = get(row, i);
  return values;
}

bool PackedRows::fits(const Row& values) const {
  for (size_t i = 0; i < kColumns; ++i)
    if (values[i] - columns_.base[i] > columns_.mask(i)) return false;
  return true;
}

// Each number is written with what is too long of it, and the next one over that. Nothing is read
// that was just written: processors wait for that.
void PackedRows::store(uint32_t row, const Row& values) {
  std::byte* const to = bytes_.get() + size_t{row} * columns_.row_bytes;
  const uint64_t behind = load(to + columns_.row_bytes);
  for (size_t i = 0; i < kColumns; ++i) {
    const uint64_t value = values[i] - columns_.base[i];
    std::memcpy(to + columns_.offset[i], &value, sizeof(value));
  }
  std::memcpy(to + columns_.row_bytes, &behind, sizeof(behind));
}

void PackedRows::set(uint32_t row, const Row& values) {
  if (fits(values)) {
    store(row, values);
    return;
  }
  std::vector<Row> rows = all();
  rows[row] = values;
  assign(rows, capacity_);
}

void PackedRows::insert(uint32_t row, const Row& values) {
  if (size_ == capacity_ || !fits(values)) {
    std::vector<Row> rows = all();
    rows.insert(rows.begin() + row, values);
    assign(rows, size_ < capacity_ ? capacity_ : capacity_for(size_ + 1));
    return;
  }
  std::byte* const from = bytes_.get() + size_t{row} * columns_.row_bytes;
  std::memmove(from + columns_.row_bytes, from, size_t{size_ - row} * columns_.row_bytes);
  ++size_;
  store(row, values);
}

void PackedRows::erase(uint32_t row) {
  std::byte* const to = bytes_.get() + size_t{row} * columns_.row_bytes;
  std::memmove(to, to + columns_.row_bytes, size_t{size_ - row - 1} * columns_.row_bytes);
  --size_;
  if (size_ == 0 || size_ < capacity_ / 3) assign(all(), capacity_for(size_));
}

std::vector<PackedRows::Row> PackedRows::all() const {
  std::vector<Row> rows(size_);
  for (uint32_t i = 0; i < size_; ++i) rows[i] = row(i);
  return rows;
}

PackedRows::Columns PackedRows::plan(const Row& lowest, const Row& highest) {
  Columns columns;
  for (size_t i = 0; i < kColumns; ++i) {
    const uint64_t range = highest[i] - lowest[i];
    columns.width[i] = static_cast<uint8_t>((std::bit_width(range) + 7) / 8);
    columns.offset[i] = columns.row_bytes;
    // What comes next is rather higher than lower.
    columns.base[i] = lowest[i] - std::min(lowest[i], (columns.mask(i) - range) / 4);
    columns.row_bytes = static_cast<uint8_t>(columns.row_bytes + columns.width[i]);
  }
  return columns;
}

void PackedRows::assign(const std::vector<Row>& rows, uint32_t capacity) {
  size_ = static_cast<uint32_t>(rows.size());
  capacity_ = std::max(capacity, size_);
  if (rows.empty()) {
    bytes_.reset();
    capacity_ = 0;
    columns_ = {};
    return;
  }
  Row lowest = rows[0];
  Row highest = rows[0];
  for (const Row& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) {
      lowest[i] = std::min(lowest[i], row[i]);
      highest[i] = std::max(highest[i], row[i]);
    }
  }
  columns_ = plan(lowest, highest);
  bytes_ = std::make_unique<std::byte[]>(size_t{capacity_} * columns_.row_bytes + kPadding);
  for (uint32_t i = 0; i < size_; ++i) store(i, rows[i]);
}

void PackedRows::narrow() {
  if (size_ == 0) return;
  Row lowest = row(0);
  Row highest = lowest;
  for (uint32_t at = 1; at < size_; ++at) {
    for (size_t i = 0; i < kColumns; ++i) {
      const uint64_t value = get(at, i);
      lowest[i] = std::min(lowest[i], value);
      highest[i] = std::max(highest[i], value);
    }
  }
  if (plan(lowest, highest).row_bytes < columns_.row_bytes) assign(all(), capacity_);
}

uint64_t PackedRows::memory_bytes() const {
  return bytes_ == nullptr ? 0 : heap_bytes(size_t{capacity_} * columns_.row_bytes + kPadding);
}

}  // namespace varve
