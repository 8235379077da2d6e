// What the host gives to every plugin, and how it takes a plugin's words and codes.
//
// Thread rule: only the plugin's log calls may come from other threads.
// Ownership: the library must outlive the host table.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/base/error.h"
#include "core/config/node_config.h"
#include "core/plugin/plugin_library.h"

namespace varve {

// A table whose log lines carry the plugin's name. Must stay where it is while the plugin lives.
varve_host plugin_host(const PluginLibrary& library);

// Options as they cross the ABI; they point into `options`.
std::vector<varve_option> plugin_options(std::span<const ServiceOption> options);

// Room for a plugin's explanation, which may lack its final NUL.
struct PluginWords {
  std::array<char, 512> bytes{};
  uint32_t room() const { return static_cast<uint32_t>(bytes.size()); }
  std::string text_or(std::string_view otherwise) const;
};

// The code of a set-up call that failed.
ErrorCode plugin_error(int32_t result);

// What calls that make something, or begin it, have answered.
Status instance_made(int32_t result, const void* instance, const PluginWords& why);
Status context_made(int32_t result, const void* context);
Status plugin_started(int32_t result, const PluginWords& why);
// kInvalidArgument: it is not open. -1 is fine: there is nothing to wait for.
Status check_wait_fd(int wait_fd);

// A kind's instance_create. `*instance` stays as it is after an error.
template <typename Instance>
Status make_instance(int32_t (*instance_create)(const varve_host*, const varve_option*, uint32_t,
                                                Instance**, char*, uint32_t),
                     const varve_host& host, std::span<const ServiceOption> options,
                     Instance** instance) {
  const std::vector<varve_option> table = plugin_options(options);
  PluginWords why;
  Instance* made = nullptr;
  const int32_t result = instance_create(&host, table.data(), static_cast<uint32_t>(table.size()),
                                         &made, why.bytes.data(), why.room());
  Status status = instance_made(result, made, why);
  if (status.ok()) *instance = made;
  return status;
}

}  // namespace varve
