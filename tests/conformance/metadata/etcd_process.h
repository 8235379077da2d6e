// A real etcd on loopback, in a folder of the test's. VARVE_ETCD names the program (default: etcd).
// Killed with its owner, and when the test itself is killed.
//
// Thread rule: the test's thread.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/conformance/metadata/plugin_under_test.h"

namespace varve {

// "3.4.23"
std::string etcd_version();
int free_port();
// Runs a program to its end: `input` is what it reads, `output` gets what it says. Returns the exit
// code.
int run_program(const std::vector<std::string>& words, std::string* output,
                const std::string& input = "");

class EtcdProcess {
 public:
  struct Settings {
    std::string folder;  // of its data; ends with a slash
    std::string name = "m0";
    int client_port = 0;
    int peer_port = 0;
    std::string peers;  // --initial-cluster
    std::string scheme = "http";
    std::vector<std::string> arguments;  // besides
  };
  explicit EtcdProcess(Settings settings) : settings_(std::move(settings)) {}
  ~EtcdProcess() { end(SIGKILL); }
  EtcdProcess(const EtcdProcess&) = delete;
  EtcdProcess& operator=(const EtcdProcess&) = delete;

  // Begins it, again with what it had; false: it ended at once. Waits until it listens.
  bool start();
  void end(int signal_number);
  // Stops it with SIGSTOP, lets it go on.
  void stop() const;
  void go_on() const { kill(process_, SIGCONT); }
  std::string url() const;
  int port() const { return settings_.client_port; }
  const std::string& folder() const { return settings_.folder; }
  // Runs etcdctl on this member.
  std::string control(const std::vector<std::string>& words, const std::string& input = "") const;
  // Until it answers requests.
  void wait_healthy() const;

 private:
  bool listens() const;

  const Settings settings_;
  pid_t process_ = -1;
};

// One member, or several of one cluster, all running and answering.
class EtcdCluster final : public Backing {
 public:
  explicit EtcdCluster(const std::string& folder, size_t count = 1,
                       const std::string& scheme = "http",
                       const std::vector<std::string>& arguments = {});
  EtcdProcess& member(size_t index) { return *members_[index]; }
  size_t size() const { return members_.size(); }
  std::vector<std::string> urls() const;

 private:
  bool start(const std::string& folder, size_t count, const std::string& scheme,
             const std::vector<std::string>& arguments);

  std::vector<std::unique_ptr<EtcdProcess>> members_;
};

}  // namespace varve
