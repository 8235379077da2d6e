// stamp: load on an NBD volume that checks the block device's contract (docs/contract.md).

#include <random>

#include <CLI/CLI.hpp>

#include "tests/tools/stamp/load.h"
#include "tests/tools/stamp/verify.h"

namespace {

constexpr const char* kAbout =
    "Writes blocks that name volume, block, session and operation, remembers in a journal file "
    "what\n"
    "was acknowledged, lives through deaths of the server, and checks that nothing is lost, mixed "
    "or\n"
    "goes back. The volume must be new (all zeroes) when its journal is. A reconnection fences "
    "what\n"
    "was unanswered when the server was seen to be gone: nobody listened, or another process "
    "does.\n"
    "Exit: 0 all is well, 1 violations or errors, 2 usage, 3 the server did not come back.";

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(kAbout, "stamp");
  app.require_subcommand(1);
  varve::LoadOptions load;
  load.seed = std::random_device{}();
  varve::VerifyOptions verify;
  std::string mix = "55:30:5:5:5";

  CLI::App* run = app.add_subcommand("run", "put load on a volume and check it meanwhile");
  run->add_option("uri", load.uri, "NBD URI, e.g. nbd+unix:///VOLUME?socket=PATH")->required();
  run->add_option("--journal", load.journal, "file that remembers; continued if it exists")
      ->required();
  run->add_option("--seconds", load.seconds, "stop after so long (0: no limit)");
  run->add_option("--operations", load.operations, "stop after so many (0: no limit)");
  run->add_option("--depth", load.depth, "operations in flight (32)")->check(CLI::Range(1, 4096));
  run->add_option("--connections", load.connections, "NBD connections (1)")
      ->check(CLI::Range(1, 64));
  run->add_option("--mix", mix, "weights of write:read:trim:zero:flush (" + mix + ")");
  run->add_option("--request-blocks-max", load.request_blocks_max, "largest request, blocks (32)")
      ->check(CLI::Range(1, 1024));
  run->add_option("--seed", load.seed, "of the operations' choice (random)");
  run->add_option("--reconnect-timeout-ms", load.reconnect_timeout_ms,
                  "wait for the server (30000)");
  run->add_option("--announce-every", load.announce_every,
                  "print \"acknowledged N writes M\" so often");
  run->add_flag("--quiet", load.quiet, "no progress lines");

  CLI::App* check = app.add_subcommand("verify", "read the whole volume and check it");
  check->add_option("uri", verify.uri, "NBD URI")->required();
  check->add_option("--journal", verify.journal, "the file of the runs before")->required();
  check->add_option("--reconnect-timeout-ms", verify.reconnect_timeout_ms, "wait for the server");
  check->add_flag("--quiet", verify.quiet, "no progress lines");

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? varve::kExitOk : varve::kExitUsage;
  }
  if (check->parsed()) return varve::run_verify(verify);
  varve::Result<varve::MixWeights> weights = varve::parse_mix(mix);
  if (!weights.ok()) {
    fprintf(stderr, "stamp: %s\n", std::string(weights.status().message()).c_str());
    return varve::kExitUsage;
  }
  load.mix = *weights;
  if (load.depth < load.connections) load.connections = load.depth;
  return varve::run_load(load);
}
