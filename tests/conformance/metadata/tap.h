// Tap: what stands between a client and a server on loopback. Passes everything on, holds back what
// the server says, cuts, or plays a server that talks nonsense.
//
// Thread rule: the test's thread; inside a thread of its own.
#pragma once

#include <atomic>
#include <list>
#include <string>
#include <thread>

#include "plugins/sdk/unique_fd.h"

namespace varve {

class Tap {
 public:
  enum class Mode {
    kPass,
    kHoldReplies,  // what the client says is passed on, the answers stay here
    kCut,          // every connection is closed, new ones at once
    kGarbage,      // bytes without a meaning instead of answers
    kSilent,       // nothing instead of answers
  };
  explicit Tap(int server_port, Mode mode = Mode::kPass);
  ~Tap();
  Tap(const Tap&) = delete;
  Tap& operator=(const Tap&) = delete;

  int port() const { return port_; }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  // Connections from before kCut are closed when this returns.
  void set(Mode mode);
  // For connections that are made from now on.
  void set_server(int port) { server_port_ = port; }

 private:
  struct Pair {
    UniqueFd client, server;
  };
  void run();
  void wake() const;
  void accept_one();
  // False: close it.
  bool serve(Pair& pair, bool client_ready, bool server_ready);

  std::atomic<int> server_port_;
  int port_ = 0;
  UniqueFd listener_, wake_fd_, done_fd_;
  std::atomic<Mode> mode_;
  std::atomic<bool> ending_ = false;
  std::list<Pair> pairs_;
  std::thread thread_;
};

}  // namespace varve
