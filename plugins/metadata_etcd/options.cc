#include "plugins/metadata_etcd/options.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <string_view>

#include "plugins/metadata_etcd/limits.h"
#include "plugins/sdk/host.h"

namespace varve {
namespace {

constexpr std::string_view kUrlGrammar = "\"http://HOST:PORT\" or \"https://HOST:PORT\"";

bool host_good(std::string_view host) {
  if (host.starts_with('[')) {
    return host.ends_with(']') && host.size() > 2 &&
           host.find_first_not_of("0123456789abcdefABCDEF:.%", 1) == host.size() - 1;
  }
  constexpr std::string_view kLetters =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_";
  return !host.empty() && host.find_first_not_of(kLetters) == std::string_view::npos;
}

bool address_good(std::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || !host_good(address.substr(0, colon))) return false;
  const std::string_view port = address.substr(colon + 1);
  uint32_t number = 0;
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
  return error == std::errc() && end == port.data() + port.size() && number > 0 && number < 65536;
}

std::string add_endpoint(std::string_view url, EtcdOptions& options) {
  constexpr std::string_view kPlain = "http://", kEncrypted = "https://";
  const bool encrypted = url.starts_with(kEncrypted);
  std::string_view address = url;
  if (encrypted || url.starts_with(kPlain)) {
    address.remove_prefix(encrypted ? kEncrypted.size() : kPlain.size());
  }
  if (address.ends_with('/')) address.remove_suffix(1);
  if (address.size() == url.size() || !address_good(address)) {
    return join({"endpoints: \"", url, "\" is not ", kUrlGrammar});
  }
  if (!options.endpoints.empty() && options.encrypted != encrypted) {
    return "endpoints: all of them begin with http://, or all with https://";
  }
  options.encrypted = encrypted;
  for (const EtcdOptions::Endpoint& other : options.endpoints) {
    if (other.address == address) return join({"endpoints: \"", url, "\" is given twice"});
  }
  options.endpoints.push_back({std::string(url), std::string(address)});
  return {};
}

std::string check_prefix(std::string_view prefix) {
  if (prefix.size() >= 3 && prefix.size() <= kPrefixBytesMax && prefix.starts_with('/') &&
      prefix.ends_with('/')) {
    return {};
  }
  return join({"prefix: \"", prefix, "\" must begin and end with \"/\" and have 3 to 256 bytes"});
}

std::string check_together(const EtcdOptions& options) {
  if (options.endpoints.empty()) {
    return join({"endpoints: is missing; give a list of ", kUrlGrammar});
  }
  if (options.cert_file.empty() != options.key_file.empty()) {
    return "cert_file and key_file: give both or neither";
  }
  if (options.user.empty() != options.password_file.empty()) {
    return "user and password_file: give both or neither";
  }
  if (!options.encrypted && !(options.ca_file.empty() && options.cert_file.empty())) {
    return "ca_file and cert_file need endpoints that begin with https://";
  }
  return {};
}

// One of the keys with one value. `known` false: none of these.
std::string set_text(std::string_view key, std::string_view value, EtcdOptions& options,
                     bool& known) {
  struct Known {
    std::string_view key;
    std::string* into;
  };
  for (const Known& one :
       {Known{"ca_file", &options.ca_file}, Known{"cert_file", &options.cert_file},
        Known{"key_file", &options.key_file}, Known{"user", &options.user},
        Known{"password_file", &options.password_file}, Known{"prefix", &options.prefix}}) {
    if (one.key != key) continue;
    known = true;
    if (value.empty()) return join({key, ": is empty"});
    if (key.ends_with("_file") && !value.starts_with('/')) {
      return join({key, ": \"", value, "\" is not the absolute path of a file"});
    }
    *one.into = value;
    return key == "prefix" ? check_prefix(value) : "";
  }
  known = false;
  return {};
}

}  // namespace

std::string parse_options(std::span<const varve_option> given, EtcdOptions& options) {
  options = EtcdOptions();
  std::vector<std::string_view> seen;
  for (const varve_option& option : given) {
    const std::string_view key = option.key, value = option.value;
    if (key == "endpoints") {
      std::string wrong = add_endpoint(value, options);
      if (!wrong.empty()) return wrong;
      continue;
    }
    bool known = false;
    std::string wrong = set_text(key, value, options, known);
    if (!known) {
      return join({key,
                   ": unknown option; known are endpoints, prefix, ca_file, cert_file, key_file, "
                   "user, password_file"});
    }
    if (!wrong.empty()) return wrong;
    if (std::find(seen.begin(), seen.end(), key) != seen.end()) return join({key, ": given twice"});
    seen.push_back(key);
  }
  return check_together(options);
}

std::string read_secret(const std::string& path, std::string& content) {
  errno = 0;
  std::ifstream stream(path, std::ios::binary);
  content.resize(kFileBytesMax + 1);
  stream.read(content.data(), static_cast<std::streamsize>(content.size()));
  content.resize(static_cast<size_t>(stream.gcount()));
  if (content.size() > kFileBytesMax) return join({path, ": is larger than 1 MiB"});
  if (!stream.eof()) {
    const int code = errno;
    return join({path, ": cannot be read: ", code == 0 ? "it is no file" : strerror(code)});
  }
  return content.empty() ? join({path, ": is empty"}) : "";
}

}  // namespace varve
