#include "plugins/metadata_etcd/opening.h"

#include <utility>

#include "plugins/metadata_etcd/limits.h"
#include "plugins/sdk/host.h"

namespace varve {

Opening::Opening(Members& members, Login& login, std::promise<std::string> opened)
    : members_(members),
      login_(login),
      opened_(std::move(opened)),
      deadline_(std::chrono::steady_clock::now() + std::chrono::milliseconds(kStartMs)) {}

void Opening::look(Time now) {
  if (ended_) return;
  if (now >= deadline_) {
    give_up();
    return;
  }
  // Two clusters are noticed before anything is written to one of them.
  if (!members_.all_tried() || under_way_) return;
  if (!members_.mixed_up().empty()) {
    end(members_.mixed_up());
    return;
  }
  if (!login_.ready() && login_.refused()) {
    end(login_.trouble());
    return;
  }
  Server* server = members_.pick();
  if (!login_.ready() || server == nullptr) return;
  under_way_ = true;
  const std::string token = login_.token();
  server->ask_revision(token,
                       [this, server, token](const Reply& reply) { take(*server, token, reply); });
}

void Opening::take(Server& server, const std::string& token, const Reply& reply) {
  under_way_ = false;
  if (ended_) return;
  wrong_ = join({server.url(), ": ", reply.failure.words});
  switch (judge(reply.failure)) {
    case Verdict::kDone:
      if (members_.belongs(server, reply.cluster_id)) end({});
      return;
    case Verdict::kRefused:
      end(wrong_);
      return;
    case Verdict::kLogin:
      login_.refuse(token);
      if (!login_.needed()) end(join({wrong_, "; give user and password_file"}));
      return;
    case Verdict::kRetry:
      return;
    case Verdict::kElsewhere:
    case Verdict::kDoubt:
      members_.failed(server, reply.failure);
      return;
  }
}

void Opening::give_up() {
  if (ended_) return;
  std::string words = wrong_;
  if (!login_.trouble().empty()) words = login_.trouble();
  if (members_.pick() == nullptr) words = members_.trouble();
  end(words.empty() ? "no answer" : words);
}

void Opening::end(const std::string& wrong) {
  ended_ = true;
  failed_ = !wrong.empty();
  opened_.set_value(failed_ ? join({"etcd cannot be used: ", wrong}) : wrong);
}

}  // namespace varve
