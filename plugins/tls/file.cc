#include "plugins/tls/file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace varve {
namespace {

constexpr size_t kFileBytesMax = 256 * 1024;

}  // namespace

std::string read_tls_file(const std::string& path, bool secret, std::string& content) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return path + ": " + std::strerror(errno);
  struct stat info{};
  std::string wrong;
  if (::fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) wrong = path + ": is no regular file";
  if (wrong.empty() && secret && (info.st_mode & 027) != 0)
    wrong = path + ": others may use it; allowed is mode 0600 or 0640: chmod 600 " + path;
  std::array<char, 4096> piece;
  while (wrong.empty()) {
    const ssize_t got = ::read(fd, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) wrong = path + ": " + std::strerror(errno);
    if (got <= 0) break;
    content.append(piece.data(), static_cast<size_t>(got));
    if (content.size() > kFileBytesMax) wrong = path + ": is larger than 256 KiB";
  }
  OPENSSL_cleanse(piece.data(), piece.size());
  ::close(fd);
  return wrong;
}

FileStamp FileStamp::of(const std::string& path) {
  struct stat info{};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_ino, info.st_ctim.tv_sec, info.st_ctim.tv_nsec, info.st_size};
}

}  // namespace varve
