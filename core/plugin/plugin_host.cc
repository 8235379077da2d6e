#include "core/plugin/plugin_host.h"

#include <fcntl.h>

#include <cstring>

#include "core/base/log.h"
#include "core/base/text.h"

namespace varve {
namespace {

constexpr size_t kLogBytesMax = 1024;

// A plugin's words, made fit for one line of a log.
std::string one_line(const char* words, size_t bytes_max) {
  std::string line(words, strnlen(words, bytes_max));
  for (char& letter : line) {
    if (static_cast<unsigned char>(letter) < ' ' || letter == '\x7f') letter = ' ';
  }
  return line;
}

void log_for_plugin(void* host, uint32_t level, const char* words) {
  const auto* library = static_cast<const PluginLibrary*>(host);
  const LogLevel known = level <= VARVE_LOG_ERROR ? static_cast<LogLevel>(level) : LogLevel::kError;
  log_line(known, library->name(), words ? one_line(words, kLogBytesMax) : "(no text)");
}
static_assert(static_cast<uint32_t>(LogLevel::kDebug) == VARVE_LOG_DEBUG);
static_assert(static_cast<uint32_t>(LogLevel::kError) == VARVE_LOG_ERROR);

}  // namespace

varve_host plugin_host(const PluginLibrary& library) {
  varve_host host{};
  host.struct_size = sizeof(host);
  host.abi_major = VARVE_ABI_MAJOR;
  host.abi_minor = VARVE_ABI_MINOR;
  host.host = const_cast<PluginLibrary*>(&library);
  host.log = log_for_plugin;
  const TlsConfig& tls = library.tls();
  if (tls.configured()) {
    host.tls_ca_file = tls.ca_file.c_str();
    host.tls_cert_file = tls.cert_file.c_str();
    host.tls_key_file = tls.key_file.c_str();
  }
  return host;
}

std::vector<varve_option> plugin_options(std::span<const ServiceOption> options) {
  std::vector<varve_option> table;
  table.reserve(options.size());
  for (const ServiceOption& option : options) {
    table.push_back({option.key.c_str(), option.value.c_str()});
  }
  return table;
}

std::string PluginWords::text_or(std::string_view otherwise) const {
  std::string words = one_line(bytes.data(), bytes.size());
  return words.empty() ? std::string(otherwise) : words;
}

ErrorCode plugin_error(int32_t result) {
  switch (result) {
    case VARVE_E_NOT_FOUND:
      return ErrorCode::kNotFound;
    case VARVE_E_BUSY:
      return ErrorCode::kBusy;
    case VARVE_E_UNSUPPORTED:
      return ErrorCode::kUnsupported;
    case VARVE_E_IO:
      return ErrorCode::kIoError;
    default:
      return ErrorCode::kInvalidArgument;
  }
}

Status instance_made(int32_t result, const void* instance, const PluginWords& why) {
  if (result < 0)
    return {plugin_error(result),
            why.text_or(text("refused its options without saying why (", result, ")"))};
  if (instance != nullptr) return {};
  return {ErrorCode::kInvalidArgument, "instance_create succeeded but made no instance"};
}

Status context_made(int32_t result, const void* context) {
  if (result < 0) return {plugin_error(result), text("context_create failed (", result, ")")};
  if (context != nullptr) return {};
  return {ErrorCode::kInvalidArgument, "context_create succeeded but made no context"};
}

Status plugin_started(int32_t result, const PluginWords& why) {
  if (result >= 0) return {};
  return {plugin_error(result),
          why.text_or(text("could not start, without saying why (", result, ")"))};
}

Status check_wait_fd(int wait_fd) {
  if (wait_fd < 0 || fcntl(wait_fd, F_GETFD) >= 0) return {};
  return {ErrorCode::kInvalidArgument, text("wait_fd returned ", wait_fd, ", which is not open")};
}

}  // namespace varve
