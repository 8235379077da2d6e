#include "core/daemon/node_volumes.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/base/log.h"
#include "core/base/size_text.h"
#include "core/base/text.h"
#include "core/base/units.h"

namespace varve {
namespace {

// Where the volume's name ends in VOLUME@SNAPSHOT.
std::string_view volume_part(std::string_view name) {
  return name.substr(0, name.find('@'));
}

uint64_t free_blocks(const StoreStats& stats) {
  return stats.capacity_blocks > stats.live_blocks ? stats.capacity_blocks - stats.live_blocks : 0;
}

Status name_is_held(std::string_view name) {
  return {ErrorCode::kBusy, text("volume ", name, " is being created or deleted right now")};
}

std::string encryption_text(const VolumeStatus& volume) {
  if (volume.wrapping_key.empty()) return {};
  return text(", encrypted under wrapping key ", volume.wrapping_key);
}

}  // namespace

std::vector<NodeVolumes::Place> NodeVolumes::places_of(std::string_view name) const {
  std::vector<Place> places;
  for (const auto& group : groups_) {
    if (group->store() == nullptr) continue;
    const Result<VolumeInfo> info = group->store()->find_volume(name);
    if (info.ok()) places.push_back({group.get(), *info});
  }
  return places;
}

// Says which disk groups could not be asked: the volume may be there.
Status NodeVolumes::not_found(std::string_view name) const {
  std::string message = text("no volume ", name);
  for (const auto& group : groups_) {
    if (group->store() != nullptr) continue;
    message +=
        text("; disk group ", group->config().name, " is ", group_state_name(group->state()));
    if (!group->reason().empty()) message += text(" (", group->reason(), ")");
  }
  return {ErrorCode::kNotFound, message};
}

Result<VolumeDirectory::Found> NodeVolumes::find(std::string_view full_name) {
  const std::string_view name = volume_part(full_name);
  if (held_names_.contains(name)) return name_is_held(name);
  const std::vector<Place> places = places_of(name);
  if (places.empty()) return not_found(name);
  if (places.size() > 1) {
    return Status(ErrorCode::kBusy,
                  text("volume ", name, " is on disk groups ", places[0].group->config().name,
                       " and ", places[1].group->config().name, "; delete one of them first"));
  }
  const Result<ViewPlace> view = view_of(std::string(full_name));
  if (!view.ok()) return view.status();
  Store* const store = view->place.group->store();
  const auto cipher = keys_.cipher(*store, view->place.info);
  if (!cipher.ok()) {
    log_warn("volume", cipher.status().message());  // clients are told less
    return cipher.status();
  }
  return Found{store, view->view.volume, view->size_bytes, view->view.generation, *cipher};
}

std::vector<std::string> NodeVolumes::names() {
  std::set<std::string> names;
  for (const auto& group : groups_) {
    if (group->store() == nullptr) continue;
    for (const VolumeInfo& volume : group->store()->volumes()) {
      names.insert(volume.name);
      for (const SnapshotInfo& snapshot : group->store()->snapshots(volume.id))
        names.insert(text(volume.name, "@", snapshot.name));
    }
  }
  return {names.begin(), names.end()};
}

Result<DiskGroup*> NodeVolumes::group_for(const CreateVolume& request) const {
  DiskGroup* best = nullptr;
  std::pair<bool, uint64_t> best_room;
  for (const auto& group : groups_) {
    const bool asked_for = group->config().name == request.disk_group;
    if (!request.disk_group.empty() && !asked_for) continue;
    if (group->store() == nullptr) {
      if (!asked_for) continue;
      return Status(
          ErrorCode::kInvalidArgument,
          text("disk group ", request.disk_group, " is ", group_state_name(group->state()),
               group->reason().empty() ? "" : ": ", group->reason()));
    }
    const Store& store = *group->store();
    const VolumeTier tier = request.tier.value_or(VolumeTier::kAuto);
    const std::pair room(store.check_new_tier(request.size_bytes, tier).ok(),
                         free_blocks(store.stats()));
    if (best != nullptr && room <= best_room) continue;
    best = group.get();
    best_room = room;
  }
  if (best != nullptr) return best;
  if (request.disk_group.empty()) {
    return Status(ErrorCode::kNotFound, "no disk group is serving; see varve status");
  }
  return Status(ErrorCode::kNotFound, text("no disk group ", request.disk_group));
}

// Whether the volume that is there is the one that is wanted.
Status NodeVolumes::check_existing(const CreateVolume& request, const Place& place) {
  const auto exists = [&](const auto&... how) -> Status {
    return {ErrorCode::kAlreadyExists, text("volume ", request.name, " exists ", how...)};
  };
  const std::string& group_name = place.group->config().name;
  if (!request.disk_group.empty() && request.disk_group != group_name)
    return exists("on disk group ", group_name);
  if (place.info.size_bytes != round_up(request.size_bytes, kBlockBytes))
    return exists("with another size: ", size_text(place.info.size_bytes));
  const std::string& wrapping_key = place.info.wrapping_key;
  if (request.encrypted && wrapping_key.empty()) return exists("and is not encrypted");
  if (!request.encrypted && !wrapping_key.empty()) return exists("and is encrypted");
  if (!request.wrapping_key.empty() && request.wrapping_key != wrapping_key)
    return exists("under another wrapping key: ", wrapping_key);
  if (request.tier && *request.tier != place.info.tier)
    return exists("with tier ", tier_name(place.info.tier), "; varve volume set changes it");
  return {};
}

Task<Result<CreatedVolume>> NodeVolumes::create(CreateVolume request) {
  if (held_names_.contains(request.name)) co_return name_is_held(request.name);
  if (request.copies > 1) {
    co_return Status(ErrorCode::kUnsupported,
                     text(request.copies, " copies need a cluster; this node keeps one"));
  }
  const std::vector<Place> places = places_of(request.name);
  if (!places.empty()) {
    VARVE_CO_TRY(check_existing(request, places.front()));
    co_return CreatedVolume{status_of(places.front()), true};
  }
  const Result<DiskGroup*> group = group_for(request);
  if (!group.ok()) co_return group.status();
  Store& store = *(*group)->store();
  KeyWrapper wrap;
  if (request.encrypted) {
    Result<KeyWrapper> wrapper = keys_.wrapper(store, request.wrapping_key);
    if (!wrapper.ok()) co_return wrapper.status();
    wrap = std::move(*wrapper);
  }
  const NameHold hold(*this, request.name);
  const auto made = co_await store.create_volume(request.name, request.size_bytes, std::move(wrap),
                                                 request.tier.value_or(VolumeTier::kAuto));
  if (!made.ok()) co_return made.status();
  const VolumeStatus volume = status_of({*group, *made});
  log_info("volume", text("created ", volume.name, " of ", volume.size_bytes, " bytes on ",
                          volume.disk_group, encryption_text(volume)));
  co_return CreatedVolume{volume, false};
}

Result<NodeVolumes::Place> NodeVolumes::place_of(const std::string& name,
                                                 const std::string& disk_group) const {
  if (held_names_.contains(name)) return name_is_held(name);
  std::vector<Place> places = places_of(name);
  std::erase_if(places, [&](const Place& place) {
    return !disk_group.empty() && place.group->config().name != disk_group;
  });
  if (places.empty()) return not_found(name);
  if (places.size() > 1) {
    return Status(ErrorCode::kInvalidArgument,
                  text("volume ", name, " is on several disk groups: say which one is meant"));
  }
  return places.front();
}

Task<Result<ChangedVolume>> NodeVolumes::resize(ResizeVolume request) {
  const Result<Place> place = place_of(request.name, request.disk_group);
  if (!place.ok()) co_return place.status();
  // The name stays open for clients meanwhile.
  Store& store = *place->group->store();
  const auto grown = co_await store.resize_volume(place->info.id, request.size_bytes);
  if (!grown.ok()) co_return grown.status();
  table_.grown(store, grown->id, grown->size_bytes);
  const bool changed = grown->size_bytes != place->info.size_bytes;
  if (changed) {
    log_info("volume", text(request.name, " grew from ", place->info.size_bytes, " to ",
                            grown->size_bytes, " bytes"));
  }
  co_return ChangedVolume{status_of({place->group, *grown}), changed};
}

Task<Result<ChangedVolume>> NodeVolumes::set_tier(SetVolumeTier request) {
  const Result<Place> place = place_of(request.name, request.disk_group);
  if (!place.ok()) co_return place.status();
  const auto set = co_await place->group->store()->set_volume_tier(place->info.id, request.tier);
  if (!set.ok()) co_return set.status();
  const bool changed = set->tier != place->info.tier;
  if (changed) {
    log_info("volume", text("the tier of ", request.name, " was ", tier_name(place->info.tier),
                            " and now is ", tier_name(set->tier)));
  }
  co_return ChangedVolume{status_of({place->group, *set}), changed};
}

Task<Result<VolumeStatus>> NodeVolumes::rewrap(RewrapVolume request) {
  const Result<Place> found = place_of(request.name, request.disk_group);
  if (!found.ok()) co_return found.status();
  Place place = *found;
  if (place.info.wrapping_key.empty())
    co_return Status(ErrorCode::kInvalidArgument,
                     text("volume ", request.name, " is not encrypted"));
  Store& store = *place.group->store();
  const Result<KeyRewrapper> rewrap = keys_.rewrapper(store, request.wrapping_key);
  if (!rewrap.ok()) co_return rewrap.status();
  const Status status = co_await store.rewrap_key(place.info.id, *rewrap);
  if (!status.ok()) co_return status;
  log_info("volume", text("the data key of ", request.name, " was wrapped by ",
                          place.info.wrapping_key, " and now is by ", request.wrapping_key));
  place.info.wrapping_key = request.wrapping_key;
  co_return status_of(place);
}

Task<Result<VolumeStatus>> NodeVolumes::remove(std::string name, std::string disk_group) {
  const Result<Place> found = place_of(name, disk_group);
  if (!found.ok()) co_return found.status();
  const Place& place = *found;
  const VolumeStatus volume = status_of(place);
  if (volume.in_use) {
    co_return Status(ErrorCode::kBusy, text("volume ", name, " is in use: a client has it open"));
  }
  const NameHold hold(*this, name);
  const Status status = co_await place.group->store()->delete_volume(place.info.id);
  if (!status.ok()) co_return status;
  log_info("volume", text("deleted ", name, " (", volume.size_bytes, " bytes, ", volume.used_bytes,
                          " used) from ", volume.disk_group));
  co_return volume;
}

VolumeStatus NodeVolumes::status_of(const Place& place) const {
  VolumeStatus status;
  status.name = place.info.name;
  status.disk_group = place.group->config().name;
  status.size_bytes = place.info.size_bytes;
  status.used_bytes = place.info.used_bytes;
  status.tier = place.info.tier;
  status.wrapping_key = place.info.wrapping_key;
  status.key_is_here = status.wrapping_key.empty() || keys_.has(status.wrapping_key);
  status.in_use = table_.in_use(*place.group->store(), place.info.id);
  return status;
}

std::vector<VolumeStatus> NodeVolumes::list() const {
  std::vector<VolumeStatus> volumes;
  for (const auto& group : groups_) {
    if (group->store() == nullptr) continue;
    for (VolumeInfo& info : group->store()->volumes()) {
      volumes.push_back(status_of({group.get(), std::move(info)}));
    }
  }
  std::sort(volumes.begin(), volumes.end(), [](const auto& left, const auto& right) {
    return std::tie(left.name, left.disk_group) < std::tie(right.name, right.disk_group);
  });
  return volumes;
}

}  // namespace varve
