#include "core/daemon/request_bytes.h"

#include <strings.h>

#include <charconv>
#include <optional>

namespace varve {
namespace {

constexpr std::string_view kLineEnd = "\r\n";
constexpr std::string_view kHeadEnd = "\r\n\r\n";

bool is_name(std::string_view words, std::string_view name) {
  return words.size() == name.size() && strncasecmp(words.data(), name.data(), name.size()) == 0;
}

std::string_view trimmed(std::string_view words) {
  constexpr std::string_view kBlank = " \t";
  const size_t first = words.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return words.substr(first, words.find_last_not_of(kBlank) - first + 1);
}

// Lines end in CR LF and nothing else does: other readers take a lone LF for the end of a line, and
// would see headers that this one does not.
bool has_odd_line_ends(std::string_view head) {
  for (size_t i = 0; i < head.size(); ++i) {
    const bool after_cr = i > 0 && head[i - 1] == '\r';
    if (head[i] == '\0' || (head[i] == '\n') != after_cr) return true;
  }
  return false;
}

RequestBytes refused(int status, const char* why) {
  RequestBytes request;
  request.status = status;
  request.wrong = why;
  return request;
}

}  // namespace

RequestBytes look_at_request(std::string_view bytes) {
  const size_t end = bytes.substr(0, kRequestHeadBytesMax).find(kHeadEnd);
  if (end == std::string_view::npos) {
    if (bytes.size() < kRequestHeadBytesMax) return {};
    return refused(431, "the head of the request is longer than 16 KiB");
  }
  RequestBytes request;
  request.head_bytes = end + kHeadEnd.size();
  if (has_odd_line_ends(bytes.substr(0, request.head_bytes)))
    return refused(400, "the lines of the head must end in CR LF");
  std::optional<size_t> length;
  // The first line is the request itself.
  for (size_t at = bytes.find(kLineEnd); at < end; at = bytes.find(kLineEnd, at + 1)) {
    const size_t from = at + kLineEnd.size();
    const std::string_view line = bytes.substr(from, bytes.find(kLineEnd, from) - from);
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = trimmed(line.substr(0, colon));
    const std::string_view value = trimmed(line.substr(colon + 1));
    if (is_name(name, "transfer-encoding")) return refused(411, "the body needs a Content-Length");
    // A part for each of thousands of ranges would be thousands of times the answer.
    if (is_name(name, "range")) return refused(400, "ranges are not served");
    if (!is_name(name, "content-length")) continue;
    size_t count = 0;
    const auto [rest, error] = std::from_chars(value.data(), value.data() + value.size(), count);
    if (error == std::errc::result_out_of_range)
      return refused(413, "the body is longer than 64 KiB");
    if (error != std::errc{} || rest != value.data() + value.size() ||
        length.value_or(count) != count)
      return refused(400, "Content-Length is no number, or several");
    length = count;
  }
  request.body_bytes = length.value_or(0);
  if (request.body_bytes > kRequestBodyBytesMax)
    return refused(413, "the body is longer than 64 KiB");
  request.whole = bytes.size() >= request.head_bytes + request.body_bytes;
  return request;
}

}  // namespace varve
