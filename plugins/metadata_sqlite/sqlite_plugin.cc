// The plugin's table: "metadata_sqlite" keeps the metadata of one machine's daemons in SQLite.
#include <memory>

#include "plugins/abi/metadata.h"
#include "plugins/metadata_sqlite/context.h"
#include "plugins/metadata_sqlite/options.h"
#include "plugins/metadata_sqlite/store_thread.h"
#include "plugins/sdk/host.h"

struct varve_metadata_instance {
  explicit varve_metadata_instance(const varve_host* host) : log(host), thread(log) {}
  varve::HostLog log;
  varve::SqliteOptions options;
  varve::StoreThread thread;
};

struct varve_metadata_context {
  explicit varve_metadata_context(varve_metadata_instance& owner)
      : instance(owner), inner(owner.thread) {}
  varve_metadata_instance& instance;
  varve::Context inner;
};

namespace varve {
namespace {

void instance_destroy(varve_metadata_instance* instance) {
  delete instance;
}

int32_t context_create(varve_metadata_instance* instance, uint32_t,
                       varve_metadata_context** context) {
  auto created = std::make_unique<varve_metadata_context>(*instance);
  if (!created->inner.valid()) return VARVE_E_IO;
  *context = created.release();
  return VARVE_OK;
}

void context_destroy(varve_metadata_context* context) {
  delete context;
}

int32_t start(varve_metadata_context* context, char* why, uint32_t why_bytes) {
  varve_metadata_instance& instance = context->instance;
  const std::string wrong = instance.thread.start(instance.options.path);
  if (wrong.empty()) return VARVE_OK;
  explain(why, why_bytes, wrong);
  return VARVE_E_IO;
}

int32_t range(varve_metadata_context* context, varve_bytes prefix, uint64_t op_id) {
  return context->inner.range(prefix, op_id);
}
int32_t commit(varve_metadata_context* context, const varve_compare* compares,
               uint32_t compare_count, const varve_put* puts, uint32_t put_count, uint64_t op_id) {
  return context->inner.commit(compares, compare_count, puts, put_count, op_id);
}
int32_t watch(varve_metadata_context* context, varve_bytes prefix, uint64_t revision,
              uint64_t op_id) {
  return context->inner.watch(prefix, revision, op_id);
}
int32_t unwatch(varve_metadata_context* context, uint64_t op_id) {
  return context->inner.unwatch(op_id);
}
int32_t poll(varve_metadata_context* context, varve_metadata_event* events, uint32_t capacity) {
  return context->inner.poll(events, capacity);
}
int32_t arm(varve_metadata_context* context) {
  return context->inner.arm() ? 1 : 0;
}
int32_t wait_fd(varve_metadata_context* context) {
  return context->inner.wait_fd();
}

constexpr varve_metadata kTable = {
    {sizeof(varve_metadata), VARVE_ABI_MAJOR, VARVE_ABI_MINOR, VARVE_KIND_METADATA,
     "metadata_sqlite", "0.1.0", "keeps the metadata of one machine's daemons in an SQLite file"},
    kSqliteOptionHelp,
    make_instance,
    instance_destroy,
    context_create,
    context_destroy,
    start,
    range,
    commit,
    watch,
    unwatch,
    poll,
    arm,
    wait_fd,
};

}  // namespace
}  // namespace varve

extern "C" __attribute__((visibility("default"))) const varve_table* varve_plugin_entry() {
  return &varve::kTable.table;
}
