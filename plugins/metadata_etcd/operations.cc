#include "plugins/metadata_etcd/operations.h"

#include <utility>

#include "plugins/metadata_etcd/limits.h"
#include "plugins/sdk/host.h"
#include "plugins/sdk/metadata_mailbox.h"

namespace varve {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// etcd may forget a token at any time, but not that often.
constexpr int kLoginsMax = 3;

}  // namespace

void Operations::add(Request request) {
  const Time deadline = request.accepted + milliseconds(kPatienceMs);
  operations_.push_back({.request = std::move(request), .deadline = deadline});
  ++waiting_count_;
}

void Operations::look(Time now) {
  for (Place place = operations_.begin(); place != operations_.end();) {
    const Place at = place++;
    if (at->under_way) continue;
    // What was not begun when its context went is not begun any more.
    if (at->request.mailbox->closed()) {
      --waiting_count_;
      operations_.erase(at);
      continue;
    }
    if (now >= at->deadline) {
      std::string words = at->words;
      if (!login_.trouble().empty()) words = login_.trouble();
      if (members_.pick() == nullptr) words = members_.trouble();
      finish(at, VARVE_E_UNAVAILABLE, {}, words);
      continue;
    }
    if (now < at->next_try || !login_.ready()) continue;
    if (Server* server = members_.pick(); server != nullptr) send(at, *server);
  }
}

void Operations::send(Place place, Server& server) {
  place->under_way = true;
  --waiting_count_;
  const std::string token = login_.token();
  auto handler = [this, place, &server, token](Reply reply) {
    take(place, server, token, std::move(reply));
  };
  const Request& request = place->request;
  if (place->from.empty()) place->before = horizon_.revision();
  if (request.kind == Request::Kind::kCommit) {
    server.commit(request.transaction, token, std::move(handler));
  } else {
    server.range(request.prefix, place->from, place->as_of, token, std::move(handler));
  }
}

void Operations::take(Place place, Server& server, const std::string& token, Reply reply) {
  place->under_way = false;
  ++waiting_count_;
  const bool of_commit = place->request.kind == Request::Kind::kCommit;
  const std::string words = join({server.url(), ": ", reply.failure.words});
  Verdict verdict = judge(reply.failure);
  if (verdict == Verdict::kDone && !members_.belongs(server, reply.cluster_id)) {
    verdict = Verdict::kDoubt;
  }
  switch (verdict) {
    case Verdict::kDone:
      horizon_.take(place->before, reply.revision);
      if (!of_commit && !add_page(*place, reply)) return;
      finish(place, VARVE_OK,
             {.revision = reply.revision,
              .succeeded = reply.succeeded,
              .entries = std::move(place->entries)},
             {});
      return;
    case Verdict::kRefused:
      finish(place, VARVE_E_UNAVAILABLE, {}, words);
      return;
    case Verdict::kLogin:
      login_.refuse(token);
      if (!login_.needed() || ++place->logins > kLoginsMax) {
        finish(place, VARVE_E_UNAVAILABLE, {}, words);
        return;
      }
      break;
    case Verdict::kRetry:
      break;
    case Verdict::kElsewhere:
      members_.failed(server, reply.failure);
      break;
    case Verdict::kDoubt:
      members_.failed(server, reply.failure);
      if (of_commit) {
        finish(place, VARVE_E_UNKNOWN, {}, words);
        return;
      }
      break;
  }
  wait(*place, {reply.failure.code, words});
}

bool Operations::add_page(Operation& operation, Reply& reply) {
  trouble_.strange(reply.strange_count);
  if (operation.from.empty()) operation.as_of = reply.revision;
  for (Entry& entry : reply.entries) operation.entries.push_back(std::move(entry));
  reply.revision = operation.as_of;
  if (!reply.more) return true;
  operation.from = std::move(reply.next);
  operation.next_try = {};
  operation.deadline = steady_clock::now() + milliseconds(kPatienceMs);
  return false;
}

void Operations::wait(Operation& operation, const Failure& failure) {
  operation.words = failure.words;
  operation.next_try = steady_clock::now() + milliseconds(kRetryMs);
  // A range begins again: the revision may be gone by then.
  operation.from.clear();
  operation.as_of = 0;
  operation.entries.clear();
}

void Operations::finish(Place place, int32_t result, Answer answer, const std::string& words) {
  if (result == VARVE_OK) {
    trouble_.works();
  } else {
    trouble_.trouble(words.empty() ? "no endpoint works" : words);
  }
  place->request.mailbox->put_result(
      {VARVE_METADATA_RESULT, result, place->request.op_id, std::move(answer)});
  --waiting_count_;
  operations_.erase(place);
}

}  // namespace varve
