#include "plugins/nbd/listeners.h"

namespace varve {

std::string Listeners::join(const std::vector<ListenAddress>& addresses, const HostLog& log,
                            std::vector<int>& fds) {
  const std::lock_guard lock(mutex_);
  if (users_ == 0) {
    for (const ListenAddress& address : addresses) {
      std::string wrong = open_.emplace_back(std::make_unique<Listener>())->open(address);
      if (!wrong.empty()) {
        open_.clear();
        return wrong;
      }
    }
    for (const auto& listener : open_) log.info("listening on " + listener->bound());
  }
  ++users_;
  for (const auto& listener : open_) fds.push_back(listener->fd());
  return {};
}

void Listeners::leave() {
  const std::lock_guard lock(mutex_);
  if (--users_ == 0) open_.clear();
}

}  // namespace varve
