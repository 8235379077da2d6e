// AdminHttp: one HTTP request in, its answer out, both as bytes. httplib stays in admin_http.cc.
//
// Thread rule: one thread at a time. Ownership: borrows the backend and the gate.
#pragma once

#include <memory>
#include <string>

#include "core/daemon/admin_api.h"
#include "core/daemon/admin_backend.h"
#include "core/daemon/admin_gate.h"

namespace varve {

class AdminHttp {
 public:
  AdminHttp(AdminBackend& backend, AdminGate& gate);
  ~AdminHttp();
  AdminHttp(const AdminHttp&) = delete;
  AdminHttp& operator=(const AdminHttp&) = delete;

  struct Answer {
    std::string bytes;
    std::string refused;  // why the gate has refused; for the log
  };
  // Blocks as the backend does. `request` is whole, request_bytes.h.
  Answer answer(const std::string& request, const AdminAsker& asker, int64_t now_ms);

  // An answer to what is not worth looking at.
  static std::string refusal(int status, const std::string& why);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace varve
