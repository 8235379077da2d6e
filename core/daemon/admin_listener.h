// The socket that the admin API listens at.
//
// Thread rule: before other threads make files, for the umask is changed for a moment.
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/config/listen_address.h"
#include "plugins/sdk/unique_fd.h"

namespace varve {

// Non-blocking. A socket file that nobody listens on any more is replaced; the new one is for its
// owner alone. kBusy: the address is in use, or not of this machine.
Result<UniqueFd> open_admin_listener(const ListenAddress& address);

// Of a connected socket, for the log: "10.0.0.1:4711", "a unix socket".
std::string admin_peer_name(int socket);

}  // namespace varve
