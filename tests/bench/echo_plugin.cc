#include "tests/bench/echo_plugin.h"

#include <array>
#include <cstdio>
#include <cstring>
#include <deque>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/text.h"
#include "core/plugin/plugin_host.h"
#include "core/runtime/uring_loop.h"

namespace varve {
namespace {

// Beside one for each request: a transport may take some before it knows what arrives.
constexpr size_t kSpareReceiveBuffers = 64;

void check(int32_t result, const char* call) {
  if (result != VARVE_OK) fail(text(call, " failed (", result, ")"));
}

void check(int32_t result, const char* call, const PluginWords& why) {
  if (result != VARVE_OK) fail(text(call, " failed (", result, "): ", why.text_or("no reason")));
}

// What both ends share. Counts the calls through the table.
class PluginEnd : public Poller {
 public:
  PluginEnd(const EchoOptions& options, size_t buffer_count)
      : arena_(buffer_count * kEchoPayloadBytes),
        context_(options.plugin, options.tls_files),
        wait_fd_(table().wait_fd(context())) {
    check(table().memory_register(context(), arena_.data(), arena_.size(), &memory_),
          "memory_register");
  }

  size_t poll() override {
    ++call_count_;
    const int32_t count = table().poll(context(), events_.data(), events_.size());
    if (count < 0) fail(text("poll failed (", count, ")"));
    for (int32_t i = 0; i < count; ++i) happened(events_[static_cast<size_t>(i)]);
    return static_cast<size_t>(count);
  }
  bool arm() override {
    ++call_count_;
    return table().arm(context()) != 0;
  }
  int wait_fd() override { return wait_fd_; }

  virtual bool ended() const = 0;
  std::string calls(uint64_t message_count) const {
    char line[48];
    snprintf(line, sizeof(line), " abi_calls %.3f",
             static_cast<double>(call_count_) / static_cast<double>(message_count));
    return line;
  }

 protected:
  virtual void happened(const varve_transport_event& event) = 0;

  const varve_transport& table() const { return context_.table(); }
  varve_transport_context* context() { return context_.get(); }
  varve_slice buffer(uint64_t index) {
    return {arena_.data() + index * kEchoPayloadBytes, kEchoPayloadBytes, memory_};
  }
  // False: the plugin wants no more now, and tells when it does.
  bool send(const void* header, const varve_slice* payload, uint64_t op_id) {
    varve_message message{};
    message.struct_size = sizeof(message);
    message.header = header;
    message.header_bytes = kEchoHeaderBytes;
    if (payload != nullptr) message.slices[message.slice_count++] = *payload;
    ++call_count_;
    const int32_t result = table().send(context(), connection_, &message, op_id);
    if (result != VARVE_E_AGAIN) check(result, "send");
    return result == VARVE_OK;
  }

  uint64_t connection_ = 0;
  uint64_t call_count_ = 0;

 private:
  AlignedBuffer arena_;
  uint64_t memory_ = 0;
  EchoContext context_;
  const int wait_fd_;
  std::array<varve_transport_event, 64> events_;
};

class PluginServer final : public PluginEnd {
 public:
  explicit PluginServer(const EchoOptions& options)
      : PluginEnd(options, options.depth + kSpareReceiveBuffers) {
    PluginWords bound;
    PluginWords why;
    check(table().listen(context(), options.address.c_str(), bound.bytes.data(), bound.room(),
                         why.bytes.data(), why.room()),
          "listen", why);
    for (uint64_t i = 0; i < options.depth + kSpareReceiveBuffers; ++i) post(i);
    say(text("listening ", bound.text_or("")));
  }

  bool ended() const override { return closed_; }
  std::string summary() const { return server_.summary() + calls(server_.request_count()); }

 private:
  using Header = std::array<std::byte, kEchoHeaderBytes>;

  void happened(const varve_transport_event& event) override {
    if (event.kind == VARVE_EVENT_ACCEPTED) connection_ = event.connection;
    if (event.kind == VARVE_EVENT_CLOSED) closed_ = true;
    if (event.kind == VARVE_EVENT_RECEIVED) received(event);
    if (event.kind != VARVE_EVENT_WRITABLE) return;
    while (!refused_.empty() && reply(refused_.front().data())) refused_.pop_front();
  }

