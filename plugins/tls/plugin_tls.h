// What plugins that speak TLS share: where their credentials come from, and log lines that
// strangers cannot make many of.
//
// Thread rule: make_tls_instance as instance_create; PluginTls any thread; LogLimiter one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "plugins/sdk/host.h"
#include "plugins/tls/line_limiter.h"
#include "plugins/tls/source.h"

namespace varve {

// The node's TLS files, if the operator has given some and has not asked for plain text.
class PluginTls {
 public:
  std::string open(const varve_host* host) {
    const varve_host known = copy_table(host);
    if (known.tls_cert_file == nullptr) return {};
    return source_.open({known.tls_ca_file, known.tls_cert_file, known.tls_key_file});
  }
  bool configured() const { return source_.configured(); }
  // The newest; null without TLS.
  std::shared_ptr<const TlsCredentials> current(uint64_t now_ms, const HostLog& log) {
    TlsSource::Current current = source_.current(static_cast<int64_t>(now_ms));
    if (!current.news.empty() && current.bad) log.warn(current.news);
    if (!current.news.empty() && !current.bad) log.info(current.news);
    return std::move(current.credentials);
  }

 private:
  TlsSource source_;
};

// make_instance for an Instance that has also `tls`, a PluginTls, and options.allow_plaintext,
// which takes TLS away.
template <typename Instance>
int32_t make_tls_instance(const varve_host* host, const varve_option* options,
                          uint32_t option_count, Instance** instance, char* why,
                          uint32_t why_bytes) {
  Instance* made = nullptr;
  const int32_t result = make_instance(host, options, option_count, &made, why, why_bytes);
  if (result != VARVE_OK) return result;
  std::unique_ptr<Instance> owner(made);
  if (!made->options.allow_plaintext) {
    const std::string wrong = made->tls.open(host);
    if (!wrong.empty()) return explain(why, why_bytes, wrong), VARVE_E_INVALID;
  } else if (copy_table(host).tls_cert_file != nullptr) {
    made->log.warn(
        "[tls] is configured, and allow_plaintext = true takes it from here: whoever connects is "
        "believed, and what is sent can be read");
  }
  *instance = owner.release();
  return VARVE_OK;
}

class LogLimiter {
 public:
  void warn(uint64_t now_ms, const HostLog& log, const std::string& text) {
    if (const auto line = lines_.line(now_ms, text)) log.warn(*line);
  }

 private:
  LineLimiter lines_;
};

}  // namespace varve
