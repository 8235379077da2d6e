// metadata_etcd with users and TLS.
#include <catch2/matchers/catch_matchers_string.hpp>
#include <future>

#include "tests/conformance/metadata/etcd_bench.h"
#include "tests/conformance/metadata/log_host.h"

namespace varve {
namespace {

using Catch::Matchers::ContainsSubstring;

constexpr char kPassword[] = "secret-7c1e";

// An etcd with the user "varve", who may use /varve/ and nothing else.
struct UserBench : EtcdBench {
  UserBench() {
    etcd().control({"user", "add", "root:other"});
    etcd().control({"user", "grant-role", "root", "root"});
    etcd().control({"user", "add", std::string("varve:") + kPassword});
    etcd().control({"role", "add", "varve"});
    etcd().control({"role", "grant-permission", "varve", "--prefix=true", "readwrite", "/varve/"});
    etcd().control({"user", "grant-role", "varve", "varve"});
    etcd().control({"auth", "enable"});
    start(0, options(kPassword));
  }
  std::vector<ServiceOption> options(const std::string& password) const {
    const std::string file = plugin.folder() + "password-" + password;
    std::ofstream(file) << password << "\n";
    return {{"endpoints", cluster.urls()[0]}, {"user", "varve"}, {"password_file", file}};
  }
};

void openssl(std::vector<std::string> words) {
  words.insert(words.begin(), "openssl");
  std::string said;
  const int code = run_program(words, &said);
  INFO(said);
  REQUIRE(code == 0);
}

// Makes a key and a certificate NAME.key, NAME.pem in the folder, signed by ca or itself.
void make_certificate(const std::string& folder, const std::string& name, const std::string& ca) {
  const std::string path = folder + name;
  openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
           path + ".key", "-subj", "/CN=" + name, "-out", path + ".csr"});
  std::ofstream(path + ".ext") << "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:"
                               << (ca == name ? "TRUE" : "FALSE") << "\n";
  std::vector<std::string> sign{"x509", "-req",        "-in",      path + ".csr",
                                "-out", path + ".pem", "-extfile", path + ".ext"};
  if (ca == name) {
    sign.insert(sign.end(), {"-signkey", path + ".key"});
  } else {
    sign.insert(sign.end(),
                {"-CA", folder + ca + ".pem", "-CAkey", folder + ca + ".key", "-CAcreateserial"});
  }
  openssl(sign);
}

// An etcd that speaks TLS only, with those who show a certificate of its CA.
struct TlsFolder {
  TlsFolder() {
    for (const char* ca : {"ca", "other"}) make_certificate(folder.file(""), ca, ca);
    for (const char* name : {"server", "client"}) make_certificate(folder.file(""), name, "ca");
    make_certificate(folder.file(""), "stranger", "other");
  }
  std::vector<std::string> arguments() const {
    return {"--cert-file=" + folder.file("server.pem"), "--key-file=" + folder.file("server.key"),
            "--trusted-ca-file=" + folder.file("ca.pem"), "--client-cert-auth=true"};
  }
  std::vector<ServiceOption> options(const std::string& url, const std::string& ca,
                                     const std::string& client) const {
    std::vector<ServiceOption> options{{"endpoints", url}, {"ca_file", folder.file(ca + ".pem")}};
    if (client.empty()) return options;
    options.push_back({"cert_file", folder.file(client + ".pem")});
    options.push_back({"key_file", folder.file(client + ".key")});
    return options;
  }
  TempFolder folder;
};

}  // namespace

TEST_CASE("a user with a password may use the prefix; anybody else is refused in words") {
  UserBench bench;
  CHECK(bench.put("a", "1") == 1);
  CHECK_THAT(bench.why_not({{"endpoints", bench.etcd().url()}}),
             ContainsSubstring("give user and password_file"));
  std::vector<ServiceOption> elsewhere = bench.options(kPassword);
  elsewhere.push_back({"prefix", "/elsewhere/"});
  CHECK_THAT(bench.why_not(elsewhere), ContainsSubstring("permission denied"));

  LogHost host(bench.plugin.library(), bench.options("wrong-5d02"));
  const std::string why = host.start();
  CHECK_THAT(why, ContainsSubstring("logging in as \"varve\"") &&
                      ContainsSubstring("invalid user ID or password"));
  CHECK((why + host.log()).find("wrong-5d02") == std::string::npos);
}

TEST_CASE("a token that etcd has forgotten is renewed, for calls and for watches") {
  UserBench bench;
  Ear ear(bench, "", 0);
  CHECK(ear.until_heard(bench.put("a", "1")));
  bench.etcd().end(SIGTERM);
  REQUIRE(bench.etcd().start());
  const uint64_t last = bench.put("b", "1");
  CHECK(ear.until_heard(last));
  CHECK(ear.keys() == "a b");
  CHECK(ear.resync_count == 0);
}

TEST_CASE("a password that was changed is taken from its file the next time") {
  UserBench bench;
  bench.put("a", "1");
  bench.etcd().control({"--user=root:other", "user", "passwd", "varve", "--interactive=false"},
                       "new-19aa\n");
  std::ofstream(bench.plugin.folder() + "password-" + kPassword) << "new-19aa\n";
  bench.etcd().end(SIGTERM);
  REQUIRE(bench.etcd().start());
  CHECK(bench.put("b", "1") == 2);
}

TEST_CASE("TLS lets in who has a certificate, and believes only who has one") {
  const TlsFolder tls;
  const EtcdCluster cluster(tls.folder.file("etcd-"), 1, "https", tls.arguments());
  const std::string url = cluster.urls()[0];
  PluginStore store([](const std::string&) { return nullptr; });
  Status good = store.start_client(0, tls.options(url, "ca", "client"));
  INFO(good.message());
  REQUIRE(good.ok());

  LogHost wrong_ca(store.library(), tls.options(url, "other", "client"));
  LogHost stranger(store.library(), tls.options(url, "ca", "stranger"));
  LogHost nobody(store.library(), tls.options(url, "ca", ""));
  LogHost plain(store.library(), {{"endpoints", "http" + url.substr(5)}});
  std::vector<std::future<std::string>> whys;
  for (LogHost* host : {&wrong_ca, &stranger, &nobody, &plain}) {
    whys.push_back(std::async(std::launch::async, [host] { return host->start(); }));
  }
  CHECK_THAT(whys[0].get(), ContainsSubstring("certificate verify failed"));
  for (size_t i = 1; i < whys.size(); ++i) {
    CHECK_THAT(whys[i].get(), ContainsSubstring("etcd cannot be used: http"));
  }
}

}  // namespace varve
