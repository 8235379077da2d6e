#include "core/cli/move_metadata.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/cli/replies.h"
#include "core/cli/run.h"
#include "core/cluster/metadata_move.h"
#include "core/cluster/plugin_metadata.h"
#include "core/cluster/record_text.h"
#include "core/config/node_config.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/uring_loop.h"

namespace varve {
namespace {

void put_out(std::FILE* stream, const std::string& words) {
  std::fwrite(words.data(), 1, words.size(), stream);
  std::fflush(stream);
}

Result<MetadataConfig> read_metadata_config(const std::string& path) {
  const Result<std::string> content = read_config_file(path);
  if (!content.ok()) return content.status();
  ConfigReading reading = read_node_config(*content);
  std::string lines;
  for (const ConfigError& error : reading.errors)
    lines += text(lines.empty() ? "" : "\n", config_error_text(path, error));
  if (!lines.empty()) return Status(ErrorCode::kInvalidArgument, lines);
  if (reading.config.metadata) return std::move(*reading.config.metadata);
  return Status(ErrorCode::kInvalidArgument,
                text(path, ": has no [metadata]: the node stands alone"));
}

// "metadata_etcd http://10.0.0.1:2379": the plugin and what its first option says.
std::string words_of(const MetadataConfig& config) {
  std::string words = config.plugin;
  for (const ServiceOption& option : config.options) {
    if (option.key != config.options.front().key) continue;
    if (words.size() + option.value.size() < kRecordWordsBytesMax / 2) words += " " + option.value;
  }
  return words.substr(0, kRecordWordsBytesMax / 2);
}

// A metadata store that is open; closes it.
class OpenStore {
 public:
  explicit OpenStore(UringLoop& loop) : loop_(loop) {}
  OpenStore(const OpenStore&) = delete;
  OpenStore& operator=(const OpenStore&) = delete;
  ~OpenStore() {
    if (store_ == nullptr) return;
    loop_.run(store_->close());
    loop_.remove_poller(*store_);
  }

  Status open(const MetadataConfig& config) {
    words_ = words_of(config);
    auto library = PluginLibrary::open(plugin_path(plugin_directory(), config.plugin));
    if (!library.ok()) return library.status();
    library_ = std::move(*library);
    VARVE_TRY(library_->need_kind(VARVE_KIND_METADATA));
    auto store = PluginMetadata::start(loop_.runtime(), *library_, config.options);
    if (!store.ok()) return {store.code(), text(config.plugin, ": ", store.status().message())};
    store_ = std::move(*store);
    loop_.add_poller(*store_);
    return {};
  }
  MoveEnd end() const { return {store_.get(), words_}; }

 private:
  UringLoop& loop_;
  std::string words_;
  std::unique_ptr<PluginLibrary> library_;
  std::unique_ptr<PluginMetadata> store_;
};

// Daemons that run hold the file; while we hold it none starts.
Status open_source(OpenStore& source, MetadataConfig config) {
  if (config.plugin != "metadata_sqlite") {
    return {ErrorCode::kUnsupported,
            text("a cluster can be moved out of metadata_sqlite only; its config names ",
                 config.plugin)};
  }
  config.options.push_back({"exclusive", "true"});
  Status opened = source.open(config);
  if (opened.ok()) return opened;
  return {opened.code(), text(opened.message(), "; every varved of the cluster must be stopped")};
}

Task<void> keep(Task<Result<MetadataMoved>> task, std::optional<Result<MetadataMoved>>* into) {
  into->emplace(co_await std::move(task));
}

Result<MetadataMoved> move_between(const MetadataConfig& from, const MetadataConfig& to) {
  auto loop = UringLoop::create();
  if (!loop.ok()) return loop.status();
  OpenStore source(**loop);
  OpenStore target(**loop);
  VARVE_TRY(open_source(source, from));
  VARVE_TRY(target.open(to));
  const auto say = [](const std::string& step) { put_out(stderr, step + "\n"); };
  std::optional<Result<MetadataMoved>> moved;
  (*loop)->run(keep(move_metadata(&(*loop)->runtime(), source.end(), target.end(), say), &moved));
  return std::move(*moved);
}

int refuse(const Status& why) {
  put_out(stderr, text("varve: ", why.message(), "\n"));
  return kExitRefused;
}

}  // namespace

int move_metadata(const Command& command) {
  log_set_level(LogLevel::kWarn);
  const std::string path = command.config_path.empty() ? kDefaultConfigPath : command.config_path;
  const auto from = read_metadata_config(path);
  if (!from.ok()) return refuse(from.status());
  const auto to = read_metadata_config(command.new_config_path);
  if (!to.ok()) return refuse(to.status());
  const auto moved = move_between(*from, *to);
  if (!moved.ok()) return refuse(moved.status());
  MovedView view;
  view.cluster = uuid_text(moved->cluster);
  view.from = words_of(*from);
  view.to = words_of(*to);
  view.new_config = command.new_config_path;
  view.key_count = moved->key_count;
  view.was_done = moved->was_done;
  put_out(stdout, command.json ? moved_body(view) : moved_text(view));
  return kExitDone;
}

}  // namespace varve
