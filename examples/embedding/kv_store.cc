// A key-value store on the engine: each key with its value is one block of a volume.
// Usage: kv_store FILE put KEY VALUE | get KEY | delete KEY | list
//
// The engine writes a block whole or not at all, and durably, so there is nothing to recover here:
// a put overwrites its block, a delete trims it, and the index is read back from the blocks that
// hold data. FILE is made when it does not exist.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "core/base/aligned_buffer.h"
#include "core/base/crc32c.h"
#include "core/base/text.h"
#include "core/device/uring_device.h"
#include "core/runtime/uring_loop.h"
#include "core/store/store.h"

using namespace varve;

constexpr uint64_t kFileBytes = 64 * kMiB;
constexpr uint64_t kVolumeBlocks = 4096;  // as many keys
constexpr uint32_t kRecordMagic = 0x31764b56;

struct PairHeader {
  uint32_t magic;
  uint16_t key_bytes;
  uint16_t value_bytes;
};
constexpr size_t kRecordBytesMax = kBlockBytes - sizeof(PairHeader);

// One operation at a time. Borrows the store.
class KeyValueStore {
 public:
  explicit KeyValueStore(Store& store) : store_(store), used_(kVolumeBlocks) {}

  // Finds the volume, or makes it, and reads the keys back.
  Task<Status> load() {
    Result<VolumeInfo> volume = store_.find_volume("keys");
    if (!volume.ok()) volume = co_await store_.create_volume("keys", kVolumeBlocks * kBlockBytes);
    if (!volume.ok()) co_return volume.status();
    volume_ = volume->id;
    std::vector<BlockStatusRun> runs;
    const BlockRange all{0, kVolumeBlocks};
    VARVE_CO_TRY(store_.block_status(volume_, all, runs));
    uint64_t block = 0;
    for (const BlockStatusRun& run : runs) {
      for (const uint64_t end = block + run.block_count; block < end; ++block) {
        if (!run.data) continue;
        VARVE_CO_TRY(co_await read(block));
        VARVE_CO_TRY(check_record(block));
        index_[std::string(key())] = block;
        used_[block] = true;
      }
    }
    co_return Status();
  }

  Task<Status> put(std::string key, std::string value) {
    if (key.empty() || key.size() + value.size() > kRecordBytesMax)
      co_return Status(ErrorCode::kInvalidArgument,
                       text("key and value have 1 to ", kRecordBytesMax, " bytes"));
    const auto known = index_.find(key);
    const uint64_t block = known != index_.end() ? known->second : free_block();
    if (block == kVolumeBlocks) co_return Status(ErrorCode::kNoSpace, "all blocks are taken");
    const PairHeader header{kRecordMagic, static_cast<uint16_t>(key.size()),
                            static_cast<uint16_t>(value.size())};
    std::memset(block_.data(), 0, block_.size());
    std::memcpy(block_.data(), &header, sizeof header);
    std::memcpy(block_.data() + sizeof header, key.data(), key.size());
    std::memcpy(block_.data() + sizeof header + key.size(), value.data(), value.size());
    uint32_t crc = 0;
    crc32c_blocks(block_.data(), 1, &crc);
    const BlockRange range{block, 1};
    VARVE_CO_TRY(co_await store_.write(volume_, range, block_.data(), &crc));
    index_[key] = block;
    used_[block] = true;
    co_return Status();
  }

  Task<Result<std::string>> get(std::string key) {
    const auto known = index_.find(key);
    if (known == index_.end()) co_return Status(ErrorCode::kNotFound, "no such key");
    const Status status = co_await read(known->second);
    if (!status.ok()) co_return status;
    co_return std::string(value());
  }

  Task<Status> remove(std::string key) {
    const auto known = index_.find(key);
    if (known == index_.end()) co_return Status(ErrorCode::kNotFound, "no such key");
    const BlockRange range{known->second, 1};
    VARVE_CO_TRY(co_await store_.trim(volume_, range));
    used_[known->second] = false;
    index_.erase(known);
    co_return Status();
  }

