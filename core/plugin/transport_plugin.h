// TransportPlugin: one running transport (an instance and its one context on this shard) behind
// checks.
//
// Every answer and event of the plugin is checked against the contract in plugins/abi/transport.h.
// One that the contract does not know means that the plugin's state cannot be trusted: it is
// logged, and the plugin is not called again. What it holds then stays until the process ends. The
// calls that it still owed an answer end with VARVE_E_CLOSED, then its connections.
//
// Thread rule: one shard's thread; only the plugin's log calls may come from others.
// Ownership: borrows the library. The memory of sends and of receive buffers is the caller's.
// Errors: after the contract was broken every call answers kClosed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "core/plugin/plugin_library.h"
#include "core/plugin/transport_ops.h"
#include "plugins/abi/transport.h"

namespace varve {

// The code for a VARVE_E_... of an event or a call.
ErrorCode transport_error(int32_t result);

class TransportPlugin {
 public:
  // Makes the instance, which checks the options, and the context; opens nothing yet.
  static Result<std::unique_ptr<TransportPlugin>> create(const PluginLibrary& library,
                                                         std::span<const ServiceOption> options,
                                                         uint32_t shard_index);
  ~TransportPlugin();
  TransportPlugin(const TransportPlugin&) = delete;
  TransportPlugin& operator=(const TransportPlugin&) = delete;

  // The address that peers can connect to.
  Result<std::string> listen(const std::string& address);
  Status connect(const std::string& address, uint64_t op_id);
  void disconnect(uint64_t connection);
  Status register_memory(std::span<std::byte> arena);
  // The buffer lies in registered memory.
  Status post_receive(std::span<std::byte> buffer, uint64_t op_id);
  // Slices may lie anywhere.
  Status send(uint64_t connection, std::span<const std::byte> header,
              std::span<const std::span<const std::byte>> slices, uint64_t op_id);

  // What has happened, with the caller's op ids; valid until the next poll().
  std::span<const varve_transport_event> poll();
  bool arm();
  int wait_fd() const { return broken() ? -1 : wait_fd_; }

  std::string_view name() const { return library_.name(); }
  // Why the plugin is not trusted any more; empty while it is.
  const std::string& broken_why() const { return broken_why_; }
  bool broken() const { return !broken_why_.empty(); }

 private:
  static constexpr uint32_t kEventBatch = 64;
  struct Arena {
    std::span<std::byte> bytes;
    uint64_t memory;
  };
  struct Connection {
    uint32_t send_count = 0;  // on their way
    bool refused = false;     // a send was, so that WRITABLE is owed
  };

  explicit TransportPlugin(const PluginLibrary& library);
  const varve_transport& table() const { return library_.transport(); }
  Status start(std::span<const ServiceOption> options, uint32_t shard_index);
  // Its memory is 0 outside the registered arenas.
  varve_slice slice_of(std::span<const std::byte> bytes) const;
  Status accepted(uint64_t number, int32_t result, const char* call);
  // These take an event in, with the caller's op id; what is wrong with it, or empty.
  std::string check(varve_transport_event& event);
  std::string check_connected(varve_transport_event& event);
  std::string check_accepted(const varve_transport_event& event);
  std::string check_received(varve_transport_event& event);
  std::string check_done(varve_transport_event& event);
  std::string check_closed(const varve_transport_event& event);
  std::string check_writable(const varve_transport_event& event);
  void abandon(std::string why);

  const PluginLibrary& library_;
  varve_host host_;
  varve_transport_instance* instance_ = nullptr;
  varve_transport_context* context_ = nullptr;
  int wait_fd_ = -1;
  std::vector<Arena> arenas_;
  TransportOps ops_;
  std::unordered_map<uint64_t, Connection> connections_;
  std::vector<varve_transport_event> events_;
  std::vector<varve_transport_event> endings_;  // of all that a broken plugin still owed
  std::string broken_why_;
};

}  // namespace varve
