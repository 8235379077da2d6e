#include "core/cli/certificates.h"

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

class CertificatesTest {
 protected:
  CertificatesTest() {
    std::string pattern = std::filesystem::temp_directory_path() / "varve_cert.XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
  }
  ~CertificatesTest() { std::filesystem::remove_all(folder); }

  // What varve said; "refused: ..." when it refused.
  static std::string run(const std::vector<std::string>& words) {
    const auto command = parse_command(words);
    INFO(command.status().message());
    REQUIRE(command.ok());
    const auto done = run_cert(*command);
    return done.ok() ? *done : "refused: " + std::string(done.status().message());
  }
  std::string read(const std::string& name) const {
    std::ostringstream content;
    content << std::ifstream(folder + name).rdbuf();
    return content.str();
  }
  unsigned mode(const std::string& name) const {
    struct stat info{};
    REQUIRE(::stat((folder + name).c_str(), &info) == 0);
    return info.st_mode & 07777;
  }

  std::string folder;
};

}  // namespace

TEST_CASE_METHOD(CertificatesTest, "keys are for their owner alone, and nothing is overwritten") {
  ::umask(0);
  const std::string ca = folder + "/ca";
  const std::string out = folder + "/n1";
  const std::vector<std::string> init = {"cert", "init", "--cluster", "lab", "--dir", ca};
  std::vector<std::string> issue = {"cert", "issue", "node", "n1",     "--ca",
                                    ca,     "--out", out,    "--host", "10.0.0.1"};
  CHECK_THAT(run(issue), ContainsSubstring("varve cert init makes an authority there"));
  CHECK_THAT(run(init), ContainsSubstring("authority of cluster lab"));
  CHECK_THAT(run(issue), ContainsSubstring("node n1 of cluster lab"));
  CHECK(mode("/ca/ca-key.pem") == 0600);
  CHECK(mode("/n1/node-key.pem") == 0600);
  CHECK(mode("/n1/node-cert.pem") == 0644);
  CHECK(read("/n1/ca-cert.pem") == read("/ca/ca-cert.pem"));
  CHECK_THAT(run({"cert", "show", out + "/node-cert.pem"}), ContainsSubstring("::1 n1 10.0.0.1"));

  const std::string authority_key = read("/ca/ca-key.pem");
  const std::string key = read("/n1/node-key.pem");
  CHECK_THAT(run(init), ContainsSubstring("refused: ") && ContainsSubstring("--force"));
  CHECK_THAT(run(issue), ContainsSubstring("refused: ") && ContainsSubstring("--force"));
  CHECK(read("/ca/ca-key.pem") == authority_key);
  CHECK(read("/n1/node-key.pem") == key);
  issue.emplace_back("--force");
  CHECK_THAT(run(issue), ContainsSubstring("node n1 of cluster lab"));
  CHECK(read("/n1/node-key.pem") != key);
  CHECK(mode("/n1/node-key.pem") == 0600);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
    CHECK(entry.path().extension() != ".new");
}

TEST_CASE_METHOD(CertificatesTest, "a key is not put beside an authority that is not its own") {
  const std::string out = folder + "/c1";
  for (const char* cluster : {"one", "two"})
    run({"cert", "init", "--cluster", cluster, "--dir", folder + "/" + cluster});
  run({"cert", "issue", "client", "c1", "--ca", folder + "/one", "--out", out});
  const std::string said =
      run({"cert", "issue", "admin", "a1", "--ca", folder + "/two", "--out", out});
  CHECK_THAT(said, ContainsSubstring("ca-cert.pem exists already"));
  CHECK_FALSE(std::filesystem::exists(out + "/admin-key.pem"));
}

TEST_CASE("varve cert refuses what it does not know") {
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"cert"},
        {"cert", "issue", "boss", "x", "--ca", "a", "--out", "b"},
        {"cert", "issue", "node", "--ca", "a", "--out", "b"},
        {"cert", "init", "--dir", "a"},
        {"cert", "init", "--dir", "a", "--cluster", "lab", "--days", "0"}})
    CHECK_FALSE(parse_command(words).ok());
}

}  // namespace varve