  const std::map<std::string, uint64_t>& index() const { return index_; }

 private:
  Task<Status> read(uint64_t block) {
    const BlockRange range{block, 1};
    co_return co_await store_.read(volume_, range, block_.data());
  }
  Status check_record(uint64_t block) const {
    const PairHeader record = header();
    if (record.magic == kRecordMagic && record.key_bytes + record.value_bytes <= kRecordBytesMax)
      return {};
    return {ErrorCode::kInvalidArgument, text("block ", block, " holds no record of ours")};
  }
  uint64_t free_block() const {
    uint64_t block = 0;
    while (block < kVolumeBlocks && used_[block]) ++block;
    return block;
  }

  // The record that block_ holds.
  PairHeader header() const {
    PairHeader record{};
    std::memcpy(&record, block_.data(), sizeof record);
    return record;
  }
  const char* bytes() const { return reinterpret_cast<const char*>(block_.data()); }
  std::string_view key() const { return {bytes() + sizeof(PairHeader), header().key_bytes}; }
  std::string_view value() const {
    return {bytes() + sizeof(PairHeader) + header().key_bytes, header().value_bytes};
  }

  Store& store_;
  VolumeId volume_{};
  std::map<std::string, uint64_t> index_;  // key -> block
  std::vector<bool> used_;
  AlignedBuffer block_{kBlockBytes};  // the record that is being read or written
};

static Task<Status> obey(KeyValueStore& keys, std::vector<std::string> words) {
  const std::string& what = words[0];
  if (what == "put" && words.size() == 3) co_return co_await keys.put(words[1], words[2]);
  if (what == "delete" && words.size() == 2) co_return co_await keys.remove(words[1]);
  if (what == "get" && words.size() == 2) {
    const Result<std::string> value = co_await keys.get(words[1]);
    if (value.ok()) std::printf("%s\n", value->c_str());
    co_return value.status();
  }
  if (what != "list" || words.size() != 1)
    co_return Status(ErrorCode::kInvalidArgument, "put KEY VALUE, get KEY, delete KEY or list");
  for (const auto& [key, block] : keys.index()) std::printf("%s\n", key.c_str());
  co_return Status();
}

static Task<Status> use_store(Runtime& runtime, BlockDevice& device,
                              std::vector<std::string> words) {
  const StoreOptions options;
  Result<std::unique_ptr<Store>> store = co_await Store::open(runtime, device, options);
  if (store.code() == ErrorCode::kNotFormatted) {
    FormatOptions format;
    format.segment_bytes = kMiB;
    VARVE_CO_TRY(co_await Store::format(runtime, device, format));
    store = co_await Store::open(runtime, device, options);
  }
  if (!store.ok()) co_return store.status();
  KeyValueStore keys(**store);
  Status status = co_await keys.load();
  if (status.ok()) status = co_await obey(keys, std::move(words));
  const Status closed = co_await (*store)->close();
  co_return status.ok() ? closed : status;
}

static Status run(const std::string& path, std::vector<std::string> words) {
  const Status made = prepare_file(path, kFileBytes, false, {});
  if (!made.ok() && made.code() != ErrorCode::kAlreadyExists) return made;
  Result<std::unique_ptr<UringLoop>> loop = UringLoop::create();
  if (!loop.ok()) return loop.status();
  auto device = UringDevice::open(**loop, path, Durability::kFlush);
  if (!device.ok()) return device.status();
  return (*loop)->run(use_store((*loop)->runtime(), **device, std::move(words)));
}

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + std::min(argc, 2), argv + argc);
  const Status status = words.empty()
                            ? Status(ErrorCode::kInvalidArgument, "which FILE, and what to do?")
                            : run(argv[1], words);
  if (!status.ok()) std::fprintf(stderr, "kv_store: %s\n", std::string(status.message()).c_str());
  return status.ok() ? 0 : 1;
}
