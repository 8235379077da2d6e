// The table of a metadata plugin whose contexts are a Context each.
//
// Instance: made from a const varve_host*; `options` that parse_options() fills in; start() opens
// the store once and says what went wrong. OneContext: made from an Instance&; `instance`, `inner`.
//
// Thread rule: as plugins/abi/metadata.h says.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "plugins/abi/metadata.h"
#include "plugins/sdk/host.h"

namespace varve {

template <typename Instance, typename OneContext>
struct MetadataCalls {
  static void instance_destroy(Instance* instance) { delete instance; }
  static int32_t context_create(Instance* instance, uint32_t, OneContext** context) {
    auto created = std::make_unique<OneContext>(*instance);
    if (!created->inner.valid()) return VARVE_E_IO;
    *context = created.release();
    return VARVE_OK;
  }
  static void context_destroy(OneContext* context) { delete context; }
  static int32_t start(OneContext* context, char* why, uint32_t why_bytes) {
    const std::string wrong = context->instance.start();
    if (wrong.empty()) return VARVE_OK;
    explain(why, why_bytes, wrong);
    return VARVE_E_IO;
  }
  static int32_t range(OneContext* context, varve_bytes prefix, uint64_t op_id) {
    return context->inner.range(prefix, op_id);
  }
  static int32_t commit(OneContext* context, const varve_compare* compares, uint32_t compare_count,
                        const varve_put* puts, uint32_t put_count, uint64_t op_id) {
    return context->inner.commit(compares, compare_count, puts, put_count, op_id);
  }
  static int32_t watch(OneContext* context, varve_bytes prefix, uint64_t revision, uint64_t op_id) {
    return context->inner.watch(prefix, revision, op_id);
  }
  static int32_t unwatch(OneContext* context, uint64_t op_id) {
    return context->inner.unwatch(op_id);
  }
  static int32_t poll(OneContext* context, varve_metadata_event* events, uint32_t capacity) {
    return context->inner.poll(events, capacity);
  }
  static int32_t arm(OneContext* context) { return context->inner.arm() ? 1 : 0; }
  static int32_t wait_fd(OneContext* context) { return context->inner.wait_fd(); }
};

// The strings must live as long as the plugin.
template <typename Instance, typename OneContext>
constexpr varve_metadata metadata_table(const char* name, const char* description,
                                        const char* option_help) {
  using Calls = MetadataCalls<Instance, OneContext>;
  return {
      {sizeof(varve_metadata), VARVE_ABI_MAJOR, VARVE_ABI_MINOR, VARVE_KIND_METADATA, name, "0.1.0",
       description},
      option_help,
      make_instance<Instance>,
      Calls::instance_destroy,
      Calls::context_create,
      Calls::context_destroy,
      Calls::start,
      Calls::range,
      Calls::commit,
      Calls::watch,
      Calls::unwatch,
      Calls::poll,
      Calls::arm,
      Calls::wait_fd,
  };
}

}  // namespace varve
