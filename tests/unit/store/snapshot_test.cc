// Snapshots, roll-back and clones through the store's door: what each view shows, against plain
// copies of the blocks, through cleaning and new openings.
#include <algorithm>
#include <map>

#include "core/base/text.h"
#include "core/store/store.h"
#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

using Content = std::vector<uint8_t>;

struct ModelVolume {
  VolumeId id{};
  Content head;
  std::map<std::string, Content> snapshots;
};

// A store beside a model that copies everything.
class Twin {
 public:
  explicit Twin(uint64_t seed) : random_(seed), bench_(26) {
    REQUIRE(bench_.format().ok());
    REQUIRE(bench_.open().ok());
    create();
  }

  void step() {
    const uint64_t draw = random_.below(100);
    if (draw < 60)
      write();
    else if (draw < 70)
      trim();
    else if (draw < 79)
      snapshot();
    else if (draw < 88)
      drop_snapshot();
    else if (draw < 91)
      roll_back();
    else if (draw < 94)
      clone();
    else if (draw < 96)
      remove();
    else if (draw < 97)
      reopen();
    else
      check_one();
  }

  void check() {
    for (const auto& [name, volume] : volumes_) {
      check_view(name, volume.id, volume.head);
      for (const SnapshotInfo& info : bench_.store().snapshots(volume.id))
        check_view(name + "@" + info.name, {volume.id, info.generation},
                   volume.snapshots.at(info.name));
      REQUIRE(bench_.store().snapshots(volume.id).size() == volume.snapshots.size());
    }
    REQUIRE(bench_.store().volumes().size() == volumes_.size());
  }

  void reopen() {
    cleaned_ += bench_.store().stats().segments_cleaned;
    bench_.close();
    REQUIRE(bench_.open().ok());
    check();
  }

  // With all snapshots and clones gone, what is left takes the space of its blocks and no more.
  void drop_all_but_heads() {
    for (auto& [name, volume] : volumes_) {
      for (const auto& [snapshot, content] : volume.snapshots)
        REQUIRE(bench_.drop(volume.id, snapshot).ok());
      volume.snapshots.clear();
    }
    while (volumes_.size() > 1) remove();
    bench_.settle();
    const ModelVolume& last = volumes_.begin()->second;
    const auto used = static_cast<uint64_t>(
        std::count_if(last.head.begin(), last.head.end(), [](uint8_t fill) { return fill != 0; }));
    const Result<ViewSpace> space = bench_.run(bench_.store().view_space(last.id));
    REQUIRE(space.ok());
    REQUIRE(space->used_bytes == used * kBlockBytes);
    if (bench_.store().stats().live_blocks != used) REQUIRE(clones_made_ > 0);
  }

  uint64_t cleaned() const { return cleaned_; }  // segments, until the last reopen()

 private:
  static constexpr uint64_t kBlocks = 40;

  ModelVolume& any() {
    auto at = volumes_.begin();
    std::advance(at, random_.below(volumes_.size()));
    return at->second;
  }
  const std::string* any_snapshot(ModelVolume& volume) {
    if (volume.snapshots.empty()) return nullptr;
    auto at = volume.snapshots.begin();
    std::advance(at, random_.below(volume.snapshots.size()));
    return &at->first;
  }
  BlockRange any_range(const ModelVolume& volume) {
    const uint64_t count = 1 + random_.below(8);
    return {random_.below(volume.head.size() - count + 1), count};
  }

