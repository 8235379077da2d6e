// One HTTP request in, its answer out, both as bytes: AdminDoor turns away whom the gate does not
// let in, AdminHttp answers the others. httplib stays in admin_http.cc. `request` is whole,
// request_bytes.h.
//
// Thread rule: one thread at a time. Ownership: borrow the gate and the backend.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "core/daemon/admin_api.h"
#include "core/daemon/admin_backend.h"
#include "core/daemon/admin_gate.h"

namespace varve {

class AdminDoor {
 public:
  explicit AdminDoor(AdminGate& gate);
  ~AdminDoor();
  AdminDoor(const AdminDoor&) = delete;
  AdminDoor& operator=(const AdminDoor&) = delete;

  struct Refusal {
    std::string bytes;
    std::string why;  // for the log; empty: it is no good HTTP
  };
  // Nothing: the request is welcome. Waits for nobody.
  std::optional<Refusal> turn_away(const std::string& request, const AdminAsker& asker,
                                   int64_t now_ms);

  // An answer to what is not worth looking at.
  static std::string refusal(int status, const std::string& why);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

class AdminHttp {
 public:
  explicit AdminHttp(AdminBackend& backend);
  ~AdminHttp();
  AdminHttp(const AdminHttp&) = delete;
  AdminHttp& operator=(const AdminHttp&) = delete;

  // Blocks as the backend does.
  std::string answer(const std::string& request);

 private:
  class Server;
  std::unique_ptr<Server> server_;
};

}  // namespace varve
