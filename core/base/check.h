// VARVE_CHECK: a condition that only a bug of ours can break. Always on; prints and aborts.
// Never use it for what comes from outside (disk bytes, clients, config): those are Status values.
#pragma once

namespace varve {

[[noreturn]] void check_failed(const char* condition, const char* file, int line);

}  // namespace varve

#define VARVE_CHECK(condition)                               \
  do {                                                       \
    if (!(condition)) [[unlikely]]                           \
      ::varve::check_failed(#condition, __FILE__, __LINE__); \
  } while (false)
