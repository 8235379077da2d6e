#include "core/daemon/admin_server.h"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <thread>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/daemon/admin_api.h"

namespace varve {
namespace {

// A silent client holds a thread until it is dropped: so many, and so soon, that 64 of them delay
// an operator by seconds only.
constexpr size_t kThreadCount = 16;
constexpr int kClientSilenceSeconds = 2;
constexpr int kListenQueueLength = 256;
constexpr size_t kRequestBytesMax = 64 * 1024;
constexpr mode_t kUnixSocketMask = 0177;  // the API has no password: for its owner alone

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

// A socket file that nobody listens on any more: its owner was killed.
bool is_stale_socket(const std::string& path) {
  struct stat info{};
  if (lstat(path.c_str(), &info) != 0 || !S_ISSOCK(info.st_mode)) return false;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
  const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (probe < 0) return false;
  const bool refused =
      connect(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 &&
      errno == ECONNREFUSED;
  close(probe);
  return refused;
}

}  // namespace

class AdminServer::Impl {
 public:
  Impl(const ListenAddress& address, AdminBackend& backend) : address_(address) {
    server_.new_task_queue = [] { return new httplib::ThreadPool(kThreadCount); };
    server_.set_payload_max_length(kRequestBytesMax);
    server_.set_read_timeout(kClientSilenceSeconds);
    server_.set_write_timeout(kClientSilenceSeconds);
    server_.set_keep_alive_max_count(1);  // an idle client must not delay the end
    server_.set_exception_handler(
        [](const httplib::Request&, httplib::Response& response, const std::exception_ptr&) {
          reply(response,
                error_reply({ErrorCode::kInvalidArgument, "the request cannot be understood"}));
        });
    server_.set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (!response.body.empty()) return;
      const int status = response.status;
      reply(response,
            error_reply({ErrorCode::kNotFound, "no such resource; see docs/openapi.yaml"}));
      response.status = status;
    });
    for (const AdminRoute& route : admin_routes()) add(route, backend);
  }

  Status listen() {
    if (address_.is_unix()) {
      if (is_stale_socket(address_.unix_path)) unlink(address_.unix_path.c_str());
      server_.set_address_family(AF_UNIX);
    }
    // Not httplib's own options: with SO_REUSEPORT two daemons could share a port unnoticed.
    int listener = -1;
    server_.set_socket_options([&listener](int descriptor) {
      const int yes = 1;
      setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
      listener = descriptor;
    });
    const mode_t old_mask = umask(kUnixSocketMask);  // no other thread makes files yet
    const bool bound = address_.is_unix() ? server_.bind_to_port(address_.unix_path, 1)
                                          : server_.bind_to_port(address_.host, address_.port);
    umask(old_mask);
    if (!bound) {
      return {ErrorCode::kBusy, text("cannot listen on ", address_.to_text(),
                                     ": the address is in use or not of this machine")};
    }
    ::listen(listener, kListenQueueLength);  // httplib's own queue is 5 long
    thread_ = std::thread([this] {
      server_.listen_after_bind();
      ended_ = true;
    });
    return {};
  }

  void stop() {
    if (!thread_.joinable()) return;
    // stop() before the thread has begun to listen would be forgotten.
    while (!server_.is_running() && !ended_) std::this_thread::yield();
    server_.stop();
    thread_.join();
    if (address_.is_unix()) unlink(address_.unix_path.c_str());
  }

 private:
  void add(const AdminRoute& route, AdminBackend& backend) {
    const auto handler = [&backend, answer = route.answer](const httplib::Request& request,
                                                           httplib::Response& response) {
      reply(response, answer(backend, request_of(request)));
    };
    const std::string_view method = route.method;
    if (method == "GET") server_.Get(route.pattern, handler);
    if (method == "POST") server_.Post(route.pattern, handler);
    if (method == "DELETE") server_.Delete(route.pattern, handler);
  }

  const ListenAddress address_;
  httplib::Server server_;
  std::atomic<bool> ended_ = false;
  std::thread thread_;
};

AdminServer::AdminServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

AdminServer::~AdminServer() {
  impl_->stop();
}

Result<std::unique_ptr<AdminServer>> AdminServer::start(const ListenAddress& address,
                                                        AdminBackend& backend) {
  auto impl = std::make_unique<Impl>(address, backend);
  VARVE_TRY(impl->listen());
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

void AdminServer::stop() {
  impl_->stop();
}

std::vector<std::string> AdminServer::routes() {
  std::vector<std::string> routes;
  for (const AdminRoute& route : admin_routes())
    routes.push_back(text(route.method, " ", route.path));
  return routes;
}

}  // namespace varve
