// AdminServer: HTTP + JSON for operators, the varve command and Prometheus. docs/openapi.yaml
// describes it. httplib and nlohmann-json stay in admin_server.cc.
//
// Thread rule: made and stopped on any one thread; serves on threads of its own.
// Ownership: borrows the backend, which must outlive stop().
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/base/error.h"
#include "core/config/listen_address.h"
#include "core/daemon/admin_backend.h"

namespace varve {

class AdminServer {
 public:
  // Listens at `address` and serves until stop(). kBusy: the address is in use.
  static Result<std::unique_ptr<AdminServer>> start(const ListenAddress& address,
                                                    AdminBackend& backend);
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