  void create() {
    const std::string name = text("v", ++names_);
    volumes_[name] = {bench_.create(name, kBlocks), Content(kBlocks, 0), {}};
  }
  void write() {
    ModelVolume& volume = any();
    const BlockRange range = any_range(volume);
    const auto fill = static_cast<uint8_t>(1 + random_.below(250));
    const Status status = bench_.write(volume.id, range, fill);
    if (status.code() == ErrorCode::kNoSpace) {
      drop_snapshot();
      return;
    }
    REQUIRE(status.ok());
    for (uint64_t block = range.first; block < range.end(); ++block) volume.head[block] = fill;
  }
  void trim() {
    ModelVolume& volume = any();
    const BlockRange range = any_range(volume);
    REQUIRE(bench_.trim(volume.id, range).ok());
    for (uint64_t block = range.first; block < range.end(); ++block) volume.head[block] = 0;
  }
  void snapshot() {
    std::vector<VolumeId> ids;
    const std::string name = text("s", ++names_);
    for (auto& [volume_name, volume] : volumes_)
      if (ids.empty() || random_.chance(1, 3)) ids.push_back(volume.id);
    const auto made = bench_.snapshot(ids, name);
    if (made.code() == ErrorCode::kNoSpace) return;
    REQUIRE(made.ok());
    for (auto& [volume_name, volume] : volumes_)
      if (std::find(ids.begin(), ids.end(), volume.id) != ids.end())
        volume.snapshots[name] = volume.head;
  }
  void drop_snapshot() {
    ModelVolume& volume = any();
    const std::string* const name = any_snapshot(volume);
    if (name == nullptr) return;
    REQUIRE(bench_.drop(volume.id, *name).ok());
    volume.snapshots.erase(*name);
  }
  void roll_back() {
    ModelVolume& volume = any();
    const std::string* const name = any_snapshot(volume);
    if (name == nullptr) return;
    REQUIRE(bench_.run(bench_.store().roll_back(volume.id, *name)).ok());
    const Content& then = volume.snapshots[*name];
    std::fill(volume.head.begin(), volume.head.end(), 0);
    std::copy(then.begin(), then.end(), volume.head.begin());
  }
  void clone() {
    ModelVolume& parent = any();
    const std::string* const snapshot = any_snapshot(parent);
    if (snapshot == nullptr || volumes_.size() > 5) return;
    const std::string name = text("c", ++names_);
    Content content = parent.snapshots[*snapshot];
    content.resize(content.size() + random_.below(10), 0);
    const auto made = bench_.run(
        bench_.store().clone_volume(parent.id, *snapshot, name, content.size() * kBlockBytes));
    if (made.code() == ErrorCode::kNoSpace) return;
    REQUIRE(made.ok());
    ++clones_made_;
    volumes_[name] = {made->id, std::move(content), {}};
  }
  void remove() {
    if (volumes_.size() == 1) return;
    auto at = volumes_.begin();
    std::advance(at, random_.below(volumes_.size()));
    const Status status = bench_.remove(at->second.id);
    REQUIRE(status.ok() == at->second.snapshots.empty());
    if (status.ok()) volumes_.erase(at);
  }
  void check_one() {
    ModelVolume& volume = any();
    const uint64_t block = random_.below(volume.head.size());
    REQUIRE(bench_.read(volume.id, block) == volume.head[block]);
  }
  void check_view(const std::string& name, VolumeView view, const Content& content) {
    for (uint64_t block = 0; block < content.size(); ++block) {
      INFO(name << " block " << block);
      REQUIRE(bench_.read(view, block) == content[block]);
    }
  }

  Random random_;
  StoreBench bench_;
  std::map<std::string, ModelVolume> volumes_;
  uint32_t names_ = 0;
  uint32_t clones_made_ = 0;
  uint64_t cleaned_ = 0;
};

}  // namespace

TEST_CASE("a snapshot stays what it was, whatever is written, cleaned and reopened") {
  StoreBench bench(30);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 100);
  CHECK(bench.write(id, {0, 10}, 1).ok());
  const auto made = bench.snapshot({id}, "before");
  REQUIRE(made.ok());
  const VolumeView view{id, made->front().generation};
  CHECK(bench.write(id, {0, 5}, 2).ok());
  CHECK(bench.trim(id, {5, 2}).ok());
  CHECK(bench.write(id, {20, 1}, 3).ok());
  Random random(1);
  for (int round = 0; round < 3000; ++round)
    CHECK(bench.write(id, {30 + random.below(70), 1}, 4).ok());
  for (uint64_t block = 30; block < 100; ++block) CHECK(bench.write(id, {block, 1}, 4).ok());
  CHECK(bench.store().stats().segments_cleaned > 0);
  for (int opening = 0; opening < 2; ++opening) {
    CHECK(bench.read(view, 0) == 1);
    CHECK(bench.read(view, 5) == 1);
    CHECK(bench.read(view, 20) == 0);
    CHECK(bench.read(id, 0) == 2);
    CHECK(bench.read(id, 5) == 0);
    CHECK(bench.read(id, 9) == 1);
    CHECK(bench.read({id, 77}, 0) == -1);  // no such view
    const Result<ViewSpace> space = bench.run(bench.store().view_space(view));
    CHECK(space->used_bytes == 10 * kBlockBytes);
    CHECK(space->exclusive_bytes == 7 * kBlockBytes);
    std::vector<BlockStatusRun> runs;
    CHECK(bench.run(bench.store().changed_blocks(view, id, {0, 30}, &runs)).ok());
    REQUIRE(runs.size() == 4);
    CHECK((runs[0].data && runs[0].block_count == 7));
    CHECK((runs[2].data && runs[2].block_count == 1));
    CHECK(bench.store().find_snapshot(id, "before")->generation == view.generation);
    bench.close();
    REQUIRE(bench.open().ok());
  }
  CHECK(bench.drop(id, "before").ok());
  bench.settle();
  CHECK(bench.read(view, 0) == -1);
  CHECK(bench.store().stats().live_blocks == 5 + 3 + 1 + 70);
}

