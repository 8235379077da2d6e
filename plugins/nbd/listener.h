// A listening socket: unix or TCP.
//
// A unix socket's file that nobody answers on is replaced; it is removed with its owner.
// Thread rule: one owner; the descriptor may be polled by several threads.
// Errors: open returns a sentence; empty means success.
#pragma once

#include <sys/types.h>

#include <string>

#include "plugins/nbd/options.h"
#include "plugins/sdk/unique_fd.h"

namespace varve {

class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();

  std::string open(const ListenAddress& address);
  int fd() const { return fd_.get(); }
  // Where it really listens: a port that was given as 0 is filled in.
  const std::string& bound() const { return bound_; }

 private:
  std::string open_unix(const ListenAddress& address);
  std::string open_tcp(const ListenAddress& address);

  UniqueFd fd_;
  std::string bound_;
  std::string unix_path_;  // to remove at the end; empty: none
  dev_t file_device_ = 0;
  ino_t file_number_ = 0;
};

}  // namespace varve
