// AdminServer: HTTP + JSON for operators, the varve command and Prometheus. docs/openapi.yaml
// describes it.
//
// One thread has all connections and never waits for any of them: strangers who are slow, silent or
// many keep nobody out, for what they hold is bounded and the oldest of theirs gives way. Other
// threads make the answers (admin_workers.h).
//
// Thread rule: made and stopped on any one thread; serves on threads of its own.
// Ownership: borrows the backend and the gate, which must outlive stop().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/config/listen_address.h"
#include "core/daemon/admin_backend.h"
#include "core/daemon/admin_gate.h"

namespace varve {

class AdminServer {
 public:
  // Listens at `address` and serves until stop(). kBusy: the address is in use.
  static Result<std::unique_ptr<AdminServer>> start(const ListenAddress& address,
                                                    AdminBackend& backend, AdminGate& gate);
  ~AdminServer();
  AdminServer(const AdminServer&) = delete;
  AdminServer& operator=(const AdminServer&) = delete;

  // Answers the requests in flight and ends. Again: no effect.
  void stop();

  // "GET /v1/volumes/{name}", ...: what it serves, as in docs/openapi.yaml.
  static std::vector<std::string> routes();

 private:
  class Impl;
  explicit AdminServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace varve