TEST_CASE("snapshots, clones and roll-backs show what copies of the blocks would") {
  uint64_t cleaned = 0;
  for (uint64_t seed = 1; seed <= 150; ++seed) {
    INFO("seed " << seed);
    Twin twin(seed);
    for (int step = 0; step < 400; ++step) {
      INFO("step " << step);
      twin.step();
    }
    twin.check();
    twin.reopen();
    cleaned += twin.cleaned();
    twin.drop_all_but_heads();
    twin.check();
    twin.reopen();
  }
  CHECK(cleaned > 1000);
}

TEST_CASE("what cannot be done with views is refused in words, and nothing changes") {
  StoreBench bench(30);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId id = bench.create("one", 100);
  REQUIRE(bench.snapshot({id}, "a").ok());
  CHECK(bench.snapshot({id}, "a").code() == ErrorCode::kAlreadyExists);
  CHECK(bench.snapshot({id}, "a/b").code() == ErrorCode::kInvalidArgument);
  CHECK(bench.snapshot({id, id}, "b").code() == ErrorCode::kInvalidArgument);
  CHECK(bench.snapshot({}, "b").code() == ErrorCode::kInvalidArgument);
  CHECK(bench.snapshot({id, VolumeId{99}}, "b").code() == ErrorCode::kNotFound);
  CHECK(bench.drop(id, "b").code() == ErrorCode::kNotFound);
  Store& store = bench.store();
  CHECK(bench.run(store.roll_back(id, "b")).code() == ErrorCode::kNotFound);
  CHECK(bench.run(store.clone_volume(id, "b", "two", 0)).code() == ErrorCode::kNotFound);
  CHECK(bench.run(store.clone_volume(id, "a", "one", 0)).code() == ErrorCode::kAlreadyExists);
  CHECK(bench.run(store.clone_volume(id, "a", "two", 50 * kBlockBytes)).code() ==
        ErrorCode::kInvalidArgument);
  const Status busy = bench.remove(id);
  CHECK(busy.code() == ErrorCode::kBusy);
  CHECK(busy.message() == "volume one has 1 snapshot: delete it first");
  CHECK(store.snapshots(id).size() == 1);
}

TEST_CASE("a clone keeps what it shows of a deleted snapshot and a deleted parent") {
  StoreBench bench(30);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId parent = bench.create("parent", 100);
  CHECK(bench.write(parent, {0, 20}, 1).ok());
  REQUIRE(bench.snapshot({parent}, "s").ok());
  CHECK(bench.write(parent, {0, 10}, 2).ok());
  const auto clone = bench.run(bench.store().clone_volume(parent, "s", "clone", 0));
  REQUIRE(clone.ok());
  CHECK(bench.write(clone->id, {0, 1}, 3).ok());
  CHECK(bench.drop(parent, "s").ok());
  CHECK(bench.remove(parent).ok());
  bench.settle();
  for (int opening = 0; opening < 2; ++opening) {
    CHECK_FALSE(bench.store().find_volume("parent").ok());
    CHECK(bench.store().volumes().size() == 1);
    CHECK(bench.read(clone->id, 0) == 3);
    CHECK(bench.read(clone->id, 1) == 1);
    CHECK(bench.store().stats().live_blocks == 21);
    bench.close();
    REQUIRE(bench.open().ok());
  }
  CHECK(bench.remove(clone->id).ok());
  bench.settle();
  CHECK(bench.store().stats().live_blocks == 0);
  CHECK(bench.store().volumes().empty());
}

}  // namespace varve
