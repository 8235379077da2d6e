#include "core/plugin/metadata_plugin.h"

#include <array>
#include <optional>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/plugin/plugin_host.h"

namespace varve {
namespace {

constexpr uint32_t kEventsPerPoll = 32;

static_assert(sizeof(varve_metadata_event) == 64);

varve_bytes bytes_of(std::string_view text) {
  return {text.data(), text.size()};
}
std::string_view view_of(varve_bytes bytes) {
  return {static_cast<const char*>(bytes.data), bytes.bytes};
}

bool bytes_good(varve_bytes bytes, uint64_t min, uint64_t max) {
  return bytes.bytes >= min && bytes.bytes <= max && (bytes.bytes == 0 || bytes.data != nullptr);
}

// What is wrong with one key and value under `prefix` in a store of this revision.
std::string entry_fault(const varve_key_value& entry, std::string_view prefix, uint64_t revision,
                        bool may_be_deleted) {
  if (!bytes_good(entry.key, 1, VARVE_KEY_BYTES_MAX)) {
    return text("a key of ", entry.key.bytes, " bytes");
  }
  if (!bytes_good(entry.value, 0, VARVE_VALUE_BYTES_MAX)) {
    return text("a value of ", entry.value.bytes, " bytes");
  }
  if (!view_of(entry.key).starts_with(prefix)) return "a key outside the prefix";
  if (entry.revision == 0 || entry.revision > revision) {
    return text("a key of revision ", entry.revision, " in a store of revision ", revision);
  }
  const uint32_t allowed = may_be_deleted ? VARVE_KEY_DELETED : 0;
  if ((entry.flags & ~allowed) != 0) return text("a key with flags ", entry.flags);
  if (entry.flags != 0 && entry.value.bytes != 0) return "a deleted key with a value";
  return {};
}

// kOk, kUnavailable, kUnknown; nothing for what the contract does not know.
std::optional<ErrorCode> result_code(int32_t result, bool of_commit) {
  if (result == VARVE_OK) return ErrorCode::kOk;
  if (result == VARVE_E_UNAVAILABLE) return ErrorCode::kUnavailable;
  if (result == VARVE_E_UNKNOWN && of_commit) return ErrorCode::kUnknown;
  return std::nullopt;
}

}  // namespace

MetadataPlugin::MetadataPlugin(const PluginLibrary& library)
    : library_(library), host_(plugin_host(library)) {}

MetadataPlugin::~MetadataPlugin() {
  // A plugin that broke the contract may still use what it holds: nothing of it is taken away.
  if (!broken_why_.empty()) return;
  if (context_ != nullptr) library_.metadata().context_destroy(context_);
  if (instance_ != nullptr) library_.metadata().instance_destroy(instance_);
}

Result<std::unique_ptr<MetadataPlugin>> MetadataPlugin::create(
    const PluginLibrary& library, std::span<const ServiceOption> options) {
  VARVE_TRY(library.need_kind(VARVE_KIND_METADATA));
  std::unique_ptr<MetadataPlugin> plugin(new MetadataPlugin(library));
  VARVE_TRY(make_instance(library.metadata().instance_create, plugin->host_, options,
                          &plugin->instance_));
  return plugin;
}

Status MetadataPlugin::start(MetadataSink& sink) {
  VARVE_CHECK(context_ == nullptr);
  const varve_metadata& metadata = library_.metadata();
  varve_metadata_context* context = nullptr;
  int32_t result = metadata.context_create(instance_, 0, &context);
  VARVE_TRY(context_made(result, context));
  PluginWords why;
  result = metadata.start(context, why.bytes.data(), why.room());
  Status started = plugin_started(result, why);
  if (!started.ok()) {
    metadata.context_destroy(context);
    return started;
  }
  context_ = context;
  sink_ = &sink;
  wait_fd_ = metadata.wait_fd(context_);
  Status awaitable = check_wait_fd(wait_fd_);
  if (!awaitable.ok()) {
    wait_fd_ = -1;
    abandon(std::string(awaitable.message()));
  }
  return awaitable;
}

Status MetadataPlugin::taken(std::string_view call, int32_t result, uint64_t op_id,
                             Expected expected) {
  switch (result) {
    case VARVE_OK:
      VARVE_CHECK(expected_.emplace(op_id, std::move(expected)).second);
      return {};
    case VARVE_E_INVALID:
      return ErrorCode::kInvalidArgument;
    case VARVE_E_AGAIN:
      if (expected.kind != Expected::Kind::kWatch) return ErrorCode::kBusy;
      break;
    default:
      break;
  }
  const bool doubt = expected.kind == Expected::Kind::kCommit;
  abandon(text(call, " returned ", result, ", which it must not"));
  return doubt ? ErrorCode::kUnknown : ErrorCode::kUnavailable;
}

Status MetadataPlugin::range(std::string_view prefix, uint64_t op_id) {
  if (!running()) return ErrorCode::kUnavailable;
  const int32_t result = library_.metadata().range(context_, bytes_of(prefix), op_id);
  return taken("range", result, op_id, {Expected::Kind::kRange, std::string(prefix), 0});
}

Status MetadataPlugin::commit(std::span<const varve_compare> compares,
                              std::span<const varve_put> puts, uint64_t op_id) {
  if (!running()) return ErrorCode::kUnavailable;
  const int32_t result =
      library_.metadata().commit(context_, compares.data(), static_cast<uint32_t>(compares.size()),
                                 puts.data(), static_cast<uint32_t>(puts.size()), op_id);
  return taken("commit", result, op_id, {Expected::Kind::kCommit, {}, 0});
}

Status MetadataPlugin::watch(std::string_view prefix, uint64_t revision, uint64_t op_id) {
  if (!running()) return ErrorCode::kUnavailable;
  const int32_t result = library_.metadata().watch(context_, bytes_of(prefix), revision, op_id);
  return taken("watch", result, op_id, {Expected::Kind::kWatch, std::string(prefix), revision});
}

void MetadataPlugin::unwatch(uint64_t op_id) {
  if (!running() || expected_.erase(op_id) == 0) return;
  const int32_t result = library_.metadata().unwatch(context_, op_id);
  if (result != VARVE_OK) abandon(text("unwatch returned ", result, " for a watch that it has"));
}

size_t MetadataPlugin::poll() {
  if (!running()) return 0;
  std::array<varve_metadata_event, kEventsPerPoll> events{};
  const int32_t count = library_.metadata().poll(context_, events.data(), kEventsPerPoll);
  if (count < 0 || count > static_cast<int32_t>(kEventsPerPoll)) {
    abandon(text("poll returned ", count, "; it must return 0 to ", kEventsPerPoll));
    return 0;
  }
  for (size_t i = 0; i < static_cast<size_t>(count) && running(); ++i) {
    if (std::string fault = pass_on(events[i]); !fault.empty()) abandon(std::move(fault));
  }
  return static_cast<size_t>(count);
}

std::string MetadataPlugin::pass_on(const varve_metadata_event& event) {
  const auto found = expected_.find(event.op_id);
  if (event.count > 0 && event.entries == nullptr) return "an event without its entries";
  if (event.kind == VARVE_METADATA_RESULT) {
    if (found == expected_.end() || found->second.kind == Expected::Kind::kWatch) {
      return text("a RESULT of operation ", event.op_id, ", which is not under way");
    }
    const Expected expected = std::move(found->second);
    expected_.erase(found);
    return pass_on_result(event, expected);
  }
  if (event.kind != VARVE_METADATA_CHANGES && event.kind != VARVE_METADATA_RESYNC) {
    return text("an event of kind ", event.kind);
  }
  if (found == expected_.end() || found->second.kind != Expected::Kind::kWatch) {
    return text("changes for ", event.op_id, ", which is no watch");
  }
  if (event.kind == VARVE_METADATA_CHANGES) return pass_on_changes(event, found->second);
  if (event.count != 0) return "a RESYNC with entries";
  found->second.revision = event.revision;
  sink_->missed(event.op_id, event.revision);
  return {};
}

std::string MetadataPlugin::pass_on_result(const varve_metadata_event& event,
                                           const Expected& expected) {
  const bool of_commit = expected.kind == Expected::Kind::kCommit;
  const std::optional<ErrorCode> code = result_code(event.result, of_commit);
  if (!code) return text("a RESULT of ", event.result);
  const uint32_t count = *code == ErrorCode::kOk && !of_commit ? event.count : 0;
  if (event.count != count) return text("a RESULT with ", event.count, " entries");
  if (event.succeeded > 1) return text("a commit that succeeded ", event.succeeded, " times");
  const std::span entries(event.entries, event.count);
  std::string_view last;
  for (const varve_key_value& entry : entries) {
    std::string fault = entry_fault(entry, expected.prefix, event.revision, false);
    if (!fault.empty()) return text("a range with ", fault);
    if (view_of(entry.key) <= last) return "a range out of order";
    last = view_of(entry.key);
  }
  if (of_commit) {
    sink_->commit_ended(event.op_id, *code, event.succeeded == 1, event.revision);
  } else {
    sink_->range_ended(event.op_id, *code, event.revision, entries);
  }
  return {};
}

std::string MetadataPlugin::pass_on_changes(const varve_metadata_event& event, Expected& expected) {
  if (event.count == 0) return "CHANGES without any";
  const std::span entries(event.entries, event.count);
  // Everything up to expected.revision was told before.
  uint64_t last = expected.revision + 1;
  for (const varve_key_value& entry : entries) {
    std::string fault = entry_fault(entry, expected.prefix, event.revision, true);
    if (!fault.empty()) return text("CHANGES with ", fault);
    if (entry.revision < last) {
      return text("a change of revision ", entry.revision, " where at least ", last, " was due");
    }
    last = entry.revision;
  }
  expected.revision = event.revision;
  sink_->changed(event.op_id, event.revision, entries);
  return {};
}

bool MetadataPlugin::arm() {
  if (!running()) return false;
  const int32_t pending = library_.metadata().arm(context_);
  if (pending == 0 || pending == 1) return pending == 1;
  abandon(text("arm returned ", pending, "; it must return 0 or 1"));
  return true;  // who waited for the plugin has been woken: do not sleep
}

void MetadataPlugin::abandon(std::string why) {
  if (!broken_why_.empty()) return;
  log_error(library_.name(), text("the plugin broke its contract and is not used any more: ", why));
  broken_why_ = std::move(why);
  expected_.clear();
  sink_->broke();
}

}  // namespace varve
