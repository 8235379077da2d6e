#include "core/plugin/service_plugin.h"

#include <fcntl.h>

#include <array>
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

// Room for a plugin's explanation, which may lack its final NUL.
struct Why {
  std::array<char, 512> bytes{};
  uint32_t room() const { return static_cast<uint32_t>(bytes.size()); }
  std::string text_or(std::string_view otherwise) const {
    std::string words = one_line(bytes.data(), bytes.size());
    return words.empty() ? std::string(otherwise) : words;
  }
};

ErrorCode code_of(int32_t result) {
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

}  // namespace

ServicePlugin::ServicePlugin(const PluginLibrary& library) : library_(library) {
  host_.struct_size = sizeof(host_);
  host_.abi_major = VARVE_ABI_MAJOR;
  host_.abi_minor = VARVE_ABI_MINOR;
  host_.host = const_cast<PluginLibrary*>(&library);
  host_.log = log_for_plugin;
}

ServicePlugin::~ServicePlugin() {
  // A plugin that broke the contract may still use what it holds: nothing of it is taken away.
  if (!broken_why_.empty()) return;
  if (context_ != nullptr) {
    VARVE_CHECK(stopped_);
    library_.service().context_destroy(context_);
  }
  if (instance_ != nullptr) library_.service().instance_destroy(instance_);
}

Result<std::unique_ptr<ServicePlugin>> ServicePlugin::create(
    const PluginLibrary& library, std::span<const ServiceOption> options) {
  std::unique_ptr<ServicePlugin> plugin(new ServicePlugin(library));
  std::vector<varve_option> table;
  for (const ServiceOption& option : options) {
    table.push_back({option.key.c_str(), option.value.c_str()});
  }
  Why why;
  const int32_t result = library.service().instance_create(
      &plugin->host_, table.data(), static_cast<uint32_t>(table.size()), &plugin->instance_,
      why.bytes.data(), why.room());
  if (result < 0) {
    plugin->instance_ = nullptr;
    return Status(code_of(result),
                  why.text_or(text("refused its options without saying why (", result, ")")));
  }
  if (plugin->instance_ == nullptr) {
    return Status(ErrorCode::kInvalidArgument, "instance_create succeeded but made no instance");
  }
  return plugin;
}

Status ServicePlugin::start(const varve_service_host& host, void* host_context,
                            std::function<void()> broken) {
  VARVE_CHECK(context_ == nullptr);
  const varve_service& service = library_.service();
  varve_service_context* context = nullptr;
  int32_t result = service.context_create(instance_, &host, host_context, 0, &context);
  if (result < 0) return {code_of(result), text("context_create failed (", result, ")")};
  if (context == nullptr) {
    return {ErrorCode::kInvalidArgument, "context_create succeeded but made no context"};
  }
  Why why;
  result = service.start(context, why.bytes.data(), why.room());
  if (result < 0) {
    service.context_destroy(context);
    return {code_of(result),
            why.text_or(text("could not start, without saying why (", result, ")"))};
  }
  context_ = context;
  broken_ = std::move(broken);
  wait_fd_ = service.wait_fd(context_);
  if (wait_fd_ >= 0 && fcntl(wait_fd_, F_GETFD) < 0) {
    const std::string message = text("wait_fd returned ", wait_fd_, ", which is not open");
    wait_fd_ = -1;
    abandon(message);
    return {ErrorCode::kInvalidArgument, message};
  }
  return {};
}

size_t ServicePlugin::poll() {
  if (context_ == nullptr || !broken_why_.empty()) return 0;
  const int32_t done = library_.service().poll(context_);
  if (done >= 0) return static_cast<size_t>(done);
  abandon(text("poll returned ", done, "; it must return 0 or how much it did"));
  return 0;
}

bool ServicePlugin::arm() {
  if (context_ == nullptr || !broken_why_.empty()) return false;
  const int32_t pending = library_.service().arm(context_);
  if (pending == 0 || pending == 1) return pending == 1;
  abandon(text("arm returned ", pending, "; it must return 0 or 1"));
  return false;
}

void ServicePlugin::stop() {
  if (context_ == nullptr || stopping_ || !broken_why_.empty()) return;
  stopping_ = true;
  library_.service().stop(context_);
}

bool ServicePlugin::stopped() {
  if (context_ == nullptr || stopped_ || !broken_why_.empty()) return true;
  if (!stopping_) return false;
  const int32_t answer = library_.service().stopped(context_);
  if (answer != 0 && answer != 1) {
    abandon(text("stopped returned ", answer, "; it must return 0 or 1"));
    return true;
  }
  stopped_ = answer == 1;
  return stopped_;
}

void ServicePlugin::abandon(std::string why) {
  if (!broken_why_.empty()) return;
  log_error(library_.name(), text("the plugin broke its contract and is stopped: ", why));
  broken_why_ = std::move(why);
  if (!stopping_) library_.service().stop(context_);
  stopping_ = true;
  if (broken_) broken_();
}

}  // namespace varve
