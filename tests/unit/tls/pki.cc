#include "tests/unit/tls/pki.h"

#include <sys/stat.h>

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace varve {

void write_text(const std::string& path, const std::string& content, unsigned mode) {
  std::ofstream(path + ".new") << content;
  REQUIRE(::chmod((path + ".new").c_str(), mode) == 0);
  std::filesystem::rename(path + ".new", path);
}

Pki::Pki() {
  std::string pattern = (std::filesystem::temp_directory_path() / "varve_pki.XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
}

Pki::~Pki() {
  std::filesystem::remove_all(folder_);
}

const PemPair& Pki::authority(const std::string& cluster) {
  PemPair& pair = authorities_[cluster];
  if (pair.key.empty()) REQUIRE(make_authority(cluster, 100, pair).empty());
  return pair;
}

TlsFiles Pki::issue(const std::string& cluster, TlsRole role, const std::string& name,
                    uint32_t days) {
  PemPair made;
  const std::string wrong = issue_certificate(authority(cluster), {role, name, {}, days}, made);
  INFO(wrong);
  REQUIRE(wrong.empty());
  const std::string base = folder_ + "/" + std::to_string(++count_);
  const TlsFiles files{base + "-ca.pem", base + "-cert.pem", base + "-key.pem"};
  write_text(files.ca, authority(cluster).certificate, 0644);
  write_text(files.cert, made.certificate, 0644);
  write_text(files.key, made.key, 0600);
  return files;
}

std::shared_ptr<const TlsCredentials> Pki::credentials(const std::string& cluster, TlsRole role,
                                                       const std::string& name) {
  std::shared_ptr<const TlsCredentials> loaded;
  const std::string wrong = TlsCredentials::load(issue(cluster, role, name), loaded);
  INFO(wrong);
  REQUIRE(loaded != nullptr);
  return loaded;
}

}  // namespace varve
