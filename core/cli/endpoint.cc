#include "core/cli/endpoint.h"

#include <string_view>

#include "core/base/text.h"
#include "core/config/node_config.h"
#include "plugins/tls/token.h"

namespace varve {
namespace {

// The paths that count, and where to.
struct Wish {
  ListenAddress address;
  bool tls = false;
  TlsFiles files;
  std::string token_file;
};

Status bad_endpoint(std::string why) {
  return {ErrorCode::kInvalidArgument, std::move(why)};
}

Result<Wish> wish_of_config(const Command& command) {
  const std::string path = command.config_path.empty() ? kDefaultConfigPath : command.config_path;
  const Result<std::string> content = read_config_file(path);
  if (!content.ok()) {
    const bool default_is_absent =
        command.config_path.empty() && content.code() == ErrorCode::kNotFound;
    if (default_is_absent) return Wish{.address = NodeConfig().admin};
    return content.status();
  }
  const ConfigReading reading = read_node_config(*content);
  if (!reading.errors.empty()) {
    std::string lines = "the config has errors; --endpoint works without it";
    for (const ConfigError& error : reading.errors)
      lines += text("\n", config_error_text(path, error));
    return bad_endpoint(lines);
  }
  const NodeConfig& config = reading.config;
  Wish wish{.address = config.admin, .tls = config.admin_speaks_tls()};
  // Any address of this machine: one that a certificate names.
  if (wish.address.host == "0.0.0.0") wish.address.host = "127.0.0.1";
  if (wish.address.host == "::") wish.address.host = "::1";
  if (wish.tls) wish.files.ca = config.tls.ca_file;
  wish.token_file = config.admin_token_file;
  return wish;
}

Result<Wish> wish_of_url(const Command& command) {
  std::string_view words = command.endpoint;
  constexpr std::string_view kHttp = "http://";
  constexpr std::string_view kHttps = "https://";
  Wish wish;
  wish.tls = words.starts_with(kHttps);
  if (wish.tls) words.remove_prefix(kHttps.size());
  if (words.starts_with(kHttp)) words.remove_prefix(kHttp.size());
  if (words.ends_with('/')) words.remove_suffix(1);
  const auto address = parse_listen_address(words);
  if (!address || (wish.tls && address->is_unix())) {
    return bad_endpoint(text("--endpoint: \"", command.endpoint,
                             "\" is not https://HOST:PORT, http://HOST:PORT or unix:/PATH"));
  }
  wish.address = *address;
  return wish;
}

}  // namespace

Result<Endpoint> endpoint_of(const Command& command) {
  Result<Wish> wish = command.endpoint.empty() ? wish_of_config(command) : wish_of_url(command);
  if (!wish.ok()) return wish.status();
  if (!command.ca_file.empty()) wish->files.ca = command.ca_file;
  wish->files.cert = command.cert_file;
  wish->files.key = command.key_file;
  if (!command.token_file.empty()) wish->token_file = command.token_file;
  if (!command.cert_file.empty()) wish->token_file.clear();
  Endpoint endpoint{.address = wish->address, .credentials = nullptr, .token = {}};
  if (wish->address.is_unix()) return endpoint;  // its file's rights count, and nothing else
  if (!wish->tls && !command.cert_file.empty())
    return bad_endpoint(
        "--cert: a certificate is shown over TLS only: --endpoint https://HOST:PORT");
  if (!wish->tls && !command.token_file.empty() && !wish->address.is_local())
    return bad_endpoint(
        "--token-file: the token would cross the network in the clear: "
        "--endpoint https://HOST:PORT");
  std::string wrong;
  if (!wish->token_file.empty()) wrong = read_token(wish->token_file, endpoint.token);
  if (!wrong.empty()) return bad_endpoint(wrong);
  if (!wish->tls) return endpoint;
  if (wish->files.ca.empty())
    return bad_endpoint("https needs --ca FILE, the authority of the cluster: ca-cert.pem");
  if (wish->files.configured())
    wrong = TlsCredentials::load(wish->files, endpoint.credentials);
  else
    wrong = TlsCredentials::load_trust(wish->files.ca, endpoint.credentials);
  if (!wrong.empty()) return bad_endpoint(wrong);
  if (!wish->files.configured() && endpoint.token.empty())
    return bad_endpoint(
        "this varved wants to know who asks: --cert FILE --key FILE of an admin "
        "(varve cert issue admin), or --token-file FILE");
  return endpoint;
}

}  // namespace varve
