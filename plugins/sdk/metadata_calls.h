// Calls of a metadata plugin as its own thread sees them, and the answers: all bytes are copies.
//
// Thread rule: plain values; MetadataThread::push may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/abi/metadata.h"

namespace varve {

class Mailbox;

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

struct Request {
  // kLook: a watch has room again, or a context is gone.
  enum class Kind { kRange, kCommit, kWatch, kUnwatch, kLook };
  Kind kind = Kind::kLook;
  std::shared_ptr<Mailbox> mailbox;
  uint64_t op_id = 0;
  uint64_t watch = 0;     // its number
  uint64_t revision = 0;  // watch: what is known already
  std::string prefix;     // range, watch
  Transaction transaction;
  std::chrono::steady_clock::time_point accepted{};  // set by push
};

struct Letter {
  uint32_t kind = 0;  // VARVE_METADATA_...
  int32_t result = VARVE_OK;
  uint64_t op_id = 0;
  Answer answer;
};

// The thread of a plugin's own that serves the calls of all contexts of an instance.
class MetadataThread {
 public:
  virtual ~MetadataThread() = default;
  virtual void push(Request request) = 0;
};

}  // namespace varve
