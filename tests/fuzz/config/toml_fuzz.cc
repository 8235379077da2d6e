// A config of arbitrary bytes: errors with a place, or a config that is as strict as it claims.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "core/config/node_config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace varve;
  const std::string_view toml(reinterpret_cast<const char*>(data), size);
  const ConfigReading reading = read_node_config(toml);
  for (const ConfigError& error : reading.errors) {
    if (error.message.empty() || config_error_text("f", error).size() < 4) std::abort();
  }
  if (!reading.errors.empty()) return 0;
  if (reading.config.disk_groups.empty()) std::abort();
  for (const DiskGroupConfig& group : reading.config.disk_groups) {
    if (group.name.empty() || !group.path.starts_with('/')) std::abort();
  }
  if (reading.config.metadata.has_value() == reading.config.transports.empty()) std::abort();
  for (const varve::TransportConfig& transport : reading.config.transports)
    if (transport.plugin.empty() || transport.name.empty()) std::abort();
  const auto again = parse_listen_address(reading.config.admin.to_text());
  if (!again || again->to_text() != reading.config.admin.to_text()) std::abort();
  return 0;
}
