// The plugin's table: "metadata_sqlite" keeps the metadata of one machine's daemons in SQLite.
#include <string>

#include "plugins/abi/metadata.h"
#include "plugins/metadata_sqlite/limits.h"
#include "plugins/metadata_sqlite/options.h"
#include "plugins/metadata_sqlite/store_thread.h"
#include "plugins/sdk/host.h"
#include "plugins/sdk/metadata_context.h"
#include "plugins/sdk/metadata_table.h"

struct varve_metadata_instance {
  explicit varve_metadata_instance(const varve_host* host) : log(host), thread(log) {}
  std::string start() { return thread.start(options); }

  varve::HostLog log;
  varve::SqliteOptions options;
  varve::StoreThread thread;
};

struct varve_metadata_context {
  explicit varve_metadata_context(varve_metadata_instance& owner)
      : instance(owner), inner(owner.thread, varve::kCallsMax) {}
  varve_metadata_instance& instance;
  varve::Context inner;
};

namespace varve {
namespace {

constexpr varve_metadata kTable = metadata_table<varve_metadata_instance, varve_metadata_context>(
    "metadata_sqlite", "keeps the metadata of one machine's daemons in an SQLite file",
    kSqliteOptionHelp);

}  // namespace
}  // namespace varve

extern "C" __attribute__((visibility("default"))) const varve_table* varve_plugin_entry() {
  return &varve::kTable.table;
}
