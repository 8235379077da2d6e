// HttpClient: requests to varved's admin API. httplib stays in http_client.cc.
//
// Thread rule: one thread; calls block, at most kReplySecondsMax for the reply.
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/cli/endpoint.h"
#include "core/config/listen_address.h"

namespace varve {

struct HttpReply {
  int status = 0;
  std::string body;
  bool ok() const { return status >= 200 && status < 300; }
};

class HttpClient {
 public:
  explicit HttpClient(Endpoint server) : server_(std::move(server)) {}
  explicit HttpClient(ListenAddress server) : server_{std::move(server), nullptr, {}} {}

  // Errors: kClosed, no answer; the message says what to look at. `path` must be encoded.
  Result<HttpReply> get(const std::string& path) { return request("GET", path, ""); }
  Result<HttpReply> post(const std::string& path, const std::string& json) {
    return request("POST", path, json);
  }
  Result<HttpReply> remove(const std::string& path) { return request("DELETE", path, ""); }

 private:
  Result<HttpReply> request(const char* method, const std::string& path, const std::string& json);

  const Endpoint server_;
};

// `words` as one segment of a path: all but letters, digits, '-', '.', '_' and '~' as %XX.
std::string path_segment(const std::string& words);

}  // namespace varve
