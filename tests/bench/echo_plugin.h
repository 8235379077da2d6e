// A transport's plugin as one end of the echo. It is called through its table, and driven by the
// daemon's own loop.
//
// Thread rule: one thread.
#pragma once

#include <memory>
#include <string>

#include "core/plugin/plugin_library.h"
#include "tests/bench/echo.h"

namespace varve {

// One context, and the instance that it belongs to.
class EchoContext {
 public:
  // With the node's certificate in the folder `tls_files`, unless that is empty.
  EchoContext(const std::string& plugin, const std::string& tls_files);
  EchoContext(const EchoContext&) = delete;
  EchoContext& operator=(const EchoContext&) = delete;
  ~EchoContext();

  const PluginLibrary& library() const { return *library_; }
  const varve_host& host() const { return host_; }
  const varve_transport& table() const { return library_->transport(); }
  varve_transport_context* get() { return context_; }

 private:
  std::unique_ptr<PluginLibrary> library_;
  varve_host host_;
  varve_transport_instance* instance_ = nullptr;
  varve_transport_context* context_ = nullptr;
};

void serve_by_plugin(const EchoOptions& options);
void request_by_plugin(const EchoOptions& options);

// Prints what a call costs through the table of the TCP plugin, and what the same function costs
// when it is a part of this program.
void measure_abi(const std::string& plugin);

}  // namespace varve
