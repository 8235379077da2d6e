#include "core/daemon/same_device.h"

#include <sys/stat.h>

#include <map>
#include <string>
#include <utility>

#include "core/base/text.h"

namespace varve {
namespace {

// Of a block device its number, of a file its file system and inode; never both the same.
using Identity = std::pair<dev_t, ino_t>;
constexpr ino_t kBlockDevice = 0;  // no file has this inode

class Devices {
 public:
  explicit Devices(std::vector<ConfigError>& errors) : errors_(errors) {}

  void add(const std::string& path, TomlPlace place, const char* key) {
    struct stat info{};
    if (stat(path.c_str(), &info) != 0) return;
    const Identity identity = S_ISBLK(info.st_mode) ? Identity{info.st_rdev, kBlockDevice}
                                                    : Identity{info.st_dev, info.st_ino};
    const auto [held, is_new] = seen_.emplace(identity, path);
    if (is_new) return;
    errors_.push_back(
        {place, key, text("\"", path, "\" is the same device as \"", held->second, "\"")});
  }

 private:
  std::map<Identity, std::string> seen_;
  std::vector<ConfigError>& errors_;
};

}  // namespace

void check_same_devices(const NodeConfig& config, std::vector<ConfigError>& errors) {
  Devices devices(errors);
  for (const DiskGroupConfig& group : config.disk_groups) {
    devices.add(group.path, group.path_place, "disk_group.path");
    for (const HddConfig& hdd : group.hdds) devices.add(hdd.path, hdd.place, "disk_group.hdd");
  }
}

}  // namespace varve
