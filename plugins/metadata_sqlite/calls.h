// Calls and answers as the plugin's thread sees them: all bytes are copies.
//
// Thread rule: plain values.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace varve {

struct Entry {
  std::string key;
  std::string value;
  uint64_t revision = 0;
  bool deleted = false;
};

struct Compare {
  std::string key;
  uint64_t revision = 0;
};
struct Put {
  std::string key;
  std::string value;
  bool remove = false;
};
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Put> puts;
};

struct Answer {
  uint64_t revision = 0;  // of the store, or the commit's own
  bool succeeded = false;
  bool more = false;       // of changes: there are some after `revision`
  bool forgotten = false;  // of changes: some up to `revision` are not known any more
  std::vector<Entry> entries;
};

}  // namespace varve
