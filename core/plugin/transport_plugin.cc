#include "core/plugin/transport_plugin.h"

#include <algorithm>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/plugin/plugin_host.h"

namespace varve {

ErrorCode transport_error(int32_t result) {
  switch (result) {
    case VARVE_OK:
      return ErrorCode::kOk;
    case VARVE_E_AGAIN:
      return ErrorCode::kBusy;
    case VARVE_E_INVALID:
      return ErrorCode::kInvalidArgument;
    case VARVE_E_NOT_FOUND:
      return ErrorCode::kUnavailable;
    case VARVE_E_DAMAGED:
      return ErrorCode::kDamaged;
    case VARVE_E_UNSUPPORTED:
      return ErrorCode::kUnsupported;
    case VARVE_E_CLOSED:
      return ErrorCode::kClosed;
    default:
      return ErrorCode::kIoError;
  }
}

TransportPlugin::TransportPlugin(const PluginLibrary& library)
    : library_(library), host_(plugin_host(library)) {}

TransportPlugin::~TransportPlugin() {
  // A plugin that broke the contract may still use what it holds: nothing of it is taken away.
  if (broken()) return;
  if (context_ != nullptr) table().context_destroy(context_);
  if (instance_ != nullptr) table().instance_destroy(instance_);
}

Result<std::unique_ptr<TransportPlugin>> TransportPlugin::create(
    const PluginLibrary& library, std::span<const ServiceOption> options, uint32_t shard_index) {
  VARVE_TRY(library.need_kind(VARVE_KIND_TRANSPORT));
  std::unique_ptr<TransportPlugin> plugin(new TransportPlugin(library));
  VARVE_TRY(plugin->start(options, shard_index));
  return plugin;
}

Status TransportPlugin::start(std::span<const ServiceOption> options, uint32_t shard_index) {
  VARVE_TRY(make_instance(table().instance_create, host_, options, &instance_));
  varve_transport_context* context = nullptr;
  const int32_t result = table().context_create(instance_, shard_index, &context);
  VARVE_TRY(context_made(result, context));
  context_ = context;
  wait_fd_ = table().wait_fd(context_);
  Status awaitable = check_wait_fd(wait_fd_);
  if (!awaitable.ok()) abandon(std::string(awaitable.message()));
  return awaitable;
}

Result<std::string> TransportPlugin::listen(const std::string& address) {
  if (broken()) return ErrorCode::kClosed;
  PluginWords bound;
  PluginWords why;
  const int32_t result = table().listen(context_, address.c_str(), bound.bytes.data(), bound.room(),
                                        why.bytes.data(), why.room());
  if (result < 0) {
    return Status(plugin_error(result),
                  why.text_or(text("cannot listen on ", address, " (", result, ")")));
  }
  std::string where = bound.text_or("");
  if (result == VARVE_OK && !where.empty()) return where;
  abandon(text("listen returned ", result, " and the address \"", where, "\""));
  return ErrorCode::kClosed;
}

// The end of a call that begins an operation.
Status TransportPlugin::accepted(uint64_t number, int32_t result, const char* call) {
  if (result == VARVE_OK) return {};
  ops_.end(number);
  if (result < 0) return transport_error(result);
  abandon(text(call, " returned ", result));
  return ErrorCode::kClosed;
}

Status TransportPlugin::connect(const std::string& address, uint64_t op_id) {
  if (broken()) return ErrorCode::kClosed;
  const uint64_t number = ops_.begin(TransportOpKind::kConnect, op_id, 0, 0);
  return accepted(number, table().connect(context_, address.c_str(), number), "connect");
}

void TransportPlugin::disconnect(uint64_t connection) {
  if (broken() || !connections_.contains(connection)) return;
  const int32_t result = table().disconnect(context_, connection);
  if (result > 0) abandon(text("disconnect returned ", result));
}

Status TransportPlugin::register_memory(std::span<std::byte> arena) {
  if (broken()) return ErrorCode::kClosed;
  uint64_t memory = 0;
  const int32_t result = table().memory_register(context_, arena.data(), arena.size(), &memory);
  if (result < 0) return transport_error(result);
  if (result > 0 || memory == 0) {
    abandon(text("memory_register returned ", result, " and the number ", memory));
    return ErrorCode::kClosed;
  }
  arenas_.push_back({arena, memory});
  return {};
}

varve_slice TransportPlugin::slice_of(std::span<const std::byte> bytes) const {
  const auto holds = [&](const Arena& arena) {
    const uint64_t at =
        reinterpret_cast<uintptr_t>(bytes.data()) - reinterpret_cast<uintptr_t>(arena.bytes.data());
    return at < arena.bytes.size() && bytes.size() <= arena.bytes.size() - at;
  };
  const auto arena = std::find_if(arenas_.begin(), arenas_.end(), holds);
  return {const_cast<std::byte*>(bytes.data()), bytes.size(),
          arena == arenas_.end() ? 0 : arena->memory};
}

Status TransportPlugin::post_receive(std::span<std::byte> buffer, uint64_t op_id) {
  if (broken()) return ErrorCode::kClosed;
  const varve_slice slice = slice_of(buffer);
  VARVE_CHECK(slice.memory != 0);  // it was not registered
  const uint64_t number = ops_.begin(TransportOpKind::kReceive, op_id, 0, buffer.size());
  return accepted(number, table().receive_post(context_, &slice, number), "receive_post");
}

Status TransportPlugin::send(uint64_t connection, std::span<const std::byte> header,
                             std::span<const std::span<const std::byte>> slices, uint64_t op_id) {
  VARVE_CHECK(!header.empty() && header.size() <= VARVE_HEADER_BYTES_MAX);
  VARVE_CHECK(slices.size() <= VARVE_MESSAGE_SLICES_MAX);
  if (broken()) return ErrorCode::kClosed;
  const auto found = connections_.find(connection);
  if (found == connections_.end()) return ErrorCode::kClosed;
  varve_message message{};
  message.struct_size = sizeof(message);
  message.header_bytes = static_cast<uint32_t>(header.size());
  message.header = header.data();
  for (const std::span<const std::byte> slice : slices) {
    if (!slice.empty()) message.slices[message.slice_count++] = slice_of(slice);
  }
  const uint64_t number = ops_.begin(TransportOpKind::kSend, op_id, connection, 0);
  const int32_t result = table().send(context_, connection, &message, number);
  if (result == VARVE_OK) ++found->second.send_count;
  if (result == VARVE_E_AGAIN) found->second.refused = true;
  return accepted(number, result, "send");
}

std::span<const varve_transport_event> TransportPlugin::poll() {
  events_.clear();
  if (!broken()) {
    std::array<varve_transport_event, kEventBatch> given{};
    const int32_t count = table().poll(context_, given.data(), kEventBatch);
    if (count < 0 || count > static_cast<int32_t>(kEventBatch)) {
      abandon(text("poll returned ", count, " for room for ", kEventBatch, " events"));
    }
    for (int32_t i = 0; i < count && !broken(); ++i) {
      varve_transport_event& event = given[static_cast<size_t>(i)];
      std::string wrong = check(event);
      if (wrong.empty()) {
        events_.push_back(event);
      } else {
        abandon(std::move(wrong));
      }
    }
  }
  events_.insert(events_.end(), endings_.begin(), endings_.end());
  endings_.clear();
  return events_;
}

bool TransportPlugin::arm() {
  if (broken()) return !endings_.empty();
  const int32_t pending = table().arm(context_);
  if (pending == 0 || pending == 1) return pending == 1;
  abandon(text("arm returned ", pending, "; it must return 0 or 1"));
  return !endings_.empty();
}

std::string TransportPlugin::check(varve_transport_event& event) {
  if (event.result > 0) return text("an event has the result ", event.result);
  switch (event.kind) {
    case VARVE_EVENT_CONNECTED:
      return check_connected(event);
    case VARVE_EVENT_ACCEPTED:
      return check_accepted(event);
    case VARVE_EVENT_RECEIVED:
      return check_received(event);
    case VARVE_EVENT_OP_DONE:
      return check_done(event);
    case VARVE_EVENT_CLOSED:
      return check_closed(event);
    case VARVE_EVENT_WRITABLE:
      return check_writable(event);
    default:
      return text("an event has the kind ", event.kind);
  }
}

std::string TransportPlugin::check_connected(varve_transport_event& event) {
  const TransportOp* op = ops_.find(event.op_id, TransportOpKind::kConnect);
  if (op == nullptr) return text("CONNECTED for op_id ", event.op_id, ", which is no open connect");
  if (event.result == VARVE_OK) {
    if (std::string wrong = check_accepted(event); !wrong.empty()) return wrong;
  }
  const uint64_t number = event.op_id;
  event.op_id = op->op_id;
  ops_.end(number);
  return {};
}

std::string TransportPlugin::check_accepted(const varve_transport_event& event) {
  if (event.connection == 0 || event.connection > VARVE_CONNECTION_MAX)
    return text("a new connection has the number ", event.connection, "; it must be from 1 to ",
                VARVE_CONNECTION_MAX);
  if (event.header_bytes > VARVE_HEADER_BYTES_MAX ||
      (event.header_bytes > 0 && event.header == nullptr))
    return text("a new connection has a name of ", event.header_bytes, " bytes");
  if (connections_.try_emplace(event.connection).second) return {};
  return text("a new connection has the number ", event.connection, ", which is in use");
}

std::string TransportPlugin::check_received(varve_transport_event& event) {
  if (!connections_.contains(event.connection)) {
    return text("RECEIVED for connection ", event.connection, ", which is not open");
  }
  if (event.header == nullptr || event.header_bytes < 1 ||
      event.header_bytes > VARVE_HEADER_BYTES_MAX) {
    return text("RECEIVED with a header of ", event.header_bytes, " bytes");
  }
  if (event.op_id == 0) {
    if (event.payload_bytes == 0) return {};
    return text("RECEIVED with ", event.payload_bytes, " bytes of payload and no buffer");
  }
  const TransportOp* op = ops_.find(event.op_id, TransportOpKind::kReceive);
  if (op == nullptr) return text("RECEIVED for op_id ", event.op_id, ", which is no posted buffer");
  if (event.payload_bytes == 0 || event.payload_bytes > op->bytes) {
    return text("RECEIVED with ", event.payload_bytes, " bytes in a buffer of ", op->bytes);
  }
  const uint64_t number = event.op_id;
  event.op_id = op->op_id;
  ops_.end(number);
  return {};
}

std::string TransportPlugin::check_done(varve_transport_event& event) {
  const TransportOp* op = ops_.find(event.op_id, TransportOpKind::kSend);
  if (op == nullptr) return text("OP_DONE for op_id ", event.op_id, ", which is no open send");
  // Open: CLOSED is refused while a send of its connection is on the way.
  --connections_.at(op->connection).send_count;
  const uint64_t number = event.op_id;
  event.op_id = op->op_id;
  ops_.end(number);
  return {};
}

std::string TransportPlugin::check_closed(const varve_transport_event& event) {
  const auto found = connections_.find(event.connection);
  if (found == connections_.end()) {
    return text("CLOSED for connection ", event.connection, ", which is not open");
  }
  if (found->second.send_count > 0) {
    return text("CLOSED for connection ", event.connection, " before the OP_DONE of ",
                found->second.send_count, " sends");
  }
  connections_.erase(found);
  return {};
}

std::string TransportPlugin::check_writable(const varve_transport_event& event) {
  const auto found = connections_.find(event.connection);
  if (found == connections_.end() || !found->second.refused) {
    return text("WRITABLE for connection ", event.connection, ", which has refused nothing");
  }
  found->second.refused = false;
  return {};
}

void TransportPlugin::abandon(std::string why) {
  if (broken()) return;
  log_error(library_.name(), text("the plugin broke its contract and is not used any more: ", why));
  broken_why_ = std::move(why);
  for (const TransportOp& op : ops_.all()) {
    const bool is_connect = op.kind == TransportOpKind::kConnect;
    if (!is_connect && op.kind != TransportOpKind::kSend) continue;
    endings_.push_back({.kind = is_connect ? VARVE_EVENT_CONNECTED : VARVE_EVENT_OP_DONE,
                        .result = VARVE_E_CLOSED,
                        .op_id = op.op_id,
                        .connection = op.connection});
  }
  for (const auto& [connection, state] : connections_) {
    endings_.push_back(
        {.kind = VARVE_EVENT_CLOSED, .result = VARVE_E_CLOSED, .connection = connection});
  }
  ops_ = {};
  connections_.clear();
}

}  // namespace varve
