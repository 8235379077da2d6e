#include "plugins/tls/source.h"

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <filesystem>

#include "tests/unit/tls/pki.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

void replace(const TlsFiles& files, const TlsFiles& by, bool key_too) {
  std::filesystem::copy_file(by.cert, files.cert + ".new");
  std::filesystem::rename(files.cert + ".new", files.cert);
  if (!key_too) return;
  std::filesystem::copy_file(by.key, files.key + ".new");
  std::filesystem::rename(files.key + ".new", files.key);
}

}  // namespace

TEST_CASE("replaced files are read again, and bad ones change nothing") {
  Pki pki;
  const TlsFiles files = pki.issue("lab", TlsRole::kNode, "n1");
  TlsSource source;
  REQUIRE(source.open(files).empty());
  const auto first = source.current(0).credentials;
  REQUIRE(first != nullptr);

  // The certificate without its key: said when it lasts, once.
  const TlsFiles second = pki.issue("lab", TlsRole::kNode, "n1", 20);
  replace(files, second, false);
  CHECK(source.current(999).news.empty());
  CHECK(source.current(1000).news.empty());
  const TlsSource::Current bad = source.current(2000);
  CHECK(bad.bad);
  CHECK_THAT(bad.news, ContainsSubstring("those before stay"));
  CHECK(bad.credentials == first);
  CHECK(source.current(3000).news.empty());

  replace(files, second, true);
  const TlsSource::Current good = source.current(4000);
  CHECK_FALSE(good.bad);
  CHECK_THAT(good.news, ContainsSubstring("node n1 of cluster lab"));
  CHECK(good.credentials != first);
  CHECK(good.credentials->not_after() > first->not_after());
  CHECK(source.current(5000).credentials == good.credentials);
  CHECK(source.current(5000).news.empty());
}

TEST_CASE("files that are replaced one after the other are not complained about") {
  Pki pki;
  const TlsFiles files = pki.issue("lab", TlsRole::kNode, "n1");
  TlsSource source;
  REQUIRE(source.open(files).empty());
  const TlsFiles second = pki.issue("lab", TlsRole::kNode, "n1", 20);
  replace(files, second, false);
  CHECK(source.current(1000).news.empty());
  replace(files, second, true);
  const TlsSource::Current good = source.current(2000);
  CHECK_FALSE(good.bad);
  CHECK_FALSE(good.news.empty());
}

TEST_CASE("certificates of somebody else change nothing, though they are good") {
  const auto taken = [](const char* cluster, TlsRole role, const char* name) {
    Pki pki;
    const TlsFiles files = pki.issue("lab", TlsRole::kNode, "n1");
    TlsSource source;
    REQUIRE(source.open(files).empty());
    const auto first = source.current(0).credentials;
    const TlsFiles other = pki.issue(cluster, role, name);
    std::filesystem::copy_file(other.ca, files.ca,
                               std::filesystem::copy_options::overwrite_existing);
    replace(files, other, true);
    source.current(1000);
    const TlsSource::Current now = source.current(2000);
    INFO(now.news);
    CHECK(now.bad == (now.credentials == first));
    CHECK((!now.bad || now.news.find("and this is node n1 of cluster lab") != std::string::npos));
    return now.credentials != first;
  };
  CHECK_FALSE(taken("lab", TlsRole::kNode, "n2"));
  CHECK_FALSE(taken("lab", TlsRole::kAdmin, "n1"));
  CHECK_FALSE(taken("other", TlsRole::kNode, "n1"));
}

TEST_CASE("without files there are no credentials") {
  TlsSource source;
  CHECK_FALSE(source.configured());
  CHECK(source.current(0).credentials == nullptr);
}

}  // namespace varve
