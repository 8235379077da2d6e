// Sizes and times of the plugin, all in one place.
#pragma once

#include <cstdint>

namespace varve {

// A start in which no endpoint has become usable for this long is given up.
inline constexpr uint64_t kStartMs = 5000;
// A call for which no endpoint is usable for this long is given up; nothing was sent.
inline constexpr uint64_t kPatienceMs = 5000;
// Time for the answer to a commit; after it nobody knows. Also for one page of a range, one
// question for the status, one log-in.
inline constexpr uint64_t kCommitMs = 4000;
inline constexpr uint64_t kPageMs = 2000;
inline constexpr uint64_t kStatusMs = 2000;
inline constexpr uint64_t kLoginMs = 2000;
// Time for a watch to be opened.
inline constexpr uint64_t kWatchOpenMs = 3000;
// How soon what did not work is tried again.
inline constexpr uint64_t kRetryMs = 20;
inline constexpr uint64_t kRetryStatusMs = 100;
inline constexpr uint64_t kRetryLoginMs = 500;
inline constexpr uint64_t kRetryWatchMs = 50;
// While nothing is under way: how often endpoints that do not work are looked at.
inline constexpr uint64_t kIdleLookMs = 1000;
// An idle connection is tried so often, and is dead when no answer comes for so long. etcd closes
// the connection of who asks more often than every 5 s.
inline constexpr int kKeepaliveMs = 6000;
inline constexpr int kKeepaliveAnswerMs = 3000;
inline constexpr int kReconnectMinMs = 1000;  // also the time for a connection to be made
inline constexpr int kReconnectFirstMs = 100;
inline constexpr int kReconnectMaxMs = 1000;
// Calls of one context that are under way.
inline constexpr uint32_t kCallsMax = 256;
// Keys in one page of a range: with the largest values 8.5 MiB.
inline constexpr int64_t kPageKeys = 128;
// The largest message that is taken: a page, or what etcd makes of one revision's changes.
inline constexpr int kMessageBytesMax = 64 << 20;
inline constexpr uint64_t kPrefixBytesMax = 256;
inline constexpr uint64_t kFileBytesMax = 1 << 20;  // of a certificate, key or password

}  // namespace varve
