#include "tests/unit/volume/volume_model.h"

#include <catch2/catch_test_macros.hpp>

#include "tests/unit/volume/fake_store.h"

namespace varve {

TEST_CASE("clients with random overlapping requests see only acknowledged or pending values") {
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    INFO("seed " << seed);
    FakeShard shard(seed, VolumeModel::kBlockCount);
    VolumeModel model(shard.runtime, *shard.store, kFakeVolume);
    model.start(shard.group, 8, 40);
    shard.run();
    REQUIRE(shard.group.running() == 0);
    CHECK(model.idle());
    CHECK(model.change_count() > 0);
    REQUIRE(model.wrong_count() == 0);
    CHECK(shard.core->crc_errors == 0);
    CHECK(shard.core->unaligned_read_count == 0);
  }
}

}  // namespace varve
