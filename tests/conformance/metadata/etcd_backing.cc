#include "tests/conformance/metadata/etcd_bench.h"

namespace varve {

std::unique_ptr<Backing> start_backing(const std::string& folder) {
  return make_etcd({})(folder);
}

}  // namespace varve
