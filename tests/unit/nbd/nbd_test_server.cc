// Serves volumes in memory through the nbd plugin, for real clients and for counting system calls:
//     nbd_test_server LISTEN NAME=MEBIBYTES...
// Runs until SIGTERM or SIGINT.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "tests/unit/nbd/plugin_runner.h"

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: nbd_test_server LISTEN NAME=MEBIBYTES...\n");
    return 2;
  }
  varve::TestHost host;
  for (int i = 2; i < argc; ++i) {
    const std::string volume = argv[i];
    const size_t equals = volume.find('=');
    if (equals == std::string::npos) return 2;
    host.add_volume(volume.substr(0, equals), std::stoull(volume.substr(equals + 1)) << 20);
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  varve::PluginRunner runner(host);
  const std::string wrong = runner.start({{"listen", argv[1]}});
  if (!wrong.empty()) {
    std::fprintf(stderr, "%s\n", wrong.c_str());
    return 1;
  }
  std::printf("%s\n", host.logged("listening on").c_str());
  std::fflush(stdout);
  std::thread server([&runner] { runner.run(); });
  int signal = 0;
  sigwait(&signals, &signal);
  runner.request_stop();
  server.join();
  return 0;
}
