#include "tests/unit/nbd/served.h"

#include <stdlib.h>

#include <catch2/catch_test_macros.hpp>
#include <chrono>

namespace varve {
namespace {

std::filesystem::path make_folder() {
  std::string name = (std::filesystem::temp_directory_path() / "varve-nbd-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  return name;
}

}  // namespace

Served::Served(TestHost& host, PluginRunner::Options options, bool sleeps)
    : folder_(make_folder()), path_(folder_ / "nbd.sock"), host_(host), runner_(host) {
  options.emplace_back("listen", "unix:" + path_);
  REQUIRE(runner_.start(options) == "");
  thread_ = std::thread([this, sleeps] { runner_.run(sleeps); });
}

Served::~Served() {
  begin_stop();
  join();
  std::filesystem::remove_all(folder_);
}

void Served::join() {
  if (!thread_.joinable()) return;
  thread_.join();
  CHECK(host_.buffer_bytes() == 0);
  CHECK(host_.open_volumes() == 0);
  CHECK_FALSE(std::filesystem::exists(path_));
}

Nbd connect_to(const std::string& path, const char* volume) {
  Nbd nbd(nbd_create());
  nbd_set_strict_mode(nbd.get(), 0);  // the server has to notice the mistakes
  nbd_set_export_name(nbd.get(), volume);
  nbd_add_meta_context(nbd.get(), LIBNBD_CONTEXT_BASE_ALLOCATION);
  nbd_connect_unix(nbd.get(), path.c_str());
  return nbd;
}

bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

}  // namespace varve
