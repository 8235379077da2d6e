#include "core/store/superblocks.h"

#include "core/base/aligned_buffer.h"
#include "core/base/text.h"

namespace varve {

Task<Status> write_superblocks(BlockDevice& device, std::span<const std::byte> block) {
  for (const uint64_t offset : superblock_offsets(device.size_bytes()))
    VARVE_CO_TRY(co_await device.write(offset, block, true));
  co_return Status();
}

// The first good copy; otherwise what is most worth telling about the bad ones.
Task<Result<Superblock>> read_superblock(BlockDevice& device) {
  Status worst(ErrorCode::kNotFormatted, "there is no Varve superblock on the device");
  AlignedBuffer block(kBlockBytes);
  for (const uint64_t offset : superblock_offsets(device.size_bytes())) {
    if (Status read = co_await device.read(offset, block.span()); !read.ok()) {
      worst = Status(read.code(), text("the superblock at byte ", offset, " cannot be read"));
      continue;
    }
    Result<Superblock> superblock = decode_superblock(block.span(), device.size_bytes());
    if (superblock.ok() || superblock.code() == ErrorCode::kNewerFormat) co_return superblock;
    if (superblock.code() != ErrorCode::kNotFormatted) worst = superblock.status();
  }
  co_return worst;
}

}  // namespace varve
