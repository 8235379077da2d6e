#include "tests/conformance/metadata/etcd_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>

#include "plugins/sdk/unique_fd.h"

namespace varve {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr int kLookMs = 5;

std::string etcd_program() {
  const char* named = getenv("VARVE_ETCD");
  return named != nullptr ? named : "etcd";
}

std::vector<char*> pointers_to(const std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (const std::string& word : words) pointers.push_back(const_cast<char*>(word.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// In the child of a fork; ends with the test, whatever happens to it. Allocates nothing: another
// thread of the parent may have held the allocator's lock, which nobody frees in the child.
void become(const std::vector<char*>& words, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  execvp(words[0], words.data());
  _exit(127);
}

}  // namespace

int free_port() {
  const UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = loopback(0);
  socklen_t bytes = sizeof address;
  REQUIRE(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), bytes) == 0);
  REQUIRE(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &bytes) == 0);
  return ntohs(address.sin_port);
}

int run_program(const std::vector<std::string>& words, std::string* output,
                const std::string& input) {
  int pipe_ends[2], input_ends[2];
  REQUIRE(pipe2(pipe_ends, O_CLOEXEC) == 0);
  REQUIRE(pipe2(input_ends, O_CLOEXEC) == 0);
  const UniqueFd input_reader(input_ends[0]);
  UniqueFd input_writer(input_ends[1]);
  REQUIRE(write(input_ends[1], input.data(), input.size()) == static_cast<ssize_t>(input.size()));
  input_writer.reset();
  const UniqueFd reader(pipe_ends[0]);
  UniqueFd writer(pipe_ends[1]);
  const std::vector<char*> pointers = pointers_to(words);
  const pid_t parent = getpid();
  const pid_t process = fork();
  REQUIRE(process >= 0);
  if (process == 0) {
    dup2(input_reader.get(), STDIN_FILENO);
    dup2(writer.get(), STDOUT_FILENO);
    dup2(writer.get(), STDERR_FILENO);
    become(pointers, parent);
  }
  writer.reset();
  std::string said;
  char bytes[4096];
  for (ssize_t count = 0; (count = read(reader.get(), bytes, sizeof bytes)) > 0;) {
    said.append(bytes, static_cast<size_t>(count));
  }
  int status = 0;
  REQUIRE(waitpid(process, &status, 0) == process);
  *output = said;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string etcd_version() {
  std::string said;
  REQUIRE(run_program({etcd_program(), "--version"}, &said) == 0);
  const std::string label = "etcd Version: ";
  const size_t begin = said.find(label);
  REQUIRE(begin != std::string::npos);
  return said.substr(begin + label.size(), said.find('\n') - begin - label.size());
}

std::string EtcdProcess::url() const {
  return settings_.scheme + "://127.0.0.1:" + std::to_string(settings_.client_port);
}

bool EtcdProcess::listens() const {
  const UniqueFd client(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = loopback(settings_.client_port);
  return connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

bool EtcdProcess::start() {
  const std::string peer_url = "http://127.0.0.1:" + std::to_string(settings_.peer_port);
  std::vector<std::string> words{etcd_program(),
                                 "--name=" + settings_.name,
                                 "--data-dir=" + settings_.folder,
                                 "--listen-client-urls=" + url(),
                                 "--advertise-client-urls=" + url(),
                                 "--listen-peer-urls=" + peer_url,
                                 "--initial-advertise-peer-urls=" + peer_url,
                                 "--initial-cluster=" + settings_.peers,
                                 "--initial-cluster-token=" + settings_.peers,
                                 "--heartbeat-interval=50",
                                 "--election-timeout=500",
                                 "--max-request-bytes=8388608",
                                 "--logger=zap",
                                 "--log-level=error"};
  words.insert(words.end(), settings_.arguments.begin(), settings_.arguments.end());
  const std::string log = settings_.folder.substr(0, settings_.folder.size() - 1) + ".log";
  const std::vector<char*> pointers = pointers_to(words);
  const pid_t parent = getpid();
  process_ = fork();
  REQUIRE(process_ >= 0);
  if (process_ == 0) {
    const int file = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(file, STDOUT_FILENO);
    dup2(file, STDERR_FILENO);
    become(pointers, parent);
  }
  for (int waited_ms = 0; waited_ms < kPatienceMs; waited_ms += kLookMs) {
    if (listens()) return true;
    if (waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = -1;
      return false;
    }
    ::poll(nullptr, 0, kLookMs);  // it tells nobody when it listens
  }
  return false;
}

void EtcdProcess::end(int signal_number) {
  if (process_ <= 0) return;
  kill(process_, signal_number);
  waitpid(process_, nullptr, 0);
  process_ = -1;
}

void EtcdProcess::stop() const {
  kill(process_, SIGSTOP);
  int status = 0;
  REQUIRE(waitpid(process_, &status, WUNTRACED) == process_);
  REQUIRE(WIFSTOPPED(status));
}

std::string EtcdProcess::control(const std::vector<std::string>& words,
                                 const std::string& input) const {
  std::vector<std::string> all{"env", "ETCDCTL_API=3", "etcdctl", "--endpoints=" + url()};
  all.insert(all.end(), words.begin(), words.end());
  std::string said;
  const int code = run_program(all, &said, input);
  INFO(said);
  REQUIRE(code == 0);
  return said;
}

void EtcdProcess::wait_healthy() const {
  control({"--dial-timeout=20s", "--command-timeout=20s", "get", "nothing"});
}

EtcdCluster::EtcdCluster(const std::string& folder, size_t count, const std::string& scheme,
                         const std::vector<std::string>& arguments) {
  // A port that was free a moment ago may be taken by now.
  bool started = false;
  for (int attempt = 0; attempt < 5 && !started; ++attempt) {
    started = start(folder + "try" + std::to_string(attempt) + "-", count, scheme, arguments);
  }
  INFO("etcd does not start: is etcd-server installed? Its log is in " << folder);
  REQUIRE(started);
}

bool EtcdCluster::start(const std::string& folder, size_t count, const std::string& scheme,
                        const std::vector<std::string>& arguments) {
  members_.clear();
  std::vector<EtcdProcess::Settings> all(count);
  std::string peers;
  for (size_t i = 0; i < count; ++i) {
    all[i].name = "m" + std::to_string(i);
    all[i].folder = folder + all[i].name + "/";
    all[i].client_port = free_port();
    all[i].peer_port = free_port();
    all[i].scheme = scheme;
    all[i].arguments = arguments;
    peers += (peers.empty() ? "" : ",") + all[i].name +
             "=http://127.0.0.1:" + std::to_string(all[i].peer_port);
  }
  for (EtcdProcess::Settings& settings : all) {
    settings.peers = peers;
    members_.push_back(std::make_unique<EtcdProcess>(settings));
    if (!members_.back()->start()) return false;
  }
  return true;
}

std::vector<std::string> EtcdCluster::urls() const {
  std::vector<std::string> urls;
  for (const auto& member : members_) urls.push_back(member->url());
  return urls;
}

}  // namespace varve
