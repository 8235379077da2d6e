#include "core/daemon/arguments.h"

#include "core/base/text.h"
#include "core/config/node_config.h"

namespace varve {
namespace {

Status wrong(const std::string& why) {
  return {ErrorCode::kInvalidArgument, text(why, "; see varved --help")};
}

}  // namespace

Result<DaemonArguments> parse_daemon_arguments(std::span<const std::string_view> words) {
  using Action = DaemonArguments::Action;
  DaemonArguments arguments;
  arguments.config_path = kDefaultConfigPath;
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t equals = words[i].find('=');
    const std::string_view word = words[i].substr(0, equals);
    const bool takes_file = word == "--config" || word == "--describe-plugin";
    std::string_view file;
    if (takes_file && equals != std::string_view::npos) {
      file = words[i].substr(equals + 1);
    } else if (takes_file && i + 1 < words.size()) {
      file = words[++i];
    }
    if (takes_file && file.empty()) return wrong(text(word, " needs a FILE"));
    if (word == "--config") {
      arguments.config_path = file;
    } else if (word == "--describe-plugin") {
      arguments.action = Action::kDescribePlugin;
      arguments.plugin_path = file;
    } else if (words[i] == "--check") {
      arguments.action = Action::kCheck;
    } else if (words[i] == "--help" || words[i] == "-h") {
      arguments.action = Action::kHelp;
      return arguments;
    } else if (words[i] == "--version") {
      arguments.action = Action::kVersion;
      return arguments;
    } else {
      return wrong(text("unknown argument \"", words[i], "\""));
    }
  }
  return arguments;
}

std::string_view daemon_help() {
  return "varved serves the volumes of one node.\n"
         "\n"
         "  varved [--config FILE]           serve until SIGTERM or SIGINT\n"
         "  varved [--config FILE] --check   check the config and the plugins' options, then end\n"
         "  varved --describe-plugin FILE    say what a plugin is and which options it has\n"
         "  varved --version | --help\n"
         "\n"
         "FILE defaults to /etc/varve/node.toml; conf/node.toml explains every key.\n"
         "Exit: 0 stopped cleanly or all is well, 1 could not serve, 2 bad config or arguments.\n";
}

}  // namespace varve
