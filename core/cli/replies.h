// The admin API's JSON: what varve sends, and what comes back as words for people. nlohmann-json
// stays in replies.cc.
//
// Replies come from outside: what is missing or of another type reads as empty or 0.
#pragma once

#include <cstdint>
#include <string>

#include "core/cli/command.h"

namespace varve {

std::string create_volume_body(const Command& command);
std::string resize_volume_body(const Command& command);
std::string set_tier_body(const Command& command);
std::string create_snapshots_body(const Command& command);
std::string clone_volume_body(const Command& command);
std::string rewrap_volume_body(const Command& command);
std::string add_disk_body(const Command& command);
std::string scrub_body(const Command& command);
std::string cluster_init_body(const Command& command);
std::string attachment_body(const Command& command);

// The reason in an error reply; the body itself where it holds none.
std::string error_text(const std::string& body);

std::string created_text(const std::string& body);
std::string resized_text(const std::string& body);
std::string deleted_text(const std::string& body);
std::string volume_text(const std::string& body);
std::string volumes_text(const std::string& body);
std::string cloned_text(const std::string& body);
std::string snapshots_made_text(const std::string& body);
std::string snapshots_text(const std::string& body);
std::string snapshot_text(const std::string& body);
std::string snapshot_deleted_text(const std::string& body);
std::string rolled_back_text(const std::string& body);
// OFFSET and BYTES, one run a line, for programs too.
std::string changes_text(const std::string& body);
// Where the next page begins; 0: there is none.
uint64_t next_offset_of(const std::string& body);
std::string disk_groups_text(const std::string& body);
std::string cluster_text(const std::string& body);
std::string nodes_text(const std::string& body);
std::string attachment_text(const std::string& body);
std::string status_text(const std::string& body);

// What varve cluster move-metadata has done.
struct MovedView {
  std::string cluster;
  std::string from;
  std::string to;
  std::string new_config;
  uint64_t key_count = 0;
  bool was_done = false;
};
std::string moved_body(const MovedView& view);
std::string moved_text(const MovedView& view);

struct OperationView {
  uint64_t id = 0;
  std::string state;  // "running", "done", "failed"
  std::string step;
  std::string message;
  uint64_t done = 0;
  uint64_t total = 0;
};
OperationView operation_view(const std::string& body);

}  // namespace varve
