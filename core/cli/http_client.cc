#include "core/cli/http_client.h"

#include <httplib.h>

#include "core/base/text.h"

namespace varve {
namespace {

constexpr time_t kConnectSecondsMax = 5;
constexpr time_t kReplySecondsMax = 40;  // varved itself gives up after 30

}  // namespace

Result<HttpReply> HttpClient::request(const char* method, const std::string& path,
                                      const std::string& json) {
  httplib::Client client(server_.is_unix() ? server_.unix_path : server_.host,
                         server_.is_unix() ? 1 : server_.port);
  if (server_.is_unix()) client.set_address_family(AF_UNIX);
  client.set_connection_timeout(kConnectSecondsMax);
  client.set_read_timeout(kReplySecondsMax);
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.body = json;
  if (!json.empty()) request.set_header("Content-Type", "application/json");
  // A unix socket's path is no host name.
  if (server_.is_unix()) request.set_header("Host", "localhost");
  const httplib::Result result = client.send(request);
  if (result) return HttpReply{result->status, result->body};
  return Status(ErrorCode::kClosed, text("no answer from varved at ", server_.to_text(), " (",
                                         httplib::to_string(result.error()),
                                         "): is it running, and does it listen there?"));
}

std::string path_segment(const std::string& words) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string out;
  for (const char letter : words) {
    const auto code = static_cast<unsigned char>(letter);
    const bool plain = (letter >= 'a' && letter <= 'z') || (letter >= 'A' && letter <= 'Z') ||
                       (letter >= '0' && letter <= '9') ||
                       std::string_view("-._~").find(letter) != std::string_view::npos;
    if (plain) {
      out += letter;
    } else {
      out += '%';
      out += kDigits[code >> 4];
      out += kDigits[code & 15];
    }
  }
  return out;
}

}  // namespace varve
