#include "plugins/metadata_etcd/version.h"

#include <array>
#include <charconv>

#include "plugins/sdk/host.h"

namespace varve {
namespace {

// "3.5.28", "3.6.0-rc.1": its numbers. False: it has none.
bool read_version(std::string_view version, std::array<uint32_t, 3>& numbers) {
  const char* at = version.data();
  const char* const end = at + version.size();
  for (uint32_t& number : numbers) {
    if (&number != numbers.data()) {
      if (at == end || *at != '.') return false;
      ++at;
    }
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc()) return false;
    at = next;
  }
  return true;
}

}  // namespace

std::string version_warning(std::string_view version) {
  std::array<uint32_t, 3> numbers{};
  if (!read_version(version, numbers)) {
    return join({"says that its version is \"", version, "\", which is unknown"});
  }
  const bool good = numbers >= std::array<uint32_t, 3>{3, 6, 9} ||
                    (numbers[0] == 3 && numbers[1] == 5 && numbers[2] >= 28);
  if (good) return {};
  return join({"is version ", version,
               ": releases before 3.5.28 and 3.6.9 may answer with stale data and have known "
               "security holes; upgrade it"});
}

}  // namespace varve
