#include "core/crypto/key_ring.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "core/base/text.h"
#include "core/crypto/key_wrap.h"

namespace varve {
namespace {

constexpr size_t kFileBytesMax = 64 * 1024;
constexpr size_t kNameBytesMax = 64;
constexpr size_t kBase64Bytes = 44;  // of 32 bytes: 43 digits and one '='
constexpr mode_t kOthersBits = 077;
constexpr std::string_view kLineGrammar =
    "a line is NAME and 32 bytes in base64 (44 characters), as in: echo \"NAME $(head -c 32 "
    "/dev/urandom | base64)\"";
constexpr std::string_view kAssociatedHead = "varve volume key 1";

class Descriptor {
 public:
  explicit Descriptor(const std::string& path) : value_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  ~Descriptor() {
    if (value_ >= 0) close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  const int value_;
};

bool is_name(std::string_view name) {
  const auto letter_or_digit = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (name.empty() || name.size() > kNameBytesMax || !letter_or_digit(name[0])) return false;
  for (const char c : name)
    if (!letter_or_digit(c) && c != '.' && c != '_' && c != '-') return false;
  return true;
}

int base64_digit(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+') return 62;
  return c == '/' ? 63 : -1;
}

// Straight into where the key stays. False: not 44 characters of base64.
bool decode_key(std::string_view words, std::span<std::byte> key) {
  if (words.size() != kBase64Bytes || words.back() != '=') return false;
  words.remove_suffix(1);
  uint32_t bits = 0;
  uint32_t bit_count = 0;
  size_t at = 0;
  for (const char c : words) {
    const int digit = base64_digit(c);
    if (digit < 0) return false;
    bits = (bits << 6) | static_cast<uint32_t>(digit);
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    key[at++] = static_cast<std::byte>(bits >> bit_count);
  }
  return (bits & ((1u << bit_count) - 1)) == 0;  // else two spellings would be one key
}

std::string_view trimmed(std::string_view words) {
  constexpr std::string_view kSpace = " \t\r";
  const size_t first = words.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return words.substr(first, words.find_last_not_of(kSpace) - first + 1);
}

Status cannot_read(const std::string& path) {
  const ErrorCode code = errno == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIoError;
  return {code, text("key file ", path, ": cannot be read: ", std::strerror(errno))};
}

// The file as it is; its end cut off where it was shorter than it said.
Result<Secret> read_whole(const std::string& path) {
  const Descriptor file(path);
  struct stat info{};
  if (file.get() < 0 || fstat(file.get(), &info) != 0) return cannot_read(path);
  if (!S_ISREG(info.st_mode))
    return Status(ErrorCode::kInvalidArgument, text("key file ", path, ": is no regular file"));
  if ((info.st_mode & kOthersBits) != 0)
    return Status(ErrorCode::kInvalidArgument,
                  text("key file ", path, ": others than its owner may use it: chmod 600 ", path));
  const auto bytes = static_cast<size_t>(info.st_size);
  if (bytes == 0 || bytes > kFileBytesMax)
    return Status(ErrorCode::kInvalidArgument,
                  text("key file ", path, ": has ", bytes, " bytes; allowed are 1 to ",
                       kFileBytesMax, "; ", kLineGrammar));
  Result<Secret> content = Secret::make(bytes);
  if (!content.ok()) return content;
  for (size_t done = 0; done < bytes;) {
    const ssize_t got = read(file.get(), content->reveal().data() + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return cannot_read(path);
    if (got == 0)
      return Status(ErrorCode::kIoError, text("key file ", path, ": became shorter meanwhile"));
    done += static_cast<size_t>(got);
  }
  return content;
}

std::vector<std::byte> associated_with(const std::string& name, KeyUse use) {
  std::vector<std::byte> bytes;
  const auto add = [&bytes](const void* data, size_t count) {
    const auto* const from = static_cast<const std::byte*>(data);
    bytes.insert(bytes.end(), from, from + count);
  };
  const auto family = static_cast<uint32_t>(use.family);
  add(kAssociatedHead.data(), kAssociatedHead.size());
  add(use.store.data(), use.store.size());
  add(&family, sizeof family);
  add(name.data(), name.size());
  return bytes;
}

}  // namespace

Result<KeyRing> KeyRing::read(const std::string& path) {
  const Result<Secret> content = read_whole(path);
  if (!content.ok()) return content.status();
  KeyRing ring(path);
  const std::span<const std::byte> bytes = content->reveal();
  VARVE_TRY(ring.parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()}));
  return ring;
}

Status KeyRing::parse(std::string_view words) {
  uint64_t line_number = 0;
  while (!words.empty()) {
    ++line_number;
    const size_t end = words.find('\n');
    const std::string_view line = trimmed(words.substr(0, end));
    words.remove_prefix(end == std::string_view::npos ? words.size() : end + 1);
    if (line.empty() || line.front() == '#') continue;
    const Status status = parse_line(line);
    if (status.ok()) continue;
    return {status.code(), text("key file ", path_, ":", line_number, ": ", status.message())};
  }
  if (keys_.empty())
    return {ErrorCode::kInvalidArgument,
            text("key file ", path_, ": there is no key in it; ", kLineGrammar)};
  return {};
}

// Says nothing of what stands in a bad line: what looks like a name may be half a key.
Status KeyRing::parse_line(std::string_view line) {
  const size_t space = line.find_first_of(" \t");
  const std::string_view name = line.substr(0, space);
  if (space == std::string_view::npos || !is_name(name))
    return {ErrorCode::kInvalidArgument, text("no name in front of a key; ", kLineGrammar)};
  if (find(name) != nullptr) return {ErrorCode::kInvalidArgument, "its name is used twice"};
  Result<Secret> key = Secret::make(kWrappingKeyBytes);
  if (!key.ok()) return key.status();
  if (!decode_key(trimmed(line.substr(space)), key->reveal()))
    return {ErrorCode::kInvalidArgument, text("the key is cut off or damaged; ", kLineGrammar)};
  keys_.emplace_back(name, std::move(*key));
  return {};
}

std::vector<std::string> KeyRing::names() const {
  std::vector<std::string> names;
  names.reserve(keys_.size());
  for (const auto& [name, key] : keys_) names.push_back(name);
  return names;
}

const Secret* KeyRing::find(std::string_view name) const {
  for (const auto& [held, key] : keys_)
    if (held == name) return &key;
  return nullptr;
}

Status KeyRing::missing(std::string_view name) const {
  std::string known;
  for (const auto& [held, key] : keys_) known += text(known.empty() ? "" : ", ", held);
  return {ErrorCode::kInvalidArgument,
          text("key file ", path_, ": has no wrapping key ", name, "; it has ", known)};
}

Result<std::string> KeyRing::choose(const std::string& asked) const {
  if (!asked.empty()) {
    if (!has(asked)) return missing(asked);
    return asked;
  }
  if (keys_.size() == 1) return keys_.front().first;
  return Status(ErrorCode::kInvalidArgument, text("key file ", path_, ": has ", keys_.size(),
                                                  " wrapping keys: say which one is meant"));
}

Result<std::vector<std::byte>> KeyRing::wrap(const std::string& name, KeyUse use,
                                             const Secret& key) const {
  const Secret* const wrapping = find(name);
  if (wrapping == nullptr) return missing(name);
  return wrap_key(*wrapping, associated_with(name, use), key);
}

Result<Secret> KeyRing::unwrap(const std::string& name, KeyUse use,
                               std::span<const std::byte> wrapped) const {
  const Secret* const wrapping = find(name);
  if (wrapping == nullptr) return missing(name);
  Result<Secret> key = unwrap_key(*wrapping, associated_with(name, use), wrapped);
  if (key.ok()) return key;
  return Status(key.code(), text("key file ", path_, ": wrapping key ", name,
                                 " does not fit: ", key.status().message()));
}

}  // namespace varve
