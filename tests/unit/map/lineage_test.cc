#include "core/map/lineage.h"

#include <catch2/catch_test_macros.hpp>
#include <map>
#include <random>
#include <set>

namespace varve {
namespace {

// What a lineage means, by doing it: every view holds a copy of what it sees.
struct CopyingModel {
  std::map<Generation, Generation> views;  // view: the version that it sees of the one block
  Generation head = kHead;                 // kHead: it sees none
};

std::vector<Generation> needed_of(const Lineage& lineage, const std::vector<Generation>& versions) {
  std::vector<bool> needed;
  lineage.find_needed(versions, needed);
  std::vector<Generation> kept;
  for (size_t i = 0; i < versions.size(); ++i)
    if (needed[i]) kept.push_back(versions[i]);
  return kept;
}

Generation seen(const Lineage& lineage, Generation view, const std::vector<Generation>& versions) {
  const int at = lineage.seen_by(view, versions);
  return at < 0 ? kHead : versions[static_cast<size_t>(at)];
}

}  // namespace

TEST_CASE("a snapshot sees the newest version up to its own generation") {
  Lineage lineage;
  CHECK(lineage.plain());
  CHECK(lineage.snapshot() == 0);
  CHECK(lineage.snapshot() == 1);
  CHECK(lineage.newest() == 2);
  CHECK_FALSE(lineage.plain());
  CHECK(seen(lineage, 0, {0, 2}) == 0);
  CHECK(seen(lineage, 1, {0, 2}) == 0);
  CHECK(seen(lineage, kHead, {0, 2}) == 2);
  CHECK(seen(lineage, 1, {2}) == kHead);
  CHECK(needed_of(lineage, {0, 2}) == std::vector<Generation>{0, 2});
  CHECK(needed_of(lineage, {0, 1, 2}) == std::vector<Generation>{0, 1, 2});
  lineage.drop_view(0);
  CHECK(needed_of(lineage, {0, 1, 2}) == std::vector<Generation>{1, 2});
}

TEST_CASE("after a roll-back the head goes on from the snapshot, later snapshots stay") {
  Lineage lineage;
  const Generation first = lineage.snapshot();   // 0
  const Generation second = lineage.snapshot();  // 1
  lineage.roll_back(first);                      // the head writes 3, on 0
  CHECK(lineage.newest() == 3);
  CHECK(seen(lineage, kHead, {0, 1, 2}) == 0);
  CHECK(seen(lineage, second, {0, 1, 2}) == 1);
  CHECK(needed_of(lineage, {0, 1, 2}) == std::vector<Generation>{0, 1});
  CHECK(needed_of(lineage, {0, 1, 2, 3}) == std::vector<Generation>{0, 1, 3});
  lineage.drop_view(first);
  CHECK(needed_of(lineage, {0, 1, 2, 3}) == std::vector<Generation>{1, 3});
  CHECK(needed_of(lineage, {0, 1, 2}) == std::vector<Generation>{0, 1});
}

TEST_CASE("branches that nobody sees are dropped") {
  Lineage lineage;
  const Generation kept = lineage.snapshot();
  for (int i = 0; i < 100; ++i) lineage.roll_back(kept);
  CHECK(lineage.branches().size() == 2);
}

TEST_CASE("without its head a lineage needs what its snapshots see") {
  Lineage lineage;
  lineage.snapshot();
  lineage.drop_head();
  CHECK(needed_of(lineage, {0, 1}) == std::vector<Generation>{0});
  CHECK(needed_of(lineage, {1}).empty());
}

TEST_CASE("views see what a copy of the block at their time shows, whatever happens") {
  for (uint32_t seed = 0; seed < 2000; ++seed) {
    std::mt19937 random(seed);
    Lineage lineage;
    CopyingModel model;
    std::set<Generation> versions;
    for (int step = 0; step < 40; ++step) {
      const uint32_t what = random() % 10;
      if (what < 4) {  // a write
        versions.insert(lineage.newest());
        model.head = lineage.newest();
      } else if (what < 7) {
        model.views[lineage.snapshot()] = model.head;
      } else if (!model.views.empty()) {
        auto picked = model.views.begin();
        std::advance(picked, random() % model.views.size());
        if (what == 7) {
          lineage.roll_back(picked->first);
          model.head = picked->second;
        } else {
          lineage.drop_view(picked->first);
          model.views.erase(picked);
        }
      }
      // Sometimes a recovery, which knows only what is stored, and finds dead versions again.
      std::vector<Generation> all(versions.begin(), versions.end());
      if (random() % 4 == 0) {
        Lineage stored(lineage.newest(), lineage.branches());
        for (const Generation view : lineage.views()) stored.add_view(view);
        lineage = stored;
      } else if (random() % 4 == 0) {
        all = needed_of(lineage, all);
        versions = {all.begin(), all.end()};
      }
      std::set<Generation> needed;
      if (model.head != kHead) needed.insert(model.head);
      REQUIRE(seen(lineage, kHead, all) == model.head);
      for (const auto& [view, version] : model.views) {
        INFO("seed " << seed << " step " << step << " view " << view);
        REQUIRE(seen(lineage, view, all) == version);
        if (version != kHead) needed.insert(version);
      }
      REQUIRE(needed_of(lineage, all) == std::vector<Generation>(needed.begin(), needed.end()));
    }
  }
}

}  // namespace varve
