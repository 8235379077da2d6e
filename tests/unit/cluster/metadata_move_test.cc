#include "core/cluster/metadata_move.h"

#include <catch2/catch_test_macros.hpp>
#include <functional>

#include "core/cluster/cluster_birth.h"
#include "core/cluster/record_key.h"
#include "tests/unit/cluster/cluster_bench.h"

namespace varve {
namespace {

using Answer = FakeMetadata::Answer;

// A cluster in `store`, to be moved into `to`.
struct MoveBench : ClusterBench {
  explicit MoveBench(size_t node_count = 3) {
    REQUIRE(run(cluster_init(context(), test_uuid(1), 2)).ok());
    for (size_t i = 1; i <= node_count; ++i) {
      const NodeRecord node{.name = text("node", i), .address = "10.0.0.1:7071", .version = "1"};
      REQUIRE(run(register_node(context(), node)).ok());
    }
  }
  ClusterContext there() {
    ClusterContext context = this->context();
    context.store = &to;
    return context;
  }
  Result<MetadataMoved> move(FakeMetadata& target, const std::string& words = "there") {
    return run(move_metadata(&runtime, {&store, "here"}, {&target, words},
                             [this](const std::string& step) { steps += step + "\n"; }));
  }
  Result<MetadataMoved> move() { return move(to); }
  // Both ends after a move of which nothing is left to do.
  void check_moved() {
    CHECK(to.value("cluster") == store.value("moved_cluster"));
    CHECK(to.value("move").empty());
    CHECK(to.value("moved_cluster").empty());
    CHECK(to.count("node") == store.count("node"));
    CHECK(to.value("node/2") == store.value("node/2"));
    CHECK(run(read_cluster_id(there())) == test_uuid(1));
    const auto refused = run(cluster_init(context(), test_uuid(1), 2));
    CHECK(refused.code() == ErrorCode::kStale);
    CHECK(refused.status().message().find("was moved to there") != std::string_view::npos);
  }
  static Task<Uuid> read_cluster_id(ClusterContext context) {
    CasLoop loop(context);
    const auto cluster = co_await read_cluster(&loop);
    REQUIRE(cluster.ok());
    co_return cluster->record.id;
  }

