#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "core/base/text.h"
#include "core/config/node_config.h"

namespace varve {

Result<std::string> read_config_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIoError;
    return Status(code, text(path, ": cannot be read: ", std::strerror(errno)));
  }
  std::string content((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (file.bad() || content.empty()) {
    return Status(ErrorCode::kIoError, text(path, ": cannot be read, or is empty"));
  }
  return content;
}

}  // namespace varve
