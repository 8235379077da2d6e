// Mailbox: what the plugin's thread has for one context.
//
// Thread rule: the plugin's thread puts, the context's thread does the rest; a mutex inside.
// Ownership: shared by both, for either may end first. Once closed it takes nothing more.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "plugins/abi/metadata.h"
#include "plugins/metadata_sqlite/calls.h"
#include "plugins/sdk/unique_fd.h"

namespace varve {

struct Letter {
  uint32_t kind = 0;  // VARVE_METADATA_...
  int32_t result = VARVE_OK;
  uint64_t op_id = 0;
  Answer answer;
};

class Mailbox {
 public:
  Mailbox();
  bool valid() const { return wait_fd_.valid(); }
  int wait_fd() const { return wait_fd_.get(); }

  // Context's side.
  bool begin_call();                      // false: too many are under way
  uint64_t add_watch(uint64_t op_id);     // a number that is never used again
  uint64_t remove_watch(uint64_t op_id);  // that number; 0: no such watch
  bool empty();
  // Moves out at most `most` letters. `behind`: some watch waits for room to say more.
  std::vector<Letter> take(uint32_t most, bool& behind);
  void close();

  // Plugin's side.
  void put_result(Letter letter);
  // Of the watch with this number; dropped when it was removed.
  void put_of_watch(uint64_t number, Letter letter);
  // The context has not taken this watch's last letter yet, so that later changes can be merged.
  bool watch_is_full(uint64_t number);
  bool closed();
  // The watch has more to say: say so in take().
  void set_behind();

 private:
  struct Watch {
    uint64_t number = 0;
    bool full = false;
  };
  void put(Letter letter);
  Watch* find(uint64_t number);

  const UniqueFd wait_fd_;
  std::mutex mutex_;  // guards what follows
  std::deque<Letter> letters_;
  std::map<uint64_t, Watch> watches_;  // by op_id
  uint64_t last_number_ = 0;
  uint32_t calls_ = 0;
  bool signalled_ = false;  // wait_fd_ is readable
  bool behind_ = false;
  bool closed_ = false;
};

}  // namespace varve
