// The listening sockets of an instance, shared by its contexts: whichever is free accepts.
//
// Thread rule: any thread; each context's join and leave pair up.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/nbd/listener.h"
#include "plugins/sdk/host.h"

namespace varve {

class Listeners {
 public:
  // Opens the sockets for the first who joins. Returns what went wrong; empty: `fds` are filled in.
  std::string join(const std::vector<ListenAddress>& addresses, const HostLog& log,
                   std::vector<int>& fds);
  // Closes them for the last who leaves.
  void leave();

 private:
  std::mutex mutex_;
  size_t users_ = 0;
  std::vector<std::unique_ptr<Listener>> open_;
};

}  // namespace varve
