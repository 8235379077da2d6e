// The process that a remote side's context lives in.
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <vector>

#include "core/base/check.h"
#include "tests/conformance/transport/remote_frames.h"
#include "tests/conformance/transport/remote_side.h"
#include "tests/conformance/transport/wire.h"

namespace varve {
namespace {

// One instance and its context, and what is asked of them.
class ServedSide {
 public:
  explicit ServedSide(UniqueFd fd) : socket_(std::move(fd)), host_(host_for(&log_)) {}
  ~ServedSide() {
    destroy_context();
    if (instance_ != nullptr) table_.instance_destroy(instance_);
  }
  ServedSide(const ServedSide&) = delete;
  ServedSide& operator=(const ServedSide&) = delete;

  // Until the other program has closed the connection.
  void run();

 private:
  void await_frame();
  void serve(RemoteFrame& frame);
  RemoteBody answer(RemoteWord word, RemoteBody& body);
  RemoteBody create_instance(RemoteBody& body);
  void destroy_context();
  RemoteBody register_memory(RemoteBody& body);
  RemoteBody listen(RemoteBody& body);
  void post(RemoteBody& body);
  RemoteBody send(RemoteBody& body);
  RemoteBody poll(RemoteBody& body);
  void put_event(RemoteBody& out, const varve_transport_event& event);
  static RemoteBody result(int32_t value) { return RemoteBody().put(static_cast<uint32_t>(value)); }

