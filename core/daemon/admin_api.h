// The admin API without its HTTP: requests and replies as text, described by docs/openapi.yaml.
//
// Thread rule: any thread but the shard's, as AdminBackend, which is asked.
#pragma once

#include <map>
#include <span>
#include <string>

#include "core/base/error.h"
#include "core/daemon/admin_backend.h"

namespace varve {

struct AdminRequest {
  std::string name;  // what the pattern captured of the path, decoded
  std::map<std::string, std::string> query;
  std::string body;

  std::string parameter(const std::string& key) const {
    const auto found = query.find(key);
    return found == query.end() ? std::string() : found->second;
  }
};

struct AdminReply {
  int status = 200;  // of HTTP
  std::string body;
  const char* content_type = "application/json";
};

struct AdminRoute {
  const char* method;
  const char* path;     // as in docs/openapi.yaml
  const char* pattern;  // the same as a regular expression, with at most one capture
  AdminReply (*answer)(AdminBackend& backend, const AdminRequest& request);
};

std::span<const AdminRoute> admin_routes();

AdminReply error_reply(const Status& status);  // admin_json.cc

}  // namespace varve
