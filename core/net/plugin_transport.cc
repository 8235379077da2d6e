#include "core/net/plugin_transport.h"

namespace varve {

static_assert(kHeaderBytesMax == VARVE_HEADER_BYTES_MAX);
static_assert(kPayloadBytesMax == VARVE_PAYLOAD_BYTES_MAX);
static_assert(kMessageSlicesMax == VARVE_MESSAGE_SLICES_MAX);
static_assert(uint64_t{1} << kConnectionIdBits == VARVE_CONNECTION_MAX + 1);

PluginTransport::PluginTransport(std::unique_ptr<TransportPlugin> plugin)
    : plugin_(std::move(plugin)) {}

Result<std::unique_ptr<PluginTransport>> PluginTransport::create(
    const PluginLibrary& library, std::span<const ServiceOption> options, uint32_t shard_index) {
  auto plugin = TransportPlugin::create(library, options, shard_index);
  if (!plugin.ok()) return plugin.status();
  return std::unique_ptr<PluginTransport>(new PluginTransport(std::move(*plugin)));
}

// The sink may call back into the plugin: its own poll has returned by then.
size_t PluginTransport::poll() {
  VARVE_CHECK(sink_ != nullptr);
  const std::span<const varve_transport_event> events = plugin_->poll();
  for (const varve_transport_event& event : events) tell(event);
  return events.size();
}

void PluginTransport::tell(const varve_transport_event& event) {
  const ErrorCode result = transport_error(event.result);
  switch (event.kind) {
    case VARVE_EVENT_CONNECTED:
      note_name(event);
      return sink_->connected(event.op_id, result, event.connection);
    case VARVE_EVENT_ACCEPTED:
      note_name(event);
      return sink_->accepted(event.connection);
    case VARVE_EVENT_RECEIVED: {
      const std::span header(static_cast<const std::byte*>(event.header), event.header_bytes);
      return sink_->received(event.connection, header, event.op_id, event.payload_bytes);
    }
    case VARVE_EVENT_OP_DONE:
      return sink_->sent(event.op_id, result);
    case VARVE_EVENT_CLOSED:
      names_.erase(event.connection);
      return sink_->closed(event.connection, result);
    default:
      return sink_->writable(event.connection);
  }
}

void PluginTransport::note_name(const varve_transport_event& event) {
  if (event.connection == 0 || event.header_bytes == 0) return;
  names_[event.connection].assign(static_cast<const char*>(event.header), event.header_bytes);
}

}  // namespace varve
