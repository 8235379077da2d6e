// WatchStream: one watch of one server.
//
// Thread rule: the plugin's thread. Ownership: the loop's; its user may name it until the message
// that says `ended`, or until its cancel().
#pragma once

#include <memory>
#include <string>

#include "plugins/metadata_etcd/completion_loop.h"
#include "plugins/metadata_etcd/server.h"

namespace grpc {
class Channel;
}  // namespace grpc
namespace etcdserverpb {
class WatchRequest;
}  // namespace etcdserverpb

namespace varve {

class WatchStream : public Completion {
 public:
  // Begins it; the loop owns it.
  static WatchStream* open(CompletionLoop& loop, const std::shared_ptr<grpc::Channel>& channel,
                           const etcdserverpb::WatchRequest& request, std::string key_prefix,
                           const std::string& token, WatchHandler handler);
};

}  // namespace varve
