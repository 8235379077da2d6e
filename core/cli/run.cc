#include "core/cli/run.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <string_view>
#include <thread>

#include "core/base/text.h"
#include "core/cli/certificates.h"
#include "core/cli/http_client.h"
#include "core/cli/move_metadata.h"
#include "core/cli/replies.h"
#include "core/config/node_config.h"

namespace varve {
namespace {

constexpr std::chrono::milliseconds kPollInterval(100);

void print(std::FILE* stream, std::string_view words) {
  std::fwrite(words.data(), 1, words.size(), stream);
  std::fflush(stream);
}

int refuse(std::string_view why) {
  print(stderr, text("varve: ", why, "\n"));
  return kExitRefused;
}

// One line on a terminal that is drawn over; one line per step elsewhere.
class ProgressLine {
 public:
  void draw(const OperationView& view) {
    if (view.step.empty() || view.state != "running") return;
    if (!on_terminal_) {
      if (view.step != step_) print(stderr, text(view.step, "\n"));
    } else {
      const uint64_t percent = view.total == 0 ? 0 : view.done * 100 / view.total;
      print(stderr, text("\r\033[K", view.step, view.total == 0 ? "" : text(": ", percent, "%")));
    }
    step_ = view.step;
  }
  void end() {
    if (on_terminal_ && !step_.empty()) print(stderr, "\r\033[K");
  }

 private:
  const bool on_terminal_ = isatty(STDERR_FILENO) == 1;
  std::string step_;
};

// Follows the operation in `reply` to its end.
int follow(HttpClient& client, const Command& command, HttpReply reply) {
  ProgressLine line;
  OperationView view = operation_view(reply.body);
  const std::string path = text("/v1/operations/", view.id);
  while (view.state == "running") {
    line.draw(view);
    std::this_thread::sleep_for(kPollInterval);
    const auto next = client.get(path);
    if (!next.ok()) return refuse(next.status().message());
    if (!next->ok()) return refuse(error_text(next->body));
    reply = *next;
    view = operation_view(reply.body);
  }
  line.end();
  if (view.state != "done") return refuse(view.message);
  print(stdout, command.json ? reply.body : text(view.message, "\n"));
  return kExitDone;
}

struct Exchange {
  Result<HttpReply> reply;
  std::string (*words)(const std::string& body);  // the reply for people
};

Exchange exchange(HttpClient& client, const Command& command) {
  const std::string volume = text("/v1/volumes/", path_segment(command.name));
  const std::string snapshot = text("/v1/snapshots/", path_segment(command.name));
  const std::string query =
      command.disk_group.empty() ? "" : text("?disk_group=", path_segment(command.disk_group));
  switch (command.action) {
    case Command::Action::kVolumeCreate:
      return {client.post("/v1/volumes", create_volume_body(command)), created_text};
    case Command::Action::kVolumeList:
      return {client.get("/v1/volumes"), volumes_text};
    case Command::Action::kVolumeShow:
      return {client.get(volume), volume_text};
    case Command::Action::kVolumeResize:
      return {client.post(volume + "/resize", resize_volume_body(command)), resized_text};
    case Command::Action::kVolumeSet:
      return {client.post(volume + "/tier", set_tier_body(command)), resized_text};
    case Command::Action::kVolumeRewrap:
      return {client.post(volume + "/rewrap", rewrap_volume_body(command)), resized_text};
    case Command::Action::kVolumeDelete:
      return {client.remove(volume + query), deleted_text};
    case Command::Action::kVolumeClone:
      return {client.post(snapshot + "/clone", clone_volume_body(command)), cloned_text};
    case Command::Action::kSnapshotCreate:
      return {client.post("/v1/snapshots", create_snapshots_body(command)), snapshots_made_text};
    case Command::Action::kSnapshotList:
      return {client.get("/v1/snapshots" + (command.name.empty()
                                                ? std::string()
                                                : "?volume=" + path_segment(command.name))),
              snapshots_text};
    case Command::Action::kSnapshotShow:
      return {client.get(snapshot), snapshot_text};
    case Command::Action::kSnapshotDelete:
      return {client.remove(snapshot), snapshot_deleted_text};
    case Command::Action::kSnapshotRollback:
      return {client.post(snapshot + "/rollback", "{}"), rolled_back_text};
    case Command::Action::kDiskList:
      return {client.get("/v1/disk-groups"), disk_groups_text};
    case Command::Action::kDiskAdd:
      return {client.post("/v1/disk-groups", add_disk_body(command)), nullptr};
    case Command::Action::kDiskScrub:
      return {client.post(text("/v1/disk-groups/", path_segment(command.name), "/scrub"),
                          scrub_body(command)),
              nullptr};
    case Command::Action::kClusterInit:
      return {client.post("/v1/cluster", cluster_init_body(command)), cluster_text};
    case Command::Action::kNodeList:
      return {client.get("/v1/nodes"), nodes_text};
    case Command::Action::kAttach:
      return {client.post(volume + "/attach", attachment_body(command)), attachment_text};
    case Command::Action::kDetach:
      return {client.post(volume + "/detach", attachment_body(command)), attachment_text};
    default:
      return {client.get("/v1/status"), status_text};
  }
}

// All pages, each as it comes.
int list_changes(HttpClient& client, const Command& command) {
  const std::string path = text("/v1/snapshots/", path_segment(command.name),
                                "/changes?until=", path_segment(command.other), "&offset=");
  uint64_t offset = 0;
  do {
    const auto page = client.get(text(path, offset));
    if (!page.ok()) return refuse(page.status().message());
    if (!page->ok()) return refuse(error_text(page->body));
    print(stdout, command.json ? page->body : changes_text(page->body));
    offset = next_offset_of(page->body);
  } while (offset > 0);
  return kExitDone;
}

int ask(const Command& command) {
  Result<Endpoint> endpoint = endpoint_of(command);
  if (!endpoint.ok()) return refuse(endpoint.status().message());
  HttpClient client(std::move(*endpoint));
  if (command.action == Command::Action::kSnapshotChanges) return list_changes(client, command);
  const Exchange done = exchange(client, command);
  if (!done.reply.ok()) return refuse(done.reply.status().message());
  if (!done.reply->ok()) return refuse(error_text(done.reply->body));
  if (done.words == nullptr) return follow(client, command, *done.reply);
  print(stdout, command.json ? done.reply->body : done.words(done.reply->body));
  return kExitDone;
}

}  // namespace

int run_command(const Command& command) {
  switch (command.action) {
    case Command::Action::kHelp:
      print(stdout, command.help);
      return kExitDone;
    case Command::Action::kVersion:
      print(stdout, text("varve ", VARVE_VERSION, "\n"));
      return kExitDone;
    case Command::Action::kNotBuilt:
      return refuse(text(command.not_built, ": not built yet in this release"));
    case Command::Action::kClusterMoveMetadata:
      return move_metadata(command);
    case Command::Action::kCertInit:
    case Command::Action::kCertIssue:
    case Command::Action::kCertShow: {
      const Result<std::string> done = run_cert(command);
      if (!done.ok()) return refuse(done.status().message());
      print(stdout, *done);
      return kExitDone;
    }
    default:
      return ask(command);
  }
}

}  // namespace varve