  void received(const varve_transport_event& event) {
    if (event.header_bytes != kEchoHeaderBytes || event.payload_bytes != kEchoPayloadBytes)
      fail("a request of another size has arrived");
    server_.request();
    post(event.op_id - 1);
    if (refused_.empty() && reply(event.header)) return;
    std::memcpy(refused_.emplace_back().data(), event.header, kEchoHeaderBytes);
  }

  bool reply(const void* header) { return send(header, nullptr, ++last_op_id_); }
  void post(uint64_t index) {
    ++call_count_;
    const varve_slice slice = buffer(index);
    check(table().receive_post(context(), &slice, index + 1), "receive_post");
  }

  EchoServer server_;
  uint64_t last_op_id_ = 0;
  std::deque<Header> refused_;  // replies that wait until the plugin takes more
  bool closed_ = false;
};

class PluginClient final : public PluginEnd {
 public:
  // A payload may still be the plugin's when its reply has come.
  explicit PluginClient(const EchoOptions& options)
      : PluginEnd(options, 2 * size_t{options.depth}), client_(options) {
    for (uint64_t i = 0; i < 2 * uint64_t{options.depth}; ++i) unused_.push_back(i);
    check(table().connect(context(), options.address.c_str(), 1), "connect");
  }

  bool ended() const override { return client_.ended(); }
  std::string summary() { return client_.summary() + calls(client_.request_count()); }

  size_t poll() override {
    const size_t count = PluginEnd::poll();
    send_requests();
    return count;
  }

 private:
  void happened(const varve_transport_event& event) override {
    if (event.kind == VARVE_EVENT_RECEIVED) {
      if (event.header_bytes != kEchoHeaderBytes) fail("a reply of another size has arrived");
      client_.reply(static_cast<const std::byte*>(event.header));
    } else if (event.kind == VARVE_EVENT_OP_DONE) {
      unused_.push_back(event.op_id - 1);
    } else if (event.kind == VARVE_EVENT_CONNECTED) {
      check(event.result, "connect");
      connection_ = event.connection;
      client_.begin();
    } else if (event.kind == VARVE_EVENT_CLOSED) {
      fail("the server has closed the connection");
    } else if (event.kind == VARVE_EVENT_WRITABLE) {
      refused_ = false;
    }
  }

  void send_requests() {
    while ((refused_header_ || client_.wants_request()) && !refused_ && !unused_.empty()) {
      if (!refused_header_) client_.write_request(header_.data());
      const varve_slice payload = buffer(unused_.back());
      refused_ = !send(header_.data(), &payload, unused_.back() + 1);
      refused_header_ = refused_;
      if (!refused_) unused_.pop_back();
    }
  }

  EchoClient client_;
  std::vector<uint64_t> unused_;  // buffers; the last one is in the CPU's cache
  std::array<std::byte, kEchoHeaderBytes> header_{};
  bool refused_ = false;         // until the plugin takes more
  bool refused_header_ = false;  // header_ is that of a request which was refused
};

void drive(PluginEnd& end) {
  auto loop = UringLoop::create();
  if (!loop.ok()) fail(loop.status().message());
  (*loop)->add_poller(end);
  (*loop)->run_until([&end] { return end.ended(); });
  (*loop)->remove_poller(end);
}

}  // namespace

EchoContext::EchoContext(const std::string& plugin, const std::string& tls_files) {
  auto opened = PluginLibrary::open(plugin);
  if (!opened.ok()) fail(opened.status().message());
  library_ = std::move(*opened);
  if (const Status kind = library_->need_kind(VARVE_KIND_TRANSPORT); !kind.ok())
    fail(kind.message());
  if (!tls_files.empty()) {
    TlsConfig tls;
    tls.ca_file = tls_files + "/ca-cert.pem";
    tls.cert_file = tls_files + "/node-cert.pem";
    tls.key_file = tls_files + "/node-key.pem";
    library_->set_tls(tls);
  }
  host_ = plugin_host(*library_);
  PluginWords why;
  check(table().instance_create(&host_, nullptr, 0, &instance_, why.bytes.data(), why.room()),
        "instance_create", why);
  check(table().context_create(instance_, 0, &context_), "context_create");
}

EchoContext::~EchoContext() {
  table().context_destroy(context_);
  table().instance_destroy(instance_);
}

void serve_by_plugin(const EchoOptions& options) {
  PluginServer server(options);
  drive(server);
  say(server.summary());
}

void request_by_plugin(const EchoOptions& options) {
  PluginClient client(options);
  drive(client);
  say(client.summary());
}

}  // namespace varve
