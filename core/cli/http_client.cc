#include "core/cli/http_client.h"

#include <fcntl.h>
#include <httplib.h>
#include <poll.h>

#include <cerrno>

#include "core/base/text.h"
#include "plugins/tls/stream.h"

namespace varve {
namespace {

constexpr time_t kConnectSecondsMax = 5;
constexpr time_t kReplySecondsMax = 40;  // varved itself gives up after 30

// What httplib reads from and writes to: TLS on its socket, waiting where the socket makes it.
class TlsHttpStream final : public httplib::Stream {
 public:
  TlsHttpStream(TlsStream& tls, int socket) : tls_(tls), socket_(socket) {}

  bool shake_hands() {
    while (true) {
      const TlsStream::Handshake state = tls_.handshake();
      if (state != TlsStream::Handshake::kGoesOn) return state == TlsStream::Handshake::kDone;
      if (!wait(tls_.has_unsent() ? POLLIN | POLLOUT : POLLIN, kConnectSecondsMax)) return false;
    }
  }
  bool is_readable() const override { return true; }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t room) override {
    const iovec into{to, room};
    while (true) {
      const ssize_t got = tls_.receive({&into, 1});
      if (got >= 0 || errno != EAGAIN || !wait(POLLIN, kReplySecondsMax)) return got;
    }
  }
  ssize_t write(const char* from, size_t count) override {
    const iovec piece{const_cast<char*>(from), count};
    ssize_t taken = tls_.send({&piece, 1});
    while (taken >= 0 && tls_.has_unsent()) {
      if (!wait(POLLOUT, kReplySecondsMax) || (tls_.send({}) < 0 && errno != EAGAIN)) return -1;
    }
    return taken;
  }
  void get_remote_ip_and_port(std::string& ip, int& port) const override { ip = "", port = 0; }
  void get_local_ip_and_port(std::string& ip, int& port) const override { ip = "", port = 0; }
  socket_t socket() const override { return socket_; }

 private:
  bool wait(int events, time_t seconds) const {
    pollfd news{socket_, static_cast<short>(events), 0};
    return ::poll(&news, 1, static_cast<int>(seconds * 1000)) == 1;
  }

  TlsStream& tls_;
  const int socket_;
};

// httplib's client, over TLS as all of Varve speaks it.
class TlsClient final : public httplib::ClientImpl {
 public:
  explicit TlsClient(const Endpoint& server)
      : ClientImpl(server.address.host, server.address.port), server_(server) {}

  const std::string& why() const { return why_; }

 private:
  bool process_socket(const Socket& socket,
                      std::function<bool(httplib::Stream& stream)> callback) override {
    TlsStream tls(server_.credentials, TlsRoles{TlsRole::kNode}, TlsStream::Side::kClient,
                  socket.sock, scratch_);
    ::fcntl(socket.sock, F_SETFL, ::fcntl(socket.sock, F_GETFL) | O_NONBLOCK);
    TlsHttpStream stream(tls, socket.sock);
    const bool good =
        tls.expect_host(server_.address.host) && stream.shake_hands() && callback(stream);
    why_ = tls.why();
    return good;
  }

  const Endpoint& server_;
  TlsScratch scratch_;
  std::string why_;
};

}  // namespace

Result<HttpReply> HttpClient::request(const char* method, const std::string& path,
                                      const std::string& json) {
  const ListenAddress& address = server_.address;
  TlsClient tls(server_);
  httplib::ClientImpl plain(address.is_unix() ? address.unix_path : address.host,
                            address.is_unix() ? 1 : address.port);
  httplib::ClientImpl& client = server_.credentials == nullptr ? plain : tls;
  if (address.is_unix()) client.set_address_family(AF_UNIX);
  client.set_connection_timeout(kConnectSecondsMax);
  client.set_read_timeout(kReplySecondsMax);
  httplib::Request request;
  request.method = method;
  request.path = path;
  request.body = json;
  if (!json.empty()) request.set_header("Content-Type", "application/json");
  // A unix socket's path is no host name.
  if (address.is_unix()) request.set_header("Host", "localhost");
  if (!server_.token.empty()) request.set_header("Authorization", "Bearer " + server_.token);
  const httplib::Result result = client.send(request);
  if (result) return HttpReply{result->status, result->body};
  if (!tls.why().empty()) {
    constexpr std::string_view kRefused = "it refuses this side";
    return Status(ErrorCode::kClosed,
                  text("no answer from varved at ", address.to_text(), ": ", tls.why(),
                       tls.why().starts_with(kRefused)
                           ? "; it wants the certificate of an admin or a monitor of its cluster, "
                             "and its log says what is wrong"
                           : ""));
  }
  const bool plain_over_tcp = server_.credentials == nullptr && !address.is_unix();
  if (plain_over_tcp && result.error() == httplib::Error::Read) {
    return Status(ErrorCode::kClosed, text("no answer from varved at ", address.to_text(),
                                           " in plain text: perhaps it wants https"));
  }
  return Status(ErrorCode::kClosed, text("no answer from varved at ", address.to_text(), " (",
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
