// Wrapped keys in the catalog: with their volumes, through restarts, for clones.
#include <catch2/catch_test_macros.hpp>

#include "tests/unit/store/store_bench.h"

namespace varve {
namespace {

WrappedKey wrapped(std::string name, int value) {
  return {std::move(name), {static_cast<std::byte>(value), std::byte{2}, std::byte{3}}};
}

KeyWrapper wrapper(int value) {
  return [value](VolumeId) -> Result<WrappedKey> { return wrapped("a", value); };
}

VolumeId create(StoreBench& bench, std::string name, int value) {
  const auto made =
      bench.run(bench.store().create_volume(std::move(name), 100 * kBlockBytes, wrapper(value)));
  REQUIRE(made.ok());
  CHECK(made->wrapping_key == "a");
  return made->id;
}

int value_of(StoreBench& bench, VolumeId id) {
  const Result<VolumeKey> key = bench.store().volume_key(id);
  return key.ok() ? static_cast<int>(key->wrapped.bytes[0]) : -1;
}

std::string wrapping_key_of(StoreBench& bench, std::string_view name) {
  const Result<VolumeInfo> info = bench.store().find_volume(name);
  return info.ok() ? info->wrapping_key : "no volume";
}

void reopen(StoreBench& bench) {
  bench.close();
  REQUIRE(bench.open().ok());
}

}  // namespace

TEST_CASE("a wrapped key comes and goes with its volume") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId plain = bench.create("plain", 100);
  const VolumeId first = create(bench, "first", 10);
  const VolumeId second = create(bench, "second", 20);
  for (int round = 0; round < 2; ++round) {
    CHECK(value_of(bench, first) == 10);
    CHECK(value_of(bench, second) == 20);
    CHECK(bench.store().volume_key(first)->family == first);
    CHECK(wrapping_key_of(bench, "first") == "a");
    CHECK(wrapping_key_of(bench, "plain").empty());
    const Status none = bench.store().volume_key(plain).status();
    CHECK(none.code() == ErrorCode::kNotFound);
    CHECK(none.message() == "volume plain is not encrypted");
    reopen(bench);
  }
  REQUIRE(bench.remove(first).ok());
  CHECK(value_of(bench, first) == -1);
  reopen(bench);
  CHECK(value_of(bench, first) == -1);
  CHECK(value_of(bench, second) == 20);
}

TEST_CASE("a volume whose key cannot be wrapped is not made") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  VolumeId told{};
  const auto refused = bench.run(
      bench.store().create_volume("v", kBlockBytes, [&](VolumeId id) -> Result<WrappedKey> {
        told = id;
        return Status(ErrorCode::kInvalidArgument, "no such wrapping key");
      }));
  CHECK(refused.status().message() == "no such wrapping key");
  CHECK(told != VolumeId{});
  CHECK(bench.store().volumes().empty());
  // A name that is taken is told before a key is made.
  bench.create("taken", 1);
  const auto taken = bench.run(
      bench.store().create_volume("taken", kBlockBytes, [&](VolumeId) -> Result<WrappedKey> {
        FAIL("asked for a key");
        return ErrorCode::kUnknown;
      }));
  CHECK(taken.code() == ErrorCode::kAlreadyExists);
}

TEST_CASE("clones, and clones of clones, have their family's key, also behind its deleted volume") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId parent = create(bench, "parent", 10);
  REQUIRE(bench.write(parent, {0, 1}, 7).ok());
  REQUIRE(bench.snapshot({parent}, "s").ok());
  const auto child = bench.run(bench.store().clone_volume(parent, "s", "child", 0));
  REQUIRE(child.ok());
  CHECK(child->wrapping_key == "a");
  REQUIRE(bench.snapshot({child->id}, "t").ok());
  const auto grandchild = bench.run(bench.store().clone_volume(child->id, "t", "grandchild", 0));
  REQUIRE(grandchild.ok());
  REQUIRE(bench.drop(parent, "s").ok());
  REQUIRE(bench.remove(parent).ok());
  for (int round = 0; round < 2; ++round) {
    for (const VolumeId id : {child->id, grandchild->id}) {
      CHECK(value_of(bench, id) == 10);
      CHECK(bench.store().volume_key(id)->family == parent);
      CHECK(bench.read(id, 0) == 7);
    }
    reopen(bench);
  }
  // The last of the family takes the key along.
  REQUIRE(bench.drop(child->id, "t").ok());
  REQUIRE(bench.remove(grandchild->id).ok());
  CHECK(value_of(bench, child->id) == 10);
  REQUIRE(bench.remove(child->id).ok());
  for (const VolumeId id : {parent, child->id, grandchild->id}) CHECK(value_of(bench, id) == -1);
}

TEST_CASE("another wrapping is one durable change for the whole family, or none") {
  StoreBench bench(20);
  REQUIRE(bench.format().ok());
  REQUIRE(bench.open().ok());
  const VolumeId parent = create(bench, "parent", 10);
  REQUIRE(bench.snapshot({parent}, "s").ok());
  const VolumeId child = bench.run(bench.store().clone_volume(parent, "s", "child", 0))->id;
  const auto rewrap = [&](VolumeId id, Result<WrappedKey> next) {
    return bench.run(
        bench.store().rewrap_key(id, [&, next](const VolumeKey& now) -> Result<WrappedKey> {
          CHECK(now.family == parent);
          CHECK(now.wrapped.wrapping_key == "a");
          return next;
        }));
  };
  CHECK(rewrap(child, Status(ErrorCode::kInvalidArgument, "no")).message() == "no");
  CHECK(value_of(bench, parent) == 10);
  REQUIRE(rewrap(child, wrapped("b", 30)).ok());
  for (int round = 0; round < 2; ++round) {
    CHECK(value_of(bench, parent) == 30);
    CHECK(value_of(bench, child) == 30);
    CHECK(wrapping_key_of(bench, "parent") == "b");
    reopen(bench);
  }
  const VolumeId plain = bench.create("plain", 1);
  CHECK(rewrap(plain, wrapped("b", 1)).code() == ErrorCode::kNotFound);
}

}  // namespace varve
