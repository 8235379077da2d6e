#include "plugins/metadata_etcd/watch_news.h"

#include <catch2/catch_test_macros.hpp>

namespace varve {
namespace {

constexpr uint64_t kOpId = 7;

std::string keys_of(const Letter& letter) {
  std::string keys;
  for (const Entry& entry : letter.answer.entries) {
    keys += entry.key + std::to_string(entry.revision) + (entry.deleted ? "- " : " ");
  }
  return keys;
}

}  // namespace

TEST_CASE("changes of a revision are told when all of them are there") {
  WatchNews news(4);
  news.add({{"a", "1", 5}});
  CHECK_FALSE(news.any());
  news.add({{"b", "1", 5}, {"a", "", 6, true}});
  CHECK_FALSE(news.any());
  news.complete(0);
  const Letter letter = news.take(kOpId);
  CHECK(letter.kind == VARVE_METADATA_CHANGES);
  CHECK(letter.op_id == kOpId);
  CHECK(keys_of(letter) == "b5 a6- ");
  CHECK(letter.answer.revision == 6);
  CHECK_FALSE(news.any());
}

TEST_CASE("a revision that was interrupted comes again; one that was told does not") {
  WatchNews news(4);
  news.add({{"a", "1", 5}});
  news.interrupted();
  news.add({{"old", "1", 4}, {"a", "1", 5}, {"b", "1", 5}});
  news.complete(0);
  CHECK(keys_of(news.take(kOpId)) == "a5 b5 ");
  news.add({{"a", "1", 5}});
  news.complete(0);
  CHECK_FALSE(news.any());
}

TEST_CASE("progress raises what is known and tells nothing") {
  WatchNews news(4);
  news.complete(9);
  CHECK(news.known() == 9);
  CHECK_FALSE(news.any());
}

TEST_CASE("what may have been missed is told first, and what follows it afterwards") {
  WatchNews news(9);
  news.add({{"gone", "1", 10}});
  news.complete(0);
  news.add({{"half", "1", 11}});
  news.missed(3);
  CHECK(news.known() == 3);
  news.add({{"a", "1", 4}});
  news.complete(0);
  const Letter resync = news.take(kOpId);
  CHECK(resync.kind == VARVE_METADATA_RESYNC);
  CHECK(resync.answer.revision == 3);
  CHECK(resync.answer.entries.empty());
  REQUIRE(news.any());
  CHECK(keys_of(news.take(kOpId)) == "a4 ");
}

TEST_CASE("changes of a key that nobody takes are merged into the last") {
  WatchNews news(0);
  for (uint64_t revision = 1; revision <= 1000; ++revision) {
    news.add({{"a", "value", revision}});
    news.complete(0);
  }
  const Letter letter = news.take(kOpId);
  CHECK(keys_of(letter) == "a1000 ");
  CHECK(letter.answer.revision == 1000);
}

}  // namespace varve
