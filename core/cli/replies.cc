#include "core/cli/replies.h"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/cli/table.h"

namespace varve {
namespace {

using Json = nlohmann::json;

Json parse(const std::string& body) {
  return Json::parse(body, nullptr, /*allow_exceptions=*/false);
}

// The member, or null where it is missing or `json` is no object.
Json member(const Json& json, const char* key) {
  if (!json.is_object()) return nullptr;
  const auto found = json.find(key);
  return found == json.end() ? Json(nullptr) : *found;
}

std::string string_of(const Json& json, const char* key) {
  const Json value = member(json, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

uint64_t number_of(const Json& json, const char* key) {
  const Json value = member(json, key);
  return value.is_number_unsigned() ? value.get<uint64_t>() : 0;
}

bool bool_of(const Json& json, const char* key) {
  const Json value = member(json, key);
  return value.is_boolean() && value.get<bool>();
}

std::vector<Json> list_of(const Json& json, const char* key) {
  const Json value = member(json, key);
  return value.is_array() ? value.get<std::vector<Json>>() : std::vector<Json>();
}

std::string size_of(const Json& json, const char* key) {
  return size_text(number_of(json, key));
}

bool is_serving(const Json& group) {
  return string_of(group, "state") == "serving";
}

// "12.3%", from a number that is a fraction of a hundred.
std::string percent_of(const Json& json, const char* key) {
  const Json value = member(json, key);
  const double percent = std::clamp(value.is_number() ? value.get<double>() : 0.0, 0.0, 100.0);
  const auto tenths = static_cast<uint64_t>(std::lround(percent * 10));
  return text(tenths / 10, ".", tenths % 10, "%");
}

// "recovering 120/2048", or the state alone.
std::string state_of(const Json& group) {
  const Json recovery = member(group, "recovery");
  if (number_of(recovery, "total") == 0) return string_of(group, "state");
  return text(string_of(group, "state"), " ", number_of(recovery, "done"), "/",
              number_of(recovery, "total"));
}

std::string services_table(const Json& node) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& service : list_of(node, "services")) {
    rows.push_back({string_of(service, "plugin"), string_of(service, "version"),
                    bool_of(service, "serving") ? "serving" : "not serving",
                    text(number_of(service, "open_volume_count")),
                    text(number_of(service, "in_flight_count"))});
  }
  if (rows.empty()) return "";
  return "\n" + table_text({{"SERVICE"},
                            {"VERSION"},
                            {"STATE"},
                            {"OPEN VOLUMES", Align::kRight},
                            {"IN FLIGHT", Align::kRight}},
                           rows);
}

std::string groups_table(const Json& reply) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& group : list_of(reply, "disk_groups")) {
    std::vector<std::string> row = {string_of(group, "name"), state_of(group)};
    if (is_serving(group)) {
      row.insert(row.end(),
                 {percent_of(group, "fill_percent"), size_of(group, "live_bytes"),
                  size_of(group, "dead_bytes"), size_of(group, "free_bytes"),
                  size_of(group, "capacity_bytes"), text(number_of(group, "damaged_blocks")),
                  size_of(member(group, "stats"), "memory_bytes"),
                  size_of(member(group, "stats"), "memory_max_bytes")});
    } else {
      row.insert(row.end(), 8, "-");
    }
    row.push_back(string_of(group, "durability"));
    row.push_back(string_of(group, "path"));
    rows.push_back(std::move(row));
  }
  return table_text({{"DISK GROUP"},
                     {"STATE"},
                     {"FULL", Align::kRight},
                     {"LIVE", Align::kRight},
                     {"DEAD", Align::kRight},
                     {"FREE", Align::kRight},
                     {"CAPACITY", Align::kRight},
                     {"DAMAGED", Align::kRight},
                     {"MEMORY", Align::kRight},
                     {"OF", Align::kRight},
                     {"DURABILITY"},
                     {"PATH"}},
                    rows);
}

