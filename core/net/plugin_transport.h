// PluginTransport: a transport plugin as core sees transports. The checks of what the plugin does
// are TransportPlugin's; when it broke its contract, what was open is reported closed, once, and
// every later call answers kClosed.
//
// Thread rule: one shard's thread; a Poller of its loop from add_poller to remove_poller.
// Ownership: borrows the library and the sink. Destroying it closes everything without a word.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <unordered_map>

#include "core/net/transport.h"
#include "core/plugin/transport_plugin.h"
#include "core/runtime/uring_loop.h"

namespace varve {

class PluginTransport final : public Transport, public Poller {
 public:
  // The message of an error is the plugin's own sentence.
  static Result<std::unique_ptr<PluginTransport>> create(const PluginLibrary& library,
                                                         std::span<const ServiceOption> options,
                                                         uint32_t shard_index);

  void set_sink(TransportSink& sink) override { sink_ = &sink; }
  Result<std::string> listen(const std::string& address) override {
    return plugin_->listen(address);
  }
  Status connect(const std::string& address, uint64_t op_id) override {
    return plugin_->connect(address, op_id);
  }
  void disconnect(ConnectionId connection) override { plugin_->disconnect(connection); }
  std::string peer_name(ConnectionId connection) const override {
    const auto found = names_.find(connection);
    return found == names_.end() ? std::string() : found->second;
  }
  Status register_memory(std::span<std::byte> arena) override {
    return plugin_->register_memory(arena);
  }
  Status post_receive(std::span<std::byte> buffer, uint64_t op_id) override {
    return plugin_->post_receive(buffer, op_id);
  }
  Status send(ConnectionId connection, std::span<const std::byte> header,
              std::span<const std::span<const std::byte>> slices, uint64_t op_id) override {
    return plugin_->send(connection, header, slices, op_id);
  }

  size_t poll() override;
  bool arm() override { return plugin_->arm(); }
  int wait_fd() override { return plugin_->wait_fd(); }

  // Why the plugin is not trusted any more; empty while it is.
  const std::string& broken_why() const { return plugin_->broken_why(); }

 private:
  explicit PluginTransport(std::unique_ptr<TransportPlugin> plugin);
  void tell(const varve_transport_event& event);
  void note_name(const varve_transport_event& event);

  std::unique_ptr<TransportPlugin> plugin_;
  TransportSink* sink_ = nullptr;
  std::unordered_map<ConnectionId, std::string> names_;  // that peers have proven
};

}  // namespace varve
