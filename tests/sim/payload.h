// Block contents that name themselves: who wrote this 4 KiB, where, and in which operation. One
// look tells a right value from an older, foreign, misplaced, mixed or torn one.
//
// Every 512 bytes start with the stamp and go on with words that depend on it and on their place.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace varve {

// A value of a block: the number of the operation that wrote it.
using BlockValue = uint32_t;
inline constexpr BlockValue kZeroValue = 0;              // never written, trimmed or zeroed
inline constexpr BlockValue kDamagedValue = 0xffffffff;  // the read answered kDamaged
inline constexpr BlockValue kGarbageValue = 0xfffffffe;  // no value anybody wrote to this block

struct Stamp {
  uint32_t volume = 0;  // the model's number, unique in a run
  uint32_t block = 0;
  BlockValue value = 0;
};

// `out` is 4 KiB.
void fill_block(const Stamp& stamp, std::byte* out);
// The stamp of a block whose 4 KiB are all there and unmixed.
std::optional<Stamp> stamp_of(const std::byte* block);
// The value that `block` holds for that place: kZeroValue for zeroes, else kGarbageValue if wrong.
BlockValue value_of(const std::byte* block, uint32_t volume, uint32_t block_number);
// What a wrong block seems to be, for the report.
std::string describe_block(const std::byte* block);
// "op 12", "zeroes", "damaged".
std::string value_text(BlockValue value);

}  // namespace varve