// Of the disk groups that have HDDs; empty where none has.
std::string devices_table(const Json& reply) {
  std::vector<std::vector<std::string>> rows;
  std::string lines;
  for (const Json& group : list_of(reply, "disk_groups")) {
    const std::vector<Json> devices = list_of(group, "devices");
    if (devices.size() < 2 || !is_serving(group)) continue;
    for (const Json& device : devices) {
      rows.push_back(
          {string_of(device, "path"), string_of(group, "name"), string_of(device, "tier")});
      for (const char* key :
           {"live_bytes", "dead_bytes", "free_bytes", "capacity_bytes", "reserved_bytes"})
        rows.back().push_back(bool_of(device, "serving") ? size_of(device, key) : "-");
      rows.back().emplace_back(!bool_of(device, "serving")       ? "not used"
                               : bool_of(device, "write_failed") ? "failed"
                                                                 : "serving");
    }
    const Json stats = member(group, "stats");
    const auto bytes = [&](const char* key) { return size_text(number_of(stats, key) * 4096); };
    lines += text(
        "disk group ", string_of(group, "name"), ": ",
        bool_of(group, "sinking") ? "blocks are sinking; " : "", "since its start ",
        bytes("demoted_blocks_written"), " have sunk to HDDs and ", bytes("packed_blocks_written"),
        " were packed there; of what was read from there ", bytes("read_cache_hit_blocks"),
        " came from the SSD's read cache, which holds ", bytes("read_cache_held_blocks"), "\n");
  }
  if (rows.empty()) return "";
  return text("\n",
              table_text({{"DEVICE"},
                          {"DISK GROUP"},
                          {"TIER"},
                          {"LIVE", Align::kRight},
                          {"DEAD", Align::kRight},
                          {"FREE", Align::kRight},
                          {"CAPACITY", Align::kRight},
                          {"RESERVED", Align::kRight},
                          {"STATE"}},
                         rows),
              lines);
}

std::vector<std::string> volume_row(const Json& volume) {
  return {string_of(volume, "name"),       size_of(volume, "size_bytes"),
          size_of(volume, "used_bytes"),   string_of(volume, "tier"),
          string_of(volume, "disk_group"), bool_of(volume, "in_use") ? "yes" : "no"};
}

bool is_replicated(const Json& volume) {
  return number_of(volume, "copies") > 0;
}

// In a cluster other things are worth knowing of a volume.
std::string replicated_volume_table(const std::vector<Json>& volumes) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& volume : volumes) {
    const std::string node = string_of(volume, "attached_on");
    rows.push_back({string_of(volume, "name"), size_of(volume, "size_bytes"),
                    text(number_of(volume, "copies")), string_of(volume, "tier"),
                    node.empty() ? "-" : node});
  }
  return table_text(
      {{"VOLUME"}, {"SIZE", Align::kRight}, {"COPIES", Align::kRight}, {"TIER"}, {"ATTACHED ON"}},
      rows);
}

std::string snapshot_name(const Json& snapshot) {
  return text(string_of(snapshot, "volume"), "@", string_of(snapshot, "name"));
}

// "2026-11-27 07:50:00Z"
std::string utc_text(uint64_t seconds) {
  const auto time = static_cast<time_t>(seconds);
  std::tm parts{};
  char words[32];
  if (gmtime_r(&time, &parts) == nullptr) return "?";
  return {words, std::strftime(words, sizeof words, "%Y-%m-%d %H:%M:%SZ", &parts)};
}

std::string volume_table(const std::vector<std::vector<std::string>>& rows) {
  return table_text({{"VOLUME"},
                     {"SIZE", Align::kRight},
                     {"USED", Align::kRight},
                     {"TIER"},
                     {"DISK GROUP"},
                     {"IN USE"}},
                    rows);
}

}  // namespace

