#include "plugins/metadata_etcd/members.h"

#include <algorithm>
#include <charconv>

#include "plugins/metadata_etcd/limits.h"
#include "plugins/metadata_etcd/version.h"

namespace varve {
namespace {

std::string hex(uint64_t number) {
  char digits[17] = "";
  const auto written = std::to_chars(digits, digits + 16, number, 16);
  return {digits, written.ptr};
}

Time soon(uint64_t time_ms) {
  return std::chrono::steady_clock::now() + std::chrono::milliseconds(time_ms);
}

}  // namespace

Members::Members(CompletionLoop& loop, const EtcdOptions& options, const Certificates& certificates,
                 const HostLog& log)
    : log_(log) {
  for (size_t i = 0; i < options.endpoints.size(); ++i) {
    members_.emplace_back().server = std::make_unique<Server>(loop, options, i, certificates);
  }
}

Server* Members::pick() {
  for (size_t i = 0; i < members_.size(); ++i) {
    const size_t at = (current_ + i) % members_.size();
    Member& member = members_[at];
    if (!member.usable) continue;
    if (member.server->connected()) {
      current_ = at;
      return member.server.get();
    }
    member.usable = false;
    member.next_ask = {};
    member.wrong = "the connection was lost";
  }
  return nullptr;
}

Members::Member& Members::member_of(const Server& server) {
  return *std::find_if(members_.begin(), members_.end(),
                       [&server](const Member& member) { return member.server.get() == &server; });
}

bool Members::usable(const Server& server) const {
  return std::any_of(members_.begin(), members_.end(), [&server](const Member& member) {
    return member.server.get() == &server && member.usable;
  });
}

void Members::failed(const Server& server, const Failure& failure) {
  Member& member = member_of(server);
  if (!member.usable) return;
  member.usable = false;
  member.next_ask = {};
  member.wrong = failure.words;
  // The others have their turn, even when this one soon says that it works.
  if (members_[current_].server.get() == &server) current_ = (current_ + 1) % members_.size();
}

bool Members::belongs(const Server& server, uint64_t cluster_id) {
  if (cluster_id == 0 || cluster_id == cluster_id_) return true;
  Member& member = member_of(server);
  if (cluster_id_ == 0) {
    cluster_id_ = cluster_id;
    cluster_url_ = server.url();
    return true;
  }
  const std::string words =
      join({server.url(), " belongs to another etcd cluster (", hex(cluster_id), ") than ",
            cluster_url_, " did (", hex(cluster_id_), "); it is not used"});
  if (mixed_up_ != words) log_.warn(words);
  mixed_up_ = words;
  member.wrong = "belongs to another etcd cluster";
  member.usable = false;
  return false;
}

void Members::look(Time now) {
  for (Member& member : members_) {
    if (member.usable || member.asked || now < member.next_ask) continue;
    member.asked = true;
    member.server->ask_status([this, &member](const Reply& reply) { take_status(member, reply); });
  }
}

void Members::take_status(Member& member, const Reply& reply) {
  member.asked = false;
  member.tried = true;
  member.next_ask = soon(kRetryStatusMs);
  const Verdict verdict = judge(reply.failure);
  // Some releases tell their status only to whom they know.
  const bool secret = verdict == Verdict::kLogin || (verdict == Verdict::kRefused);
  if (verdict != Verdict::kDone && !secret) {
    member.wrong = reply.failure.words;
    return;
  }
  if (!secret && !belongs(*member.server, reply.cluster_id)) return;
  if (!secret && reply.leader == 0) {
    member.wrong = "etcd has no leader";
    return;
  }
  if (!secret) warn_of_version(member, reply.version);
  member.usable = true;
  member.wrong.clear();
}

void Members::warn_of_version(Member& member, const std::string& version) {
  const std::string warning = version_warning(version);
  if (member.warned == version) return;
  member.warned = version;
  if (!warning.empty()) log_.warn(join({"WARNING: etcd at ", member.server->url(), " ", warning}));
}

bool Members::all_tried() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const Member& member) { return member.tried; });
}

bool Members::all_usable() const {
  return std::all_of(members_.begin(), members_.end(),
                     [](const Member& member) { return member.usable; });
}

std::string Members::trouble() const {
  std::string words;
  for (const Member& member : members_) {
    if (member.usable) continue;
    words += join({words.empty() ? "" : "; ", member.server->url(), ": ",
                   member.wrong.empty() ? "no answer yet" : member.wrong});
  }
  return words;
}

}  // namespace varve
