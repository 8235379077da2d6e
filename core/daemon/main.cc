// varved: reads the config, then gives the loop to one Node.
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include <algorithm>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/log.h"
#include "core/base/text.h"
#include "core/config/node_config.h"
#include "core/crypto/key_ring.h"
#include "core/daemon/admin_server.h"
#include "core/daemon/arguments.h"
#include "core/daemon/cluster_member.h"
#include "core/daemon/node.h"
#include "core/daemon/same_device.h"
#include "core/daemon/service.h"
#include "core/daemon/signals.h"
#include "core/daemon/tls.h"
#include "core/plugin/plugin_library.h"
#include "core/runtime/uring_loop.h"
#include "plugins/tls/credentials.h"

namespace varve {
namespace {

constexpr int kExitClean = 0;
constexpr int kExitFailed = 1;
constexpr int kExitBadConfig = 2;

void print(std::FILE* stream, std::string_view words) {
  std::fwrite(words.data(), 1, words.size(), stream);
}

struct CheckedConfig {
  NodeConfig config;
  std::vector<std::unique_ptr<Service>> services;
  std::unique_ptr<ClusterMember> cluster;
  std::optional<KeyRing> keys;
  std::unique_ptr<AdminGate> gate = std::make_unique<AdminGate>();
};

// What this process holds from here on is for nobody else: it leaves no core and cannot be traced.
// Key bytes stay out of dumps by themselves, but not their expansion in ciphers, nor clients' data.
void keep_memory_secret() {
  const rlimit none{0, 0};
  setrlimit(RLIMIT_CORE, &none);
  prctl(PR_SET_DUMPABLE, 0);
}

void load_keys(CheckedConfig& checked, std::vector<ConfigError>& errors) {
  if (checked.config.key_file.empty()) return;
  keep_memory_secret();
  Result<KeyRing> keys = KeyRing::read(checked.config.key_file);
  if (keys.ok())
    checked.keys.emplace(std::move(*keys));
  else
    errors.push_back({checked.config.key_file_place, "encryption.key_file",
                      std::string(keys.status().message())});
}

// The certificate must be that of this node: other nodes know it by its name.
void check_tls(CheckedConfig& checked, std::vector<ConfigError>& errors) {
  const NodeConfig& config = checked.config;
  if (config.tls.configured() || !config.admin_token_file.empty()) keep_memory_secret();
  if (config.tls.configured()) {
    std::shared_ptr<const TlsCredentials> credentials;
    std::string wrong = TlsCredentials::load(tls_files(config.tls), credentials);
    if (wrong.empty()) wrong = tls_not_of_node(credentials->self(), node_name(config));
    if (!wrong.empty()) return errors.push_back({config.tls.place, "tls", wrong});
  }
  if (const Status opened = checked.gate->open(config); !opened.ok())
    errors.push_back({{}, "node.admin_token_file", std::string(opened.message())});
}

// Nothing when the config is bad; the errors have then been printed, all of them. `exit_code` says
// whether the machine may be to blame, as with an address that it does not have yet.
std::unique_ptr<CheckedConfig> load_config(const std::string& path, int& exit_code) {
  exit_code = kExitBadConfig;
  const Result<std::string> content = read_config_file(path);
  if (!content.ok()) {
    print(stderr, text(content.status().message(), "\n"));
    return nullptr;
  }
  ConfigReading reading = read_node_config(*content);
  auto checked = std::make_unique<CheckedConfig>();
  checked->config = std::move(reading.config);
  if (reading.errors.empty()) check_same_devices(checked->config, reading.errors);
  if (reading.errors.empty()) check_tls(*checked, reading.errors);
  if (reading.errors.empty()) {
    for (const ServiceConfig& config : checked->config.services) {
      auto service = Service::load(plugin_directory(), config, checked->config.tls);
      if (service.ok()) {
        checked->services.push_back(std::move(*service));
      } else {
        reading.errors.push_back({config.place, text("service ", config.plugin),
                                  std::string(service.status().message())});
      }
    }
  }
  if (reading.errors.empty()) load_keys(*checked, reading.errors);
  if (reading.errors.empty() && checked->config.metadata) {
    checked->cluster =
        ClusterMember::load(plugin_directory(), checked->config, VARVE_VERSION, reading.errors);
  }
  for (const ConfigError& error : reading.errors) {
    print(stderr, text(config_error_text(path, error), "\n"));
  }
  if (std::all_of(reading.errors.begin(), reading.errors.end(),
                  [](const ConfigError& error) { return error.may_pass; }))
    exit_code = kExitFailed;
  return reading.errors.empty() ? std::move(checked) : nullptr;
}

int describe_plugin(const std::string& path) {
  const auto library = PluginLibrary::open(std::filesystem::absolute(path).string());
  if (!library.ok()) {
    print(stderr, text(library.status().message(), "\n"));
    return kExitFailed;
  }
  print(stdout, (*library)->describe());
  return kExitClean;
}

int fail(const Status& status) {
  log_error("node", status.message());
  return kExitFailed;
}

int serve(CheckedConfig checked) {
  log_set_level(checked.config.log_level);
  log_info("node", text("varved ", VARVE_VERSION, " starts, process ", getpid()));
  auto loop = UringLoop::create();
  if (!loop.ok()) return fail(loop.status());
  auto node = std::make_unique<Node>(**loop, checked.config, std::move(checked.services),
                                     std::move(checked.cluster), std::move(checked.keys));
  ShardBackend backend(**loop, *node, *checked.gate);
  const SignalThread signals(**loop, [&node] { node->stop(); }, [&node] { node->stop_deadline(); });
  auto admin = AdminServer::start(checked.config.admin, backend, *checked.gate);
  if (!admin.ok()) return fail(admin.status());
  log_info("admin", text("listening on ", checked.config.admin.to_text(),
                         checked.config.admin_speaks_tls()
                             ? " with TLS: for who has a certificate of an admin or a monitor, or "
                               "the token of admin_token_file; docs/security.md"
                             : ""));
  const Status status = (*loop)->run(node->run([&admin] { (*admin)->stop(); }));
  if (node->work_left()) {
    log_warn("node", "a file was being made for varve disk add; it is left unfinished");
    std::_Exit(status.ok() ? kExitClean : kExitFailed);
  }
  return status.ok() ? kExitClean : fail(status);
}

int run(const DaemonArguments& arguments) {
  using Action = DaemonArguments::Action;
  switch (arguments.action) {
    case Action::kHelp:
      print(stdout, daemon_help());
      return kExitClean;
    case Action::kVersion:
      print(stdout, text("varved ", VARVE_VERSION, "\n"));
      return kExitClean;
    case Action::kDescribePlugin:
      return describe_plugin(arguments.plugin_path);
    case Action::kCheck: {
      int ignored = 0;
      const auto checked = load_config(arguments.config_path, ignored);
      if (checked == nullptr) return kExitBadConfig;
      if (checked->cluster) print(stdout, checked->cluster->transports_found());
      print(stdout, text(arguments.config_path, ": ok\n"));
      return kExitClean;
    }
    case Action::kServe: {
      int exit_code = 0;
      auto checked = load_config(arguments.config_path, exit_code);
      return checked ? serve(std::move(*checked)) : exit_code;
    }
  }
  return kExitFailed;
}

}  // namespace
}  // namespace varve

int main(int count, char** words) {
  const std::vector<std::string_view> given(words + (count > 0 ? 1 : 0), words + count);
  const auto arguments = varve::parse_daemon_arguments(given);
  if (!arguments.ok()) {
    varve::print(stderr, varve::text("varved: ", arguments.status().message(), "\n"));
    return varve::kExitBadConfig;
  }
  return varve::run(*arguments);
}