  RemoteSocket socket_;
  std::string log_;
  varve_host host_;
  const varve_transport& table_ = transport_under_test();
  varve_transport_instance* instance_ = nullptr;
  varve_transport_context* context_ = nullptr;
  std::unique_ptr<char, decltype(&std::free)> arena_{nullptr, &std::free};
  uint64_t memory_ = 0;
  std::map<uint64_t, varve_slice> posted_;
  bool asleep_ = false;  // since an arm that returned 0
  bool told_ = false;    // that wait_fd is readable
};

void ServedSide::run() {
  while (true) {
    await_frame();
    auto frame = socket_.read();
    if (!frame) return;
    serve(*frame);
    if (!socket_.flush()) return;
  }
}

void ServedSide::await_frame() {
  pollfd ready[2] = {{socket_.fd(), POLLIN, 0}, {-1, POLLIN, 0}};
  while (true) {
    ready[1].fd = asleep_ && !told_ ? table_.wait_fd(context_) : -1;
    VARVE_CHECK(::poll(ready, 2, -1) > 0);
    if (ready[0].revents != 0) return;
    told_ = true;
    socket_.put(RemoteWord::kWake);
    if (!socket_.flush()) return;
  }
}

void ServedSide::serve(RemoteFrame& frame) {
  if (frame.word == RemoteWord::kPost) return post(frame.body);
  RemoteBody reply = answer(frame.word, frame.body);
  // Whoever waits for the answer drops what was told before: it is told again if it still holds.
  told_ = false;
  if (!log_.empty()) socket_.put(RemoteWord::kLog, RemoteBody().put(std::exchange(log_, "")));
  socket_.put(RemoteWord::kReply, reply);
}

RemoteBody ServedSide::answer(RemoteWord word, RemoteBody& body) {
  switch (word) {
    case RemoteWord::kInstance:
      return create_instance(body);
    case RemoteWord::kContext:
      return result(table_.context_create(instance_, 0, &context_));
    case RemoteWord::kDestroyContext:
      destroy_context();
      return {};
    case RemoteWord::kMemory:
      return register_memory(body);
    case RemoteWord::kListen:
      return listen(body);
    case RemoteWord::kConnect: {
      const std::string address = body.text();
      return result(table_.connect(context_, address.c_str(), body.number()));
    }
    case RemoteWord::kDisconnect:
      return result(table_.disconnect(context_, body.number()));
    case RemoteWord::kSend:
      return send(body);
    case RemoteWord::kPoll:
      return poll(body);
    case RemoteWord::kArm: {
      const int32_t pending = table_.arm(context_);
      asleep_ = pending == 0;
      return result(pending);
    }
    case RemoteWord::kKill:
      ::raise(SIGKILL);
      [[fallthrough]];
    default:
      VARVE_CHECK(false);
  }
}

RemoteBody ServedSide::create_instance(RemoteBody& body) {
  std::vector<std::pair<std::string, std::string>> words(body.number());
  std::vector<varve_option> options;
  for (auto& [key, value] : words) {
    key = body.text();
    value = body.text();
    options.push_back({key.c_str(), value.c_str()});
  }
  char why[256] = "";
  const int32_t made = table_.instance_create(
      &host_, options.data(), static_cast<uint32_t>(options.size()), &instance_, why, sizeof(why));
  return result(made).put(std::string_view(why));
}

void ServedSide::destroy_context() {
  if (context_ != nullptr) table_.context_destroy(context_);
  context_ = nullptr;
  asleep_ = false;
  posted_.clear();
}

RemoteBody ServedSide::register_memory(RemoteBody& body) {
  const uint64_t bytes = body.number();
  arena_.reset(static_cast<char*>(std::aligned_alloc(4096, bytes)));
  return result(table_.memory_register(context_, arena_.get(), bytes, &memory_)).put(memory_);
}

RemoteBody ServedSide::listen(RemoteBody& body) {
  char bound[128] = "";
  char why[256] = "";
  const std::string address = body.text();
  const int32_t listens =
      table_.listen(context_, address.c_str(), bound, sizeof(bound), why, sizeof(why));
  return result(listens).put(std::string_view(bound)).put(std::string_view(why));
}

void ServedSide::post(RemoteBody& body) {
  char* const start = arena_.get() + body.number();
  const uint64_t bytes = body.number();
  const uint64_t op_id = body.number();
  const varve_slice buffer{start, bytes, memory_};
  posted_[op_id] = buffer;
  VARVE_CHECK(table_.receive_post(context_, &buffer, op_id) == VARVE_OK);
}

RemoteBody ServedSide::send(RemoteBody& body) {
  const uint64_t connection = body.number();
  const uint64_t op_id = body.number();
  const std::string header = body.text();
  varve_message message{};
  message.struct_size = sizeof(message);
  message.header = header.data();
  message.header_bytes = static_cast<uint32_t>(header.size());
  message.slice_count = static_cast<uint32_t>(body.number());
  for (uint32_t i = 0; i < message.slice_count; ++i) {
    char* const start = arena_.get() + body.number();
    const std::string bytes = body.text();
    memcpy(start, bytes.data(), bytes.size());
    message.slices[i] = {start, bytes.size(), memory_};
  }
  return result(table_.send(context_, connection, &message, op_id));
}

RemoteBody ServedSide::poll(RemoteBody& body) {
  asleep_ = false;
  std::vector<varve_transport_event> events(body.number());
  const int32_t count = table_.poll(context_, events.data(), static_cast<uint32_t>(events.size()));
  RemoteBody out = result(count);
  for (int32_t i = 0; i < count; ++i) put_event(out, events.at(static_cast<size_t>(i)));
  return out;
}

void ServedSide::put_event(RemoteBody& out, const varve_transport_event& event) {
  out.put(event.kind).put(static_cast<uint32_t>(event.result));
  out.put(event.op_id).put(event.connection);
  out.put(std::string_view(static_cast<const char*>(event.header), event.header_bytes));
  out.put(event.payload_bytes);
  const auto buffer = posted_.find(event.op_id);
  if (event.kind != VARVE_EVENT_RECEIVED || buffer == posted_.end()) {
    out.put(std::string_view());
    return;
  }
  const uint64_t bytes = std::min<uint64_t>(event.payload_bytes, buffer->second.bytes);
  out.put(std::string_view(static_cast<const char*>(buffer->second.data), bytes));
  posted_.erase(buffer);
}

}  // namespace

void serve_sides(const std::string& address) {
  std::string bound;
  const UniqueFd listener = listen_on(address, bound);
  std::printf("serving sides at %s\n", bound.c_str());
  std::fflush(stdout);
  ::signal(SIGCHLD, SIG_IGN);  // nobody asks how they ended
  const pid_t parent = ::getpid();
  while (true) {
    UniqueFd fd(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!fd.valid()) continue;
    const pid_t child = ::fork();
    VARVE_CHECK(child >= 0);
    if (child > 0) continue;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() == parent) ServedSide(std::move(fd)).run();
    ::_exit(0);
  }
}

}  // namespace varve
