// PackedRows: a table of numbers that takes as few bytes as its numbers allow.
//
// Each column holds differences to a number of its own, in as many bytes as the largest of them
// needs; a column in which all are the same takes none. What does not fit any more makes the whole
// table be packed anew, which therefore happens seldom; narrow() is for what would fit into less.
//
// Thread rule: one shard's thread.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace varve {

class PackedRows {
 public:
  static constexpr size_t kColumns = 6;
  using Row = std::array<uint64_t, kColumns>;

  PackedRows() = default;
  PackedRows(const PackedRows&) = delete;
  PackedRows& operator=(const PackedRows&) = delete;

  uint32_t size() const { return size_; }
  uint64_t get(uint32_t row, size_t column) const {
    return columns_.base[column] + (load(at(row, column)) & columns_.mask(column));
  }
  Row row(uint32_t row) const;
  void set(uint32_t row, const Row& values);
  // In front of what stands at `row` now, or at the end.
  void insert(uint32_t row, const Row& values);
  void erase(uint32_t row);

  std::vector<Row> all() const;
  // Packs these as tightly as can be.
  void assign(const std::vector<Row>& rows, uint32_t capacity);
  // The same with what it holds, if that makes it smaller.
  void narrow();

  bool is_uniform(size_t column) const { return columns_.width[column] == 0; }
  // REQUIRES a uniform column: all of it is this from now on, and what is inserted next.
  void set_uniform(size_t column, uint64_t value) { columns_.base[column] = value; }
  // Memory beside the object itself.
  uint64_t memory_bytes() const;

 private:
  static_assert(std::endian::native == std::endian::little);
  // A number is read and written in eight bytes, of which the rest belongs to its neighbours.
  static constexpr size_t kPadding = sizeof(uint64_t);

  struct Columns {
    std::array<uint64_t, kColumns> base{};
    std::array<uint8_t, kColumns> width{};   // bytes
    std::array<uint8_t, kColumns> offset{};  // in the row
    uint8_t row_bytes = 0;

    uint64_t mask(size_t column) const {
      return width[column] == 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * width[column])) - 1;
    }
  };

  static uint64_t load(const std::byte* from) {
    uint64_t value;
    std::memcpy(&value, from, sizeof(value));
    return value;
  }
  std::byte* at(uint32_t row, size_t column) const {
    return bytes_.get() + size_t{row} * columns_.row_bytes + columns_.offset[column];
  }
  // The narrowest columns for values between these.
  static Columns plan(const Row& lowest, const Row& highest);
  bool fits(const Row& values) const;
  void store(uint32_t row, const Row& values);

  std::unique_ptr<std::byte[]> bytes_;
  uint32_t size_ = 0;
  uint32_t capacity_ = 0;
  Columns columns_;
};

}  // namespace varve
