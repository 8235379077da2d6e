// How much of an HTTP request is here: for those who must not wait for the rest of one in a thread.
// Only the end of the head and Content-Length are looked at; httplib reads the rest.
//
// Thread rule: pure function.
#pragma once

#include <cstddef>
#include <string_view>

namespace varve {

inline constexpr size_t kRequestHeadBytesMax = 16 * 1024;
inline constexpr size_t kRequestBodyBytesMax = 64 * 1024;

struct RequestBytes {
  bool whole = false;
  int status = 0;          // of HTTP; 0: nothing is wrong so far
  const char* wrong = "";  // for the client
  size_t head_bytes = 0;   // once all of it is here
  size_t body_bytes = 0;
};

RequestBytes look_at_request(std::string_view bytes);

}  // namespace varve