  FakeMetadata to{ready};
  std::string steps;
};

}  // namespace

TEST_CASE("a moved cluster is there with all its records, and not here any more") {
  MoveBench bench(100);
  const std::string original = bench.store.value("cluster");
  const uint64_t revision = bench.store.revision();
  const auto moved = bench.move();
  INFO(moved.status().message());
  REQUIRE(moved.ok());
  CHECK(moved->cluster == test_uuid(1));
  CHECK(moved->revision == revision);
  CHECK(moved->key_count == 201);
  CHECK_FALSE(moved->was_done);
  CHECK(bench.to.value("cluster") == original);
  CHECK(bench.steps ==
        text("here: 201 records at revision ", revision,
             "\ncopied 60 of 200 records\ncopied 120 of 200 records\ncopied 180 of 200 records\n"
             "copied 200 of 200 records\nhere: marked as moved, nothing serves from it any more\n"
             "there: has the cluster\n"));
  bench.check_moved();
  const size_t commit_count = bench.store.commit_count + bench.to.commit_count;
  CHECK(bench.move()->was_done);
  CHECK(bench.store.commit_count + bench.to.commit_count == commit_count);
}

TEST_CASE("a move that ended anywhere is ended by the next, whatever became of its commits") {
  // Its commits: announce, copy twice, mark, finish.
  for (size_t ends_at = 0; ends_at < 5; ++ends_at) {
    for (const Answer answer : {Answer::kUnavailable, Answer::kAppliedUnknown, Answer::kLostUnknown,
                                Answer::kLateUnknown}) {
      CAPTURE(ends_at, answer);
      MoveBench bench(50);
      FakeMetadata& store = ends_at == 3 ? bench.store : bench.to;
      const size_t before = ends_at == 3 ? 0 : std::min<size_t>(ends_at, 3);
      store.plan_commits.assign(before, Answer::kKnown);
      store.plan_commits.push_back(answer);
      store.plan_commits.insert(store.plan_commits.end(), 1000, Answer::kUnavailable);
      const auto first = bench.move();
      const bool applied = answer == Answer::kAppliedUnknown;
      // Only where nothing was left to do may it have noticed the end.
      CHECK((!first.ok() || (applied && ends_at >= 3)));
      store.plan_commits.clear();
      CHECK(store.apply_late() <= 1);
      const bool marked = !bench.store.value("moved_cluster").empty();
      CHECK(bench.run(cluster_init(bench.context(), test_uuid(1), 2)).ok() == !marked);
      if (bench.to.count("move") > 0) {
        const auto early = bench.run(cluster_init(bench.there(), test_uuid(9), 2));
        CHECK(early.code() == ErrorCode::kUnavailable);
        CHECK(early.status().message().find("has not ended") != std::string_view::npos);
      }
      const auto second = bench.move();
      INFO(second.status().message());
      REQUIRE(second.ok());
      bench.check_moved();
    }
  }
}

TEST_CASE("what the cluster changed after a move that did not end is moved, too") {
  MoveBench bench;
  bench.to.plan_commits = {Answer::kKnown, Answer::kKnown};
  bench.store.plan_commits.assign(1000, Answer::kUnavailable);
  CHECK_FALSE(bench.move().ok());
  bench.store.plan_commits.clear();
  bench.store.put("node/2", "");
  bench.store.put("node_name/node2", "");
  REQUIRE(bench.run(register_node(bench.context(), {.name = "late", .address = "a:1"})).ok());
  REQUIRE(bench.move().ok());
  bench.check_moved();
  CHECK(bench.to.value("node_name/late") == "4");
}

TEST_CASE("what a former move has still on its way does not come over the next") {
  MoveBench bench;
  bench.to.plan_commits = {Answer::kKnown, Answer::kLateUnknown};
  bench.to.plan_commits.insert(bench.to.plan_commits.end(), 1000, Answer::kUnavailable);
  CHECK_FALSE(bench.move().ok());
  bench.to.plan_commits.clear();
  bench.store.put("node/2", "newer");
  size_t late_count = 0;
  bench.store.before_commit = [&] { late_count = bench.to.apply_late(); };  // all is copied then
  REQUIRE(bench.move().ok());
  CHECK(late_count == 0);
  CHECK(bench.to.value("node/2") == "newer");
}

TEST_CASE("a store that changes while it is copied is left as it is") {
  MoveBench bench;
  bench.to.before_commit = [&bench] { bench.store.put("node/2", "other"); };
  const auto refused = bench.move();
  CHECK(refused.code() == ErrorCode::kBusy);
  CHECK(refused.status().message() == "here was changed while it was copied");
  CHECK(bench.store.value("moved_cluster").empty());
}

TEST_CASE("a cluster ends in one place: where its move was marked") {
  MoveBench bench;
  bench.to.plan_commits = {Answer::kKnown};
  bench.to.plan_commits.insert(bench.to.plan_commits.end(), 1000, Answer::kUnavailable);
  CHECK_FALSE(bench.move().ok());  // half there
  bench.to.plan_commits.clear();
  FakeMetadata elsewhere{bench.ready};
  REQUIRE(bench.move(elsewhere, "elsewhere").ok());
  const auto refused = bench.move();
  CHECK(refused.code() == ErrorCode::kAlreadyExists);
  CHECK(bench.to.value("cluster").empty());
  FakeMetadata third{bench.ready};
  CHECK(bench.move(third).status().message() ==
        "the cluster was moved to elsewhere already, and is not in there");
}

TEST_CASE("nothing is moved out of nothing, nor into a store that holds anything else") {
  MoveBench bench;
  FakeMetadata empty{bench.ready};
  const auto nothing = bench.run(move_metadata(&bench.runtime, {&empty, "nowhere"},
                                               {&bench.to, "there"}, [](const std::string&) {}));
  CHECK(nothing.code() == ErrorCode::kNotFound);
  CHECK(nothing.status().message() == "there is no cluster in nowhere");
  bench.to.put("something", "x");
  CHECK(bench.move().status().message() ==
        "there is not empty: it has 1 records; give one without any");
  bench.to.put("something", "");
  REQUIRE(bench.run(cluster_init(bench.there(), test_uuid(2), 1)).ok());
  CHECK(bench.move().code() == ErrorCode::kAlreadyExists);
  CHECK(bench.to.count("") == 1);
}

TEST_CASE("an older copy of the store that was moved is not moved over its successor") {
  MoveBench bench;
  FakeMetadata copy{bench.ready};
  for (const char* key : {"cluster", "node/1", "node_name/node1"})
    copy.put(key, bench.store.value(key));
  REQUIRE(bench.move().ok());
  const auto refused = bench.run(move_metadata(&bench.runtime, {&copy, "copy"},
                                               {&bench.to, "there"}, [](const std::string&) {}));
  CHECK(refused.code() == ErrorCode::kAlreadyExists);
  CHECK(refused.status().message().find("copy is an older copy") != std::string_view::npos);
}

}  // namespace varve