std::string create_volume_body(const Command& command) {
  Json body = {{"name", command.name}, {"size_bytes", command.size_bytes}};
  if (!command.disk_group.empty()) body["disk_group"] = command.disk_group;
  if (command.copies != 0) body["copies"] = command.copies;
  if (command.encrypted) body["encrypted"] = true;
  if (!command.wrapping_key.empty()) body["wrapping_key"] = command.wrapping_key;
  if (!command.tier.empty()) body["tier"] = command.tier;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string resize_volume_body(const Command& command) {
  Json body = {{"size_bytes", command.size_bytes}};
  if (!command.disk_group.empty()) body["disk_group"] = command.disk_group;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string set_tier_body(const Command& command) {
  Json body = {{"tier", command.tier}};
  if (!command.disk_group.empty()) body["disk_group"] = command.disk_group;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string create_snapshots_body(const Command& command) {
  const Json body = {{"snapshots", command.names}};
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string clone_volume_body(const Command& command) {
  Json body = {{"name", command.other}};
  if (command.size_bytes != 0) body["size_bytes"] = command.size_bytes;
  if (!command.tier.empty()) body["tier"] = command.tier;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string rewrap_volume_body(const Command& command) {
  Json body = {{"wrapping_key", command.wrapping_key}};
  if (!command.disk_group.empty()) body["disk_group"] = command.disk_group;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string add_disk_body(const Command& command) {
  Json body = {{"disk_group", command.name}, {"wipe", command.wipe}};
  if (command.size_bytes != 0) body["size_bytes"] = command.size_bytes;
  if (command.segment_bytes != 0) body["segment_bytes"] = command.segment_bytes;
  if (!command.hdd.empty()) body["hdd"] = command.hdd;
  if (command.hdd_size_bytes != 0) body["hdd_size_bytes"] = command.hdd_size_bytes;
  return body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string scrub_body(const Command& command) {
  Json body = Json::object();
  if (command.size_bytes != 0) body["bytes_per_second"] = command.size_bytes;
  return body.dump();
}

std::string cluster_init_body(const Command& command) {
  Json body = Json::object();
  if (command.copies != 0) body["copies"] = command.copies;
  return body.dump();
}

std::string attachment_body(const Command& command) {
  return Json{{"force", command.force}}.dump();
}

std::string error_text(const std::string& body) {
  const std::string message = string_of(member(parse(body), "error"), "message");
  return message.empty() ? body : message;
}

std::string created_text(const std::string& body) {
  const Json reply = parse(body);
  const Json volume = member(reply, "volume");
  return text("volume ", string_of(volume, "name"), " (", size_of(volume, "size_bytes"),
              " on disk group ", string_of(volume, "disk_group"),
              "): ", string_of(reply, "message"), "\n");
}

std::string resized_text(const std::string& body) {
  const Json reply = parse(body);
  const Json volume = member(reply, "volume");
  return text("volume ", string_of(volume, "name"), " (", size_of(volume, "size_bytes"),
              "): ", string_of(reply, "message"), "\n");
}

std::string deleted_text(const std::string& body) {
  return text("volume ", string_of(member(parse(body), "volume"), "name"), ": deleted\n");
}

namespace {

std::string encryption_of(const Json& volume) {
  const std::string key = string_of(volume, "wrapping_key");
  if (key.empty()) return "no";
  return text("wrapping key ", key,
              bool_of(volume, "key_is_here") ? "" : ", which the node's key file does not have");
}

}  // namespace

std::string volume_text(const std::string& body) {
  const Json volume = member(parse(body), "volume");
  const std::string head =
      text("name:        ", string_of(volume, "name"),
           "\nsize:        ", size_of(volume, "size_bytes"), " (", number_of(volume, "size_bytes"),
           " bytes)", "\ntier:        ", string_of(volume, "tier"), "\n");
  if (is_replicated(volume)) {
    const std::string node = string_of(volume, "attached_on");
    return text(head, "copies:      ", number_of(volume, "copies"),
                "\nattached on: ", node.empty() ? "no node" : node, "\n");
  }
  return text(head, "used:        ", size_of(volume, "used_bytes"),
              "\ndisk group:  ", string_of(volume, "disk_group"),
              "\nin use:      ", bool_of(volume, "in_use") ? "yes" : "no",
              "\nencrypted:   ", encryption_of(volume), "\n");
}

std::string volumes_text(const std::string& body) {
  const std::vector<Json> volumes = list_of(parse(body), "volumes");
  if (!volumes.empty() && is_replicated(volumes.front())) return replicated_volume_table(volumes);
  std::vector<std::vector<std::string>> rows;
  rows.reserve(volumes.size());
  for (const Json& volume : volumes) rows.push_back(volume_row(volume));
  return volume_table(rows);
}

std::string cloned_text(const std::string& body) {
  const Json volume = member(parse(body), "volume");
  return text("volume ", string_of(volume, "name"), " (", size_of(volume, "size_bytes"),
              "): cloned\n");
}

std::string snapshots_made_text(const std::string& body) {
  std::string words;
  for (const Json& snapshot : list_of(parse(body), "snapshots"))
    words += text("snapshot ", snapshot_name(snapshot), ": created\n");
  return words;
}

std::string snapshots_text(const std::string& body) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& snapshot : list_of(parse(body), "snapshots"))
    rows.push_back({snapshot_name(snapshot), size_of(snapshot, "size_bytes"),
                    utc_text(number_of(snapshot, "created_seconds")),
                    string_of(snapshot, "disk_group"), bool_of(snapshot, "in_use") ? "yes" : "no"});
  return table_text(
      {{"SNAPSHOT"}, {"SIZE", Align::kRight}, {"CREATED"}, {"DISK GROUP"}, {"IN USE"}}, rows);
}

std::string snapshot_text(const std::string& body) {
  const Json snapshot = member(parse(body), "snapshot");
  const std::string disk_group = string_of(snapshot, "disk_group");
  std::string space;  // not known in a cluster
  if (!disk_group.empty())
    space = text("\nused:        ", size_of(snapshot, "used_bytes"),
                 "\nof its own:  ", size_of(snapshot, "exclusive_bytes"),
                 "\ndisk group:  ", disk_group);
  return text("name:        ", snapshot_name(snapshot),
              "\nsize:        ", size_of(snapshot, "size_bytes"), " (",
              number_of(snapshot, "size_bytes"),
              " bytes)\ncreated:     ", utc_text(number_of(snapshot, "created_seconds")), space,
              "\nin use:      ", bool_of(snapshot, "in_use") ? "yes" : "no", "\n");
}

std::string snapshot_deleted_text(const std::string& body) {
  return text("snapshot ", snapshot_name(member(parse(body), "snapshot")), ": deleted\n");
}

std::string rolled_back_text(const std::string& body) {
  return text("volume ", string_of(member(parse(body), "volume"), "name"), ": rolled back\n");
}

std::string changes_text(const std::string& body) {
  std::string lines;
  for (const Json& run : list_of(parse(body), "changes"))
    lines += text(number_of(run, "offset"), " ", number_of(run, "bytes"), "\n");
  return lines;
}

uint64_t next_offset_of(const std::string& body) {
  return number_of(parse(body), "next_offset");
}

std::string disk_groups_text(const std::string& body) {
  const Json reply = parse(body);
  return groups_table(reply) + devices_table(reply);
}

std::string cluster_text(const std::string& body) {
  const Json reply = parse(body);
  const Json cluster = member(reply, "cluster");
  const uint64_t copies = number_of(cluster, "copies");
  const std::string words = copies == 0 ? "one copy per node, at most 3"
                                        : text(copies, copies == 1 ? " copy" : " copies");
  return text("cluster ", string_of(cluster, "id"), " (", words, "): ", string_of(reply, "message"),
              "\n");
}

std::string moved_body(const MovedView& view) {
  const Json body = {{"cluster", view.cluster},
                     {"from", view.from},
                     {"to", view.to},
                     {"record_count", view.key_count},
                     {"was_done", view.was_done}};
  return body.dump(2) + "\n";
}

std::string moved_text(const MovedView& view) {
  return text("cluster ", view.cluster,
              view.was_done ? " was moved already: " : " is moved: ", view.key_count,
              " records are in ", view.to, ".\nNext: give each node's config the [metadata] of ",
              view.new_config, " and start its varved. ", view.from,
              " serves nobody any more; remove it when all nodes are ready.\n");
}

std::string nodes_text(const std::string& body) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& node : list_of(parse(body), "nodes")) {
    rows.push_back({string_of(node, "name"), text(number_of(node, "id")),
                    bool_of(node, "heard") ? "up" : "silent", string_of(node, "version"),
                    text(number_of(node, "disk_group_count")), size_of(node, "capacity_bytes"),
                    text(number_of(node, "primary_count"), "/", number_of(node, "group_count")),
                    string_of(node, "address")});
  }
  return table_text({{"NODE"},
                     {"ID", Align::kRight},
                     {"STATE"},
                     {"VERSION"},
                     {"DISK GROUPS", Align::kRight},
                     {"CAPACITY", Align::kRight},
                     {"PRIMARY OF", Align::kRight},
                     {"ADDRESS"}},
                    rows);
}

std::string attachment_text(const std::string& body) {
  const Json attachment = member(parse(body), "attachment");
  const std::string node = string_of(attachment, "node");
  return text("volume ", string_of(attachment, "volume"), ": ",
              node.empty() ? "detached" : text("attached on node ", node), ", generation ",
              number_of(attachment, "generation"), "\n");
}

namespace {

// Empty for a node that is in no cluster.
std::string cluster_line(const Json& cluster) {
  if (!cluster.is_object()) return {};
  std::string line = text("cluster: ", string_of(cluster, "state"));
  if (bool_of(cluster, "joined")) {
    line += text("; ", number_of(cluster, "group_count"), " groups, primary of ",
                 number_of(cluster, "office_count"), " here, ",
                 number_of(cluster, "degraded_group_count"), " degraded");
  }
  return line + "\n";
}

// How this node reaches the others; empty for a node that is in no cluster, or knows no other one.
std::string peers_table(const Json& cluster) {
  std::vector<std::vector<std::string>> rows;
  for (const Json& peer : list_of(cluster, "peers")) {
    const std::string transport = string_of(peer, "transport");
    const std::string fallback = string_of(peer, "fallback");
    rows.push_back({string_of(peer, "node"), transport.empty() ? "no connection" : transport,
                    string_of(peer, "address"),
                    fallback.empty() ? string_of(peer, "problem") : text("fallback: ", fallback)});
  }
  if (rows.empty()) return {};
  return text("\n", table_text({{"PEER"}, {"TRANSPORT"}, {"ADDRESS"}, {"NOTE"}}, rows));
}

}  // namespace

std::string status_text(const std::string& body) {
  const Json node = parse(body);
  std::string out =
      text("node ", string_of(node, "node"), ": ", string_of(node, "state"), ", version ",
           string_of(node, "version"), ", ", number_of(node, "volume_count"), " volumes\n",
           cluster_line(member(node, "cluster")), "\n", groups_table(node), devices_table(node),
           services_table(node), peers_table(member(node, "cluster")), "\n");
  uint64_t create_refused_percent = 0;
  uint64_t writes_wait_percent = 0;
  for (const Json& group : list_of(node, "disk_groups")) {
    if (!is_serving(group)) continue;
    create_refused_percent = number_of(group, "create_refused_percent");
    writes_wait_percent = number_of(group, "writes_wait_percent");
  }
  if (create_refused_percent > 0) {
    out += text("From ", create_refused_percent, "% full new volumes are refused, from ",
                writes_wait_percent, "% writes wait.\n");
  }
  const std::vector<Json> problems = list_of(node, "problems");
  if (problems.empty()) return out + "No problems.\n";
  for (const Json& problem : problems) {
    out += text("PROBLEM: ", problem.is_string() ? problem.get<std::string>() : "?", "\n");
  }
  return out;
}

OperationView operation_view(const std::string& body) {
  const Json operation = member(parse(body), "operation");
  const Json progress = member(operation, "progress");
  return {number_of(operation, "id"),   string_of(operation, "state"),
          string_of(operation, "step"), string_of(operation, "message"),
          number_of(progress, "done"),  number_of(progress, "total")};
}

}  // namespace varve
