#include "core/daemon/admin_http.h"

#include <httplib.h>

#include <algorithm>
#include <cstring>

#include "core/base/text.h"
#include "core/daemon/request_bytes.h"

namespace varve {
namespace {

void reply(httplib::Response& response, const AdminReply& reply) {
  response.status = reply.status;
  response.set_content(reply.body, reply.content_type);
}

AdminRequest request_of(const httplib::Request& from) {
  AdminRequest request;
  if (from.matches.size() > 1) request.name = from.matches[1];
  for (const auto& [key, value] : from.params) request.query.emplace(key, value);
  request.body = from.body;
  return request;
}

// What httplib reads from and writes to.
class MemoryStream final : public httplib::Stream {
 public:
  explicit MemoryStream(std::string_view in) : in_(in) {}
  std::string take() { return std::move(out_); }

  bool is_readable() const override { return !in_.empty(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t room) override {
    const size_t count = std::min(room, in_.size());
    std::memcpy(to, in_.data(), count);
    in_.remove_prefix(count);
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t count) override {
    out_.append(from, count);
    return static_cast<ssize_t>(count);
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip = "", port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip = "", port = 0; }
  socket_t socket() const override { return INVALID_SOCKET; }

 private:
  std::string_view in_;
  std::string out_;
};

class BytesServer : public httplib::Server {
 public:
  BytesServer() {
    set_payload_max_length(kRequestBodyBytesMax);
    set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
          reply(response,
                error_reply({ErrorCode::kInvalidArgument, "the request cannot be understood"}));
        });
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      const int status = response.status;
      reply(response,
            error_reply({ErrorCode::kNotFound, "no such resource; see docs/openapi.yaml"}));
      response.status = status;
    });
  }

  std::string answer(const std::string& request) {
    MemoryStream stream(request);
    bool closed = false;
    process_request(stream, true, closed, nullptr);
    return stream.take();
  }
};

}  // namespace

class AdminDoor::Server final : public BytesServer {
 public:
  explicit Server(AdminGate& gate) : gate_(gate) {
    set_pre_routing_handler([this](const httplib::Request& request, httplib::Response& response) {
      verdict_ =
          gate_.judge(*asker_, request.method, request.get_header_value("Authorization"), now_ms_);
      reply(response, error_reply({ErrorCode::kInvalidArgument, verdict_->why}));
      response.status = verdict_->status;
      if (verdict_->status == 401) response.set_header("WWW-Authenticate", "Bearer");
      return HandlerResponse::Handled;
    });
  }

  std::optional<Refusal> turn_away(const std::string& request, const AdminAsker& asker,
                                   int64_t now_ms) {
    asker_ = &asker;
    now_ms_ = now_ms;
    verdict_.reset();
    std::string bytes = answer(request);
    if (!verdict_) return Refusal{std::move(bytes), ""};
    if (verdict_->status == 0) return std::nullopt;
    return Refusal{std::move(bytes), verdict_->why};
  }

 private:
  AdminGate& gate_;
  // Of the call that runs.
  const AdminAsker* asker_ = nullptr;
  int64_t now_ms_ = 0;
  std::optional<AdminVerdict> verdict_;
};

AdminDoor::AdminDoor(AdminGate& gate) : server_(std::make_unique<Server>(gate)) {}

AdminDoor::~AdminDoor() = default;

std::optional<AdminDoor::Refusal> AdminDoor::turn_away(const std::string& request,
                                                       const AdminAsker& asker, int64_t now_ms) {
  return server_->turn_away(request, asker, now_ms);
}

std::string AdminDoor::refusal(int status, const std::string& why) {
  const AdminReply reply = error_reply({ErrorCode::kInvalidArgument, why});
  return text("HTTP/1.1 ", status, " Refused\r\nContent-Type: ", reply.content_type,
              "\r\nContent-Length: ", reply.body.size(), "\r\nConnection: close\r\n\r\n",
              reply.body);
}

class AdminHttp::Server final : public BytesServer {
 public:
  explicit Server(AdminBackend& backend) {
    for (const AdminRoute& route : admin_routes()) add(route, backend);
  }

 private:
  void add(const AdminRoute& route, AdminBackend& backend) {
    const auto handler = [&backend, answer = route.answer](const httplib::Request& request,
                                                           httplib::Response& response) {
      reply(response, answer(backend, request_of(request)));
    };
    const std::string_view method = route.method;
    if (method == "GET") Get(route.pattern, handler);
    if (method == "POST") Post(route.pattern, handler);
    if (method == "DELETE") Delete(route.pattern, handler);
  }
};

AdminHttp::AdminHttp(AdminBackend& backend) : server_(std::make_unique<Server>(backend)) {}

AdminHttp::~AdminHttp() = default;

std::string AdminHttp::answer(const std::string& request) {
  return server_->answer(request);
}

}  // namespace varve
