// Wire: a transport's plugin, an instance of it, and two sides that talk. The right one lives in
// another process, or on another machine, when VARVE_TRANSPORT_REMOTE says so (remote_side.h).
//
// Thread rule: one thread drives both sides.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/conformance/transport/side.h"

namespace varve {

class Wire {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;

  explicit Wire(const Options& options = {});
  ~Wire();

  // Polls both sides, and sleeps on their descriptors when neither has anything to do, until
  // `done`; fails when that takes longer than 20 s
  // (120 s where a test says VARVE_TRANSPORT_QUIET_MS).
  void run_until(const std::function<bool()>& done);
  // Until nothing more happens by itself.
  void settle();
  // A connection from the left to the right side: both numbers.
  std::pair<uint64_t, uint64_t> connect();
  // Each side gets these receive buffers.
  void post_both(size_t count, uint64_t bytes);

  // Of the left side.
  const varve_transport& table() const { return *table_; }
  const std::string& address() const { return address_; }
  TransportSide& left() { return *left_; }
  TransportSide& right() { return *right_; }
  void destroy_right() { right_.reset(); }
  // kill -9 of the process that a remote right side lives in.
  void kill_right();
  // What the plugin has logged, one line each.
  const std::string& log() const { return log_; }

 private:
  varve_transport_instance* make_instance(const varve_transport& table,
                                          const std::vector<varve_option>& options);
  std::string state() const;
  bool poll_all();
  bool news_within(int milliseconds);

  varve_host host_{};
  std::string log_;
  const varve_transport* table_ = nullptr;
  const varve_transport* right_table_ = nullptr;
  varve_transport_instance* instance_ = nullptr;
  varve_transport_instance* right_instance_ = nullptr;  // the same when it is not remote
  std::unique_ptr<TransportSide> left_;
  std::unique_ptr<TransportSide> right_;
  std::string address_;
};

// The plugin's table: of the file that VARVE_TRANSPORT_PLUGIN names in the environment, or of the
// one that this program was built for.
const varve_transport& transport_under_test();
// VARVE_TRANSPORT_QUIET_MS: when nothing has happened for this long, nothing more will. 0: what is
// sent is there when the call returns.
int quiet_ms();
// What a plugin is given; it appends its log lines to `log`.
varve_host host_for(std::string* log);
// Libraries may keep descriptors open once they were used: call it before the first count.
void open_what_stays_open();
// Descriptors that this process has open.
size_t open_descriptors();
// Bytes that depend on `seed` and on their place.
std::string pattern(uint64_t seed, size_t bytes);

}  // namespace varve
