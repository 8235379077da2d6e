// transport_bench: one end of an echo over a transport, or over a bare socket to compare with.
//
// A client keeps `--depth` requests of 4 KiB outstanding on one connection, a server answers each
// with 64 bytes. Each is one thread that sleeps in the kernel when it has nothing to do. The server
// serves one client; both end with a line of what it took.

#include <CLI/CLI.hpp>
#include <string>

#include "tests/bench/echo_plugin.h"
#include "tests/bench/echo_stream.h"

namespace varve {
namespace {

using Driver = void (*)(int socket, EchoStream& stream);

void serve_bare(const EchoOptions& options, Driver drive) {
  const UniqueFd socket = accept_client(options);
  EchoServer server;
  EchoStream stream(options, server);
  drive(socket.get(), stream);
  say(server.summary());
}

void request_bare(const EchoOptions& options, Driver drive) {
  const UniqueFd socket = connect_to_server(options);
  EchoClient client(options);
  EchoStream stream(options, client);
  drive(socket.get(), stream);
  say(client.summary());
}

void run(const EchoOptions& options, const std::string& kind, bool serves) {
  if (kind == "plugin") return serves ? serve_by_plugin(options) : request_by_plugin(options);
  const Driver drive = kind == "uring" ? drive_by_uring : drive_by_asio;
  serves ? serve_bare(options, drive) : request_bare(options, drive);
}

}  // namespace
}  // namespace varve

int main(int argument_count, char** arguments) {
  varve::EchoOptions options;
  std::string kind;
  CLI::App app("Measures a transport plugin beside bare sockets.");
  app.require_subcommand(1);
  CLI::App* const server = app.add_subcommand("server", "answers one client, then ends");
  CLI::App* const client = app.add_subcommand("client", "sends requests to a server");
  CLI::App* const abi = app.add_subcommand("abi", "what a call through the table costs");
  for (CLI::App* const role : {server, client}) {
    role->add_option("--kind", kind)->required()->check(CLI::IsMember({"plugin", "uring", "asio"}));
    role->add_option("--address", options.address)->capture_default_str();
    role->add_option("--depth", options.depth, "requests outstanding")
        ->check(CLI::Range(1, 256))
        ->capture_default_str();
    role->add_option("--plugin", options.plugin, "its file, an absolute path");
    role->add_option(
        "--tls", options.tls_files,
        "the folder of a node's certificate, of `varve cert issue`: the plugin uses TLS");
  }
  client->add_option("--seconds", options.seconds)
      ->check(CLI::Range(0.1, 3600.0))
      ->capture_default_str();
  client->add_flag("--paused", options.paused, "wait for a line of input once connected");
  abi->add_option("--plugin", options.plugin, "its file, an absolute path")->required();
  CLI11_PARSE(app, argument_count, arguments);
  if (abi->parsed()) {
    varve::measure_abi(options.plugin);
  } else {
    varve::run(options, kind, server->parsed());
  }
}
