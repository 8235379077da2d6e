#include "core/daemon/request_bytes.h"

#include <catch2/catch_test_macros.hpp>
#include <string>

namespace varve {

TEST_CASE("a request is whole when its head and its body are here, not a byte sooner") {
  const std::string head = "POST /v1/volumes HTTP/1.1\r\nHost: x\r\ncontent-length:  4 \r\n\r\n";
  const std::string request = head + "body";
  for (size_t length = 0; length < request.size(); ++length) {
    const RequestBytes seen = look_at_request(request.substr(0, length));
    CHECK_FALSE(seen.whole);
    CHECK(seen.status == 0);
  }
  const RequestBytes seen = look_at_request(request + "more");
  CHECK(seen.whole);
  CHECK(seen.head_bytes == head.size());
  CHECK(seen.body_bytes == 4);
  CHECK(look_at_request("GET / HTTP/1.1\r\n\r\n").whole);
}

TEST_CASE("what cannot be waited for is refused at once") {
  const auto status = [](const std::string& lines) {
    return look_at_request("GET / HTTP/1.1\r\n" + lines + "\r\n\r\n").status;
  };
  CHECK(status("Content-Length: 65536") == 0);
  CHECK(status("Content-Length: 65537") == 413);
  CHECK(status("Content-Length: 99999999999999999999999") == 413);
  CHECK(status("Content-Length: -1") == 400);
  CHECK(status("Content-Length: 4x") == 400);
  CHECK(status("Content-Length:") == 400);
  CHECK(status("Content-Length: 4\r\nContent-Length: 5") == 400);
  CHECK(status("Content-Length: 4\r\nContent-Length: 4") == 0);
  CHECK(status("Transfer-Encoding: chunked") == 411);
  CHECK(status("Range: bytes=0-,0-") == 400);
  CHECK(status("X: a\nRange: bytes=0-,0-") == 400);
  CHECK(status("X: a\rRange: bytes=0-,0-") == 400);
  CHECK(status(std::string("X: a\0b", 6)) == 400);
  CHECK(look_at_request(std::string(kRequestHeadBytesMax - 1, 'x')).status == 0);
  CHECK(look_at_request(std::string(kRequestHeadBytesMax, 'x')).status == 431);
}

}  // namespace varve
