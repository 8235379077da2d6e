// What a call that failed means: was anything done, and does it help to try again?
//
// Thread rule: plain values.
#pragma once

#include <string>

namespace varve {

struct Failure {
  int code = 0;       // of gRPC; 0: it worked
  std::string words;  // from etcd or gRPC
};

enum class Verdict {
  kDone,
  kRetry,      // nothing was done; soon it may work
  kElsewhere,  // nothing was done; another server may do it
  kLogin,      // nothing was done; whoever asks must log in
  kRefused,    // nothing was done; nor will be the next time
  kDoubt,      // a commit may have been applied, or may still be
};

// A transport that failed never means that nothing was done: only etcd's own words do.
Verdict judge(const Failure& failure);

}  // namespace varve
