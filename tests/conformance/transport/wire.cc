#include "tests/conformance/transport/wire.h"

#include <dlfcn.h>
#include <poll.h>

#include <algorithm>
#include <catch2/catch_test_macros.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <sstream>

#include "tests/conformance/transport/remote_side.h"
#ifdef VARVE_TRANSPORT_TLS
#include "tests/unit/tls/pki.h"
#endif

namespace varve {
namespace {

using Clock = std::chrono::steady_clock;

// What takes its time to deliver is likely to be emulated, too.
std::chrono::seconds patience() {
  return std::chrono::seconds(quiet_ms() > 0 ? 120 : 20);
}

void write_log(void* host, uint32_t, const char* text) {
  static_cast<std::string*>(host)->append(text).append("\n");
}

std::string from_outside(const char* variable) {
  const char* const value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

// VARVE_TRANSPORT_OPTIONS: what this plugin needs to be told everywhere, as "key=value key=value".
Wire::Options options_from_outside() {
  Wire::Options options;
  std::istringstream words(from_outside("VARVE_TRANSPORT_OPTIONS"));
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    REQUIRE(equals != std::string::npos);
    options.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return options;
}

}  // namespace

int quiet_ms() {
  const std::string given = from_outside("VARVE_TRANSPORT_QUIET_MS");
  return given.empty() ? 0 : std::stoi(given);
}

const varve_transport& transport_under_test() {
  static const varve_transport* const table = [] {
    const char* const other = std::getenv("VARVE_TRANSPORT_PLUGIN");
    const char* const file = other == nullptr ? VARVE_TRANSPORT_PLUGIN : other;
    void* const library = ::dlopen(file, RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) FAIL(::dlerror());
    auto* entry =
        reinterpret_cast<varve_plugin_entry_function*>(::dlsym(library, VARVE_PLUGIN_ENTRY));
    return reinterpret_cast<const varve_transport*>(entry());
  }();
  return *table;
}

Wire::Wire(const Options& options)
    : table_(&transport_under_test()),
      right_table_(remote_address().empty() ? table_ : &remote_table()) {
  host_ = host_for(&log_);
  std::vector<varve_option> given;
  const Options always = options_from_outside();
  for (const Options* some : {&always, &options})
    for (const auto& [key, value] : *some) given.push_back({key.c_str(), value.c_str()});
  instance_ = make_instance(*table_, given);
  right_instance_ = right_table_ == table_ ? instance_ : make_instance(*right_table_, given);
  left_ = std::make_unique<TransportSide>(*table_, instance_);
  right_ = std::make_unique<TransportSide>(*right_table_, right_instance_);
  address_ = right_->listen();
}

Wire::~Wire() {
  if (std::uncaught_exceptions() > 0) std::fprintf(stderr, "the plugin's log:\n%s", log_.c_str());
  left_.reset();
  right_.reset();
  if (right_instance_ != instance_) right_table_->instance_destroy(right_instance_);
  table_->instance_destroy(instance_);
}

varve_transport_instance* Wire::make_instance(const varve_transport& table,
                                              const std::vector<varve_option>& options) {
  varve_transport_instance* instance = nullptr;
  char why[256] = "";
  const int32_t result = table.instance_create(
      &host_, options.data(), static_cast<uint32_t>(options.size()), &instance, why, sizeof(why));
  INFO(why);
  REQUIRE(result == VARVE_OK);
  return instance;
}

void Wire::kill_right() {
  REQUIRE(right_table_ != table_);
  kill_remote(right_instance_);
  right_.reset();
}

bool Wire::poll_all() {
  size_t count = left_->poll();
  if (right_ != nullptr) count += right_->poll();
  if (count > 0) return true;
  const bool left_pending = left_->arm();
  return (right_ != nullptr && right_->arm()) || left_pending;
}

void Wire::run_until(const std::function<bool()>& done) {
  const Clock::time_point deadline = Clock::now() + patience();
  while (!done()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    const bool in_time =
        left.count() > 0 && (poll_all() || news_within(static_cast<int>(left.count())));
    if (!in_time) FAIL("what this test waits for has not happened in time; " << state());
  }
}

std::string Wire::state() const {
  std::ostringstream out;
  for (const auto& [name, side] : {std::pair("left", left_.get()), {"right", right_.get()}}) {
    if (side == nullptr) continue;
    out << name << ": " << side->open.size() << " open, " << side->connects_in_flight()
        << " connects and " << side->sends_in_flight() << " sends in flight, "
        << side->received.size() << " received, " << side->posted() << " buffers posted; ";
  }
  out << "log: " << log_;
  return out.str();
}

bool Wire::news_within(int milliseconds) {
  pollfd ready[2] = {{left_->wait_fd(), POLLIN, 0}, {-1, POLLIN, 0}};
  if (right_ != nullptr) ready[1].fd = right_->wait_fd();
  return ::poll(ready, 2, milliseconds) > 0;
}

void Wire::settle() {
  // The loopback device delivers inside the system call that sends; others take their time.
  static const int quiet = quiet_ms();
  for (int idle = 0; idle < 8;) idle = poll_all() ? 0 : idle + 1;
  while (quiet > 0 && news_within(quiet))
    for (int idle = 0; idle < 8;) idle = poll_all() ? 0 : idle + 1;
}

std::pair<uint64_t, uint64_t> Wire::connect() {
  const size_t accepted = right_->accepted.size();
  const uint64_t op_id = left_->connect(address_);
  run_until([&] { return left_->connected.contains(op_id); });
  REQUIRE(left_->connected[op_id].first == VARVE_OK);
  run_until([&] { return right_->accepted.size() > accepted; });
  return {left_->connected[op_id].second, right_->accepted.back()};
}

void Wire::post_both(size_t count, uint64_t bytes) {
  for (size_t i = 0; i < count; ++i) {
    left_->post(bytes);
    right_->post(bytes);
  }
}

varve_host host_for(std::string* log) {
  varve_host host{};
  host.struct_size = sizeof(host);
  host.abi_major = VARVE_ABI_MAJOR;
  host.abi_minor = VARVE_ABI_MINOR;
  host.host = log;
  host.log = write_log;
#ifdef VARVE_TRANSPORT_TLS
  static Pki pki;
  static const TlsFiles files = pki.issue("lab", TlsRole::kNode, "n1");
  host.tls_ca_file = files.ca.c_str();
  host.tls_cert_file = files.cert.c_str();
  host.tls_key_file = files.key.c_str();
#endif
  return host;
}

void open_what_stays_open() {
  Wire wire;
  wire.connect();
}

size_t open_descriptors() {
  const std::filesystem::directory_iterator entries("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

std::string pattern(uint64_t seed, size_t bytes) {
  std::string out(bytes, '\0');
  uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (char& byte : out) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    byte = static_cast<char>(state >> 56);
  }
  return out;
}

}  // namespace varve
