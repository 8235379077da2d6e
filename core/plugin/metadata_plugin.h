// MetadataPlugin: one running metadata plugin (an instance and its one context on this shard)
// behind checks.
//
// Every answer and event of the plugin is checked against the contract in plugins/abi/metadata.h.
// One that the contract does not know means that the plugin's state cannot be trusted: it is
// logged, the plugin is never called again, and what it holds stays until the process ends.
//
//     create -> start -> range, commit, watch, unwatch (poll, arm, wait_fd) -> destructor
//
// Thread rule: one shard's thread; only the plugin's log calls may come from others.
// Ownership: borrows the library and the sink.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/uring_loop.h"
#include "plugins/abi/metadata.h"

namespace varve {

// Who hears the events. Called from inside poll(), broke() also from inside the other calls. What
// an entry points at is valid during the call.
class MetadataSink {
 public:
  virtual ~MetadataSink() = default;
  // `code` is kOk or kUnavailable.
  virtual void range_ended(uint64_t op_id, ErrorCode code, uint64_t revision,
                           std::span<const varve_key_value> entries) = 0;
  // `code` is kOk, kUnavailable or kUnknown.
  virtual void commit_ended(uint64_t op_id, ErrorCode code, bool succeeded, uint64_t revision) = 0;
  // All changes up to `revision` were told.
  virtual void changed(uint64_t watch, uint64_t revision,
                       std::span<const varve_key_value> entries) = 0;
  // Changes up to `revision` may have been missed.
  virtual void missed(uint64_t watch, uint64_t revision) = 0;
  // The plugin broke the contract: calls under way get no answer any more. At most once.
  virtual void broke() = 0;
};

class MetadataPlugin final : public Poller {
 public:
  // Makes the instance, which checks the options and opens nothing.
  static Result<std::unique_ptr<MetadataPlugin>> create(const PluginLibrary& library,
                                                        std::span<const ServiceOption> options);
  ~MetadataPlugin() override;
  MetadataPlugin(const MetadataPlugin&) = delete;
  MetadataPlugin& operator=(const MetadataPlugin&) = delete;

  // Makes the context and opens the store. May take as long as a disk or a network.
  Status start(MetadataSink& sink);

  // An accepted call ends in range_ended() or commit_ended(). kBusy: too many calls are under way.
  // kInvalidArgument: the plugin does not take it. kUnavailable: the plugin broke the contract;
  // kUnknown: it did so in this very commit.
  Status range(std::string_view prefix, uint64_t op_id);
  Status commit(std::span<const varve_compare> compares, std::span<const varve_put> puts,
                uint64_t op_id);
  Status watch(std::string_view prefix, uint64_t revision, uint64_t op_id);
  void unwatch(uint64_t op_id);

  size_t poll() override;
  bool arm() override;
  int wait_fd() override { return wait_fd_; }

  std::string_view name() const { return library_.name(); }
  // Why the plugin is not trusted any more; empty while it is.
  const std::string& broken_why() const { return broken_why_; }

 private:
  // What the plugin owes us an event for.
  struct Expected {
    enum class Kind { kRange, kCommit, kWatch };
    Kind kind = Kind::kRange;
    std::string prefix;     // range, watch
    uint64_t revision = 0;  // watch: all up to this one was told
  };

  explicit MetadataPlugin(const PluginLibrary& library);
  bool running() const { return context_ != nullptr && broken_why_.empty(); }
  Status taken(std::string_view call, int32_t result, uint64_t op_id, Expected expected);
  // What is wrong with an event; empty: nothing.
  std::string pass_on(const varve_metadata_event& event);
  std::string pass_on_result(const varve_metadata_event& event, const Expected& expected);
  std::string pass_on_changes(const varve_metadata_event& event, Expected& expected);
  void abandon(std::string why);

  const PluginLibrary& library_;
  varve_host host_{};
  varve_metadata_instance* instance_ = nullptr;
  varve_metadata_context* context_ = nullptr;
  MetadataSink* sink_ = nullptr;
  std::map<uint64_t, Expected> expected_;  // by op_id
  std::string broken_why_;
  int wait_fd_ = -1;
};

}  // namespace varve
