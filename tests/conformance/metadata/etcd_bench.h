// EtcdBench: a bench on an etcd of the test's own.
#pragma once

#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/metadata/etcd_process.h"
#include "tests/conformance/metadata/plugin_bench.h"

namespace varve {

struct EtcdKind {
  size_t members = 1;
  std::string scheme = "http";
  std::vector<std::string> arguments;
};

// Leaves the options of its clients in the folder.
inline PluginStore::BackingMaker make_etcd(const EtcdKind& kind) {
  return [kind](const std::string& folder) {
    auto cluster = std::make_unique<EtcdCluster>(folder, kind.members, kind.scheme, kind.arguments);
    std::ofstream file(folder + "options");
    for (const std::string& url : cluster->urls()) file << "endpoints " << url << "\n";
    return cluster;
  };
}

struct EtcdBench : Bench {
  explicit EtcdBench(const EtcdKind& kind = {})
      : EtcdBench(std::make_unique<PluginStore>(make_etcd(kind))) {}
  explicit EtcdBench(std::unique_ptr<PluginStore> made)
      : Bench(std::move(made)),
        plugin(static_cast<PluginStore&>(*store)),
        cluster(static_cast<EtcdCluster&>(*plugin.backing())) {}

  EtcdProcess& etcd() { return cluster.member(0); }
  // These must work, or must not.
  void start(size_t client, const std::vector<ServiceOption>& options) {
    const Status status = plugin.start_client(client, options);
    INFO(status.message());
    REQUIRE(status.ok());
  }
  std::string why_not(const std::vector<ServiceOption>& options) {
    const Status status = plugin.start_client(9, options);
    CHECK_FALSE(status.ok());
    return std::string(status.message());
  }
  Result<MetadataCommit> try_put(const std::string& key, const std::string& value,
                                 size_t client = 0) {
    return wait(store->client(client).commit({{}, {{key, value}}}));
  }

  PluginStore& plugin;
  EtcdCluster& cluster;
};

}  // namespace varve
