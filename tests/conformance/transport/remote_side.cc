#include "tests/conformance/transport/remote_side.h"

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <sstream>
#include <vector>

#include "tests/conformance/transport/remote_frames.h"

namespace varve {
namespace {

struct Remote {
  Remote(const varve_host& to, UniqueFd fd) : host(to), socket(std::move(fd)) {}

  varve_host host;
  RemoteSocket socket;
  bool gone = false;
  char* arena = nullptr;
  std::map<uint64_t, varve_slice> posted;
  std::vector<std::string> headers;  // of the last poll's events
};

Remote& of(varve_transport_instance* instance) {
  return *reinterpret_cast<Remote*>(instance);
}

Remote& of(varve_transport_context* context) {
  return *reinterpret_cast<Remote*>(context);
}

std::optional<RemoteBody> answer_if_there(Remote& remote, RemoteWord word, const RemoteBody& body) {
  remote.socket.put(word, body);
  if (!remote.socket.flush()) return std::nullopt;
  while (auto frame = remote.socket.read()) {
    if (frame->word == RemoteWord::kReply) return std::move(frame->body);
    if (frame->word == RemoteWord::kLog) {
      std::istringstream lines("the other side: " + frame->body.text());
      for (std::string line; std::getline(lines, line);)
        remote.host.log(remote.host.host, VARVE_LOG_INFO, line.c_str());
    }
  }
  return std::nullopt;
}

RemoteBody answer(Remote& remote, RemoteWord word, const RemoteBody& body = {}) {
  std::optional<RemoteBody> reply;
  if (!remote.gone) reply = answer_if_there(remote, word, body);
  remote.gone = !reply;
  if (!reply) FAIL("the process of the right side is gone");
  return std::move(*reply);
}

int32_t result_of(Remote& remote, RemoteWord word, const RemoteBody& body = {}) {
  return static_cast<int32_t>(answer(remote, word, body).number());
}

void copy_text(const std::string& text, char* to, uint32_t bytes) {
  std::snprintf(to, bytes, "%s", text.c_str());
}

UniqueFd connection() {
  UniqueFd fd = connect_to(remote_address());
  INFO("nobody serves sides at " << remote_address());
  REQUIRE(fd.valid());
  return fd;
}

int32_t instance_create(const varve_host* host, const varve_option* options, uint32_t option_count,
                        varve_transport_instance** instance, char* why, uint32_t why_bytes) {
  auto remote = std::make_unique<Remote>(*host, connection());
  RemoteBody body;
  body.put(option_count);
  for (uint32_t i = 0; i < option_count; ++i)
    body.put(std::string_view(options[i].key)).put(std::string_view(options[i].value));
  RemoteBody reply = answer(*remote, RemoteWord::kInstance, body);
  const auto result = static_cast<int32_t>(reply.number());
  copy_text(reply.text(), why, why_bytes);
  if (result == VARVE_OK) *instance = reinterpret_cast<varve_transport_instance*>(remote.release());
  return result;
}

void instance_destroy(varve_transport_instance* instance) {
  delete &of(instance);
}

int32_t context_create(varve_transport_instance* instance, uint32_t,
                       varve_transport_context** context) {
  Remote& remote = of(instance);
  remote.posted.clear();
  *context = reinterpret_cast<varve_transport_context*>(&remote);
  return result_of(remote, RemoteWord::kContext);
}

void context_destroy(varve_transport_context* context) {
  Remote& remote = of(context);
  if (!remote.gone) answer_if_there(remote, RemoteWord::kDestroyContext, {});
}

int32_t memory_register(varve_transport_context* context, void* base, uint64_t bytes,
                        uint64_t* memory) {
  Remote& remote = of(context);
  remote.arena = static_cast<char*>(base);
  RemoteBody reply = answer(remote, RemoteWord::kMemory, RemoteBody().put(bytes));
  const auto result = static_cast<int32_t>(reply.number());
  *memory = reply.number();
  return result;
}

int32_t memory_unregister(varve_transport_context*, uint64_t) {
  FAIL("a remote side keeps its arena");
  return VARVE_E_INVALID;
}

int32_t listen(varve_transport_context* context, const char* address, char* bound,
               uint32_t bound_bytes, char* why, uint32_t why_bytes) {
  RemoteBody reply =
      answer(of(context), RemoteWord::kListen, RemoteBody().put(std::string_view(address)));
  const auto result = static_cast<int32_t>(reply.number());
  copy_text(reply.text(), bound, bound_bytes);
  copy_text(reply.text(), why, why_bytes);
  return result;
}

int32_t connect(varve_transport_context* context, const char* address, uint64_t op_id) {
  return result_of(of(context), RemoteWord::kConnect,
                   RemoteBody().put(std::string_view(address)).put(op_id));
}

int32_t disconnect(varve_transport_context* context, uint64_t connection) {
  return result_of(of(context), RemoteWord::kDisconnect, RemoteBody().put(connection));
}

uint64_t offset(const Remote& remote, const varve_slice& slice) {
  return static_cast<uint64_t>(static_cast<char*>(slice.data) - remote.arena);
}

int32_t receive_post(varve_transport_context* context, const varve_slice* buffer, uint64_t op_id) {
  Remote& remote = of(context);
  remote.posted[op_id] = *buffer;
  remote.socket.put(RemoteWord::kPost,
                    RemoteBody().put(offset(remote, *buffer)).put(buffer->bytes).put(op_id));
  return VARVE_OK;
}

int32_t send(varve_transport_context* context, uint64_t connection, const varve_message* message,
             uint64_t op_id) {
  Remote& remote = of(context);
  RemoteBody body;
  body.put(connection).put(op_id);
  body.put(std::string_view(static_cast<const char*>(message->header), message->header_bytes));
  body.put(message->slice_count);
  for (uint32_t i = 0; i < message->slice_count; ++i) {
    const varve_slice& slice = message->slices[i];
    body.put(offset(remote, slice));
    body.put(std::string_view(static_cast<const char*>(slice.data), slice.bytes));
  }
  return result_of(remote, RemoteWord::kSend, body);
}

int32_t poll(varve_transport_context* context, varve_transport_event* events, uint32_t capacity) {
  Remote& remote = of(context);
  RemoteBody reply = answer(remote, RemoteWord::kPoll, RemoteBody().put(capacity));
  const auto count = static_cast<int32_t>(reply.number());
  remote.headers.assign(static_cast<size_t>(std::max(count, 0)), "");
  for (size_t i = 0; i < remote.headers.size(); ++i) {
    varve_transport_event& event = events[i];
    event = {};
    event.kind = static_cast<uint32_t>(reply.number());
    event.result = static_cast<int32_t>(reply.number());
    event.op_id = reply.number();
    event.connection = reply.number();
    remote.headers[i] = reply.text();
    event.header = remote.headers[i].data();
    event.header_bytes = static_cast<uint32_t>(remote.headers[i].size());
    event.payload_bytes = static_cast<uint32_t>(reply.number());
    const std::string payload = reply.text();
    const auto buffer = remote.posted.find(event.op_id);
    if (event.kind != VARVE_EVENT_RECEIVED || buffer == remote.posted.end()) continue;
    memcpy(buffer->second.data, payload.data(), payload.size());
    remote.posted.erase(buffer);
  }
  return count;
}

int32_t arm(varve_transport_context* context) {
  return result_of(of(context), RemoteWord::kArm);
}

int32_t wait_fd(varve_transport_context* context) {
  return of(context).socket.fd();
}

}  // namespace

std::string remote_address() {
  const char* const address = std::getenv("VARVE_TRANSPORT_REMOTE");
  return address == nullptr ? "" : address;
}

const varve_transport& remote_table() {
  static const varve_transport table = [] {
    varve_transport out{};
    out.instance_create = instance_create;
    out.instance_destroy = instance_destroy;
    out.context_create = context_create;
    out.context_destroy = context_destroy;
    out.memory_register = memory_register;
    out.memory_unregister = memory_unregister;
    out.listen = listen;
    out.connect = connect;
    out.disconnect = disconnect;
    out.receive_post = receive_post;
    out.send = send;
    out.poll = poll;
    out.arm = arm;
    out.wait_fd = wait_fd;
    return out;
  }();
  return table;
}

void kill_remote(varve_transport_instance* instance) {
  Remote& remote = of(instance);
  // No answer: the kernel closes the connection when the process is dead.
  REQUIRE_FALSE(answer_if_there(remote, RemoteWord::kKill, {}));
  remote.gone = true;
}

}  // namespace varve
