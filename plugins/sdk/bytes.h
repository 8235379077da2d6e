// Numbers on the wire: big-endian (network order) loads and stores at any alignment.
//
// Errors: none; the caller has checked that the bytes are there.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>

namespace varve {

template <std::unsigned_integral T>
T load_be(const uint8_t* from) {
  T value = 0;
  for (size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>((uint64_t{value} << 8) | from[i]);
  return value;
}

template <std::unsigned_integral T>
void store_be(uint8_t* to, T value) {
  for (size_t i = 0; i < sizeof(T); ++i)
    to[i] = static_cast<uint8_t>(uint64_t{value} >> (8 * (sizeof(T) - 1 - i)));
}

// The same, at the end of a string of bytes.
template <std::unsigned_integral T>
void append_be(std::string& out, T value) {
  uint8_t bytes[sizeof(T)];
  store_be(bytes, value);
  out.append(reinterpret_cast<const char*>(bytes), sizeof(T));
}

}  // namespace varve
