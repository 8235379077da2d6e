// A folder of a test's own, and what tests do with it. Gone at the end.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <filesystem>
#include <fstream>
#include <string>

namespace varve {

class TempFolder {
 public:
  TempFolder() {
    // Not /tmp: it may be a memory file system.
    std::string pattern = std::filesystem::current_path() / "device-test-XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;
  ~TempFolder() { std::filesystem::remove_all(path_); }

  std::string file(const std::string& name) const { return path_ / name; }
  // A sparse file.
  std::string make_file(const std::string& name, uint64_t bytes) const {
    std::ofstream(file(name)).close();
    std::filesystem::resize_file(file(name), bytes);
    return file(name);
  }

 private:
  std::filesystem::path path_;
};

// A loop device over a file; path() is empty where none can be had (no root, no loop driver).
class LoopDevice {
 public:
  explicit LoopDevice(const std::string& file) {
    if (geteuid() != 0) return;
    FILE* output = popen(("losetup --find --show " + file + " 2>/dev/null").c_str(), "r");
    if (output == nullptr) return;
    char line[64] = "";
    if (fgets(line, sizeof line, output) != nullptr) path_ = line;
    pclose(output);
    if (!path_.empty()) path_.pop_back();  // the newline
  }
  LoopDevice(const LoopDevice&) = delete;
  LoopDevice& operator=(const LoopDevice&) = delete;
  ~LoopDevice() {
    if (!path_.empty()) CHECK(system(("losetup --detach " + path_).c_str()) == 0);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace varve
