// NodeTransports: the transports of the node's config, most wanted first: loaded and checked at the
// start, polled while the node is in its cluster.
//
// One that has bad options is an error of the config. One that cannot be used on this machine is
// left out, with an error in the log, if there is another.
//
// Thread rule: load() before the loop runs, the rest on the shard's thread. Ownership: owns
// libraries and transports.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/config/node_config.h"
#include "core/daemon/cluster_status.h"
#include "core/net/plugin_transport.h"
#include "core/net/transport_set.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/uring_loop.h"

namespace varve {

class Peers;

class NodeTransports {
 public:
  // Loads the plugins and lets them check their options. Opens nothing.
  void load(const std::string& plugin_directory, const NodeConfig& config,
            std::vector<ConfigError>& errors);
  // What each of them found, a line each: for varved --check.
  std::string found() const;

  // Those that could be loaded, and where each listens.
  std::vector<NamedTransport> transports() const;
  std::vector<std::string> listen() const;
  // The words of the node's record for these.
  std::string addresses() const;

  void add_to(UringLoop& loop);
  void remove_from(UringLoop& loop);
  // Destroys all transports.
  void close();

  // In the config's order. `peers`, which was given transports(), may be null.
  std::vector<TransportStatus> status(const Peers* peers) const;

 private:
  struct One {
    std::string name;
    std::string listen;
    std::unique_ptr<PluginLibrary> library;
    std::unique_ptr<PluginTransport> transport;  // null: see problem
    std::string problem;
  };
  std::vector<One> all_;
};

}  // namespace varve
