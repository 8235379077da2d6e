#include "core/plugin/table_callbacks.h"

#include "plugins/abi/metadata.h"
#include "plugins/abi/service.h"
#include "plugins/abi/transport.h"

namespace varve {
namespace {

// A table stands at the start of its struct.
template <typename Struct>
const Struct& struct_of(const varve_table& table) {
  return reinterpret_cast<const Struct&>(table);
}

#define VARVE_CALLBACK(type, member) \
  {#member, [](const varve_table& table) { return struct_of<type>(table).member != nullptr; }}

constexpr TableCallback kServiceCallbacks[] = {
    VARVE_CALLBACK(varve_service, instance_create),
    VARVE_CALLBACK(varve_service, instance_destroy),
    VARVE_CALLBACK(varve_service, context_create),
    VARVE_CALLBACK(varve_service, context_destroy),
    VARVE_CALLBACK(varve_service, start),
    VARVE_CALLBACK(varve_service, stop),
    VARVE_CALLBACK(varve_service, stopped),
    VARVE_CALLBACK(varve_service, poll),
    VARVE_CALLBACK(varve_service, arm),
    VARVE_CALLBACK(varve_service, wait_fd),
};

constexpr TableCallback kTransportCallbacks[] = {
    VARVE_CALLBACK(varve_transport, instance_create),
    VARVE_CALLBACK(varve_transport, instance_destroy),
    VARVE_CALLBACK(varve_transport, context_create),
    VARVE_CALLBACK(varve_transport, context_destroy),
    VARVE_CALLBACK(varve_transport, memory_register),
    VARVE_CALLBACK(varve_transport, memory_unregister),
    VARVE_CALLBACK(varve_transport, listen),
    VARVE_CALLBACK(varve_transport, connect),
    VARVE_CALLBACK(varve_transport, disconnect),
    VARVE_CALLBACK(varve_transport, receive_post),
    VARVE_CALLBACK(varve_transport, send),
    VARVE_CALLBACK(varve_transport, poll),
    VARVE_CALLBACK(varve_transport, arm),
    VARVE_CALLBACK(varve_transport, wait_fd),
};

constexpr TableCallback kMetadataCallbacks[] = {
    VARVE_CALLBACK(varve_metadata, instance_create),
    VARVE_CALLBACK(varve_metadata, instance_destroy),
    VARVE_CALLBACK(varve_metadata, context_create),
    VARVE_CALLBACK(varve_metadata, context_destroy),
    VARVE_CALLBACK(varve_metadata, start),
    VARVE_CALLBACK(varve_metadata, range),
    VARVE_CALLBACK(varve_metadata, commit),
    VARVE_CALLBACK(varve_metadata, watch),
    VARVE_CALLBACK(varve_metadata, unwatch),
    VARVE_CALLBACK(varve_metadata, poll),
    VARVE_CALLBACK(varve_metadata, arm),
    VARVE_CALLBACK(varve_metadata, wait_fd),
};

#undef VARVE_CALLBACK

}  // namespace

std::string_view plugin_kind_name(uint32_t kind) {
  switch (kind) {
    case VARVE_KIND_TRANSPORT:
      return "transport";
    case VARVE_KIND_METADATA:
      return "metadata";
    case VARVE_KIND_SERVICE:
      return "service";
    default:
      return "unknown";
  }
}

std::span<const TableCallback> required_callbacks(uint32_t kind) {
  switch (kind) {
    case VARVE_KIND_TRANSPORT:
      return kTransportCallbacks;
    case VARVE_KIND_METADATA:
      return kMetadataCallbacks;
    case VARVE_KIND_SERVICE:
      return kServiceCallbacks;
    default:
      return {};
  }
}

}  // namespace varve
