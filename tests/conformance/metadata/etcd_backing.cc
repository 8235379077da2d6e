#include <fstream>

#include "tests/conformance/metadata/etcd_process.h"

namespace varve {

std::unique_ptr<Backing> start_backing(const std::string& folder) {
  auto cluster = std::make_unique<EtcdCluster>(folder);
  std::ofstream file(folder + "endpoints");
  for (const std::string& url : cluster->urls()) file << url << "\n";
  return cluster;
}

}  // namespace varve
