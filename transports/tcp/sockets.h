// Sockets as this transport wants them: non-blocking, closed on exec, and quick to notice that a
// peer is gone.
//
// Errors: an invalid descriptor and errno.
#pragma once

#include "plugins/sdk/unique_fd.h"
#include "transports/tcp/address.h"
#include "transports/tcp/options.h"

namespace varve {

UniqueFd open_listener(const TcpAddress& address);
// A connection on its way: writable when it is made or has failed.
UniqueFd begin_connect(const TcpAddress& address, const TcpOptions& options);
// The next connection that was made to `listener`.
UniqueFd accept_connection(int listener, const TcpOptions& options);
// 0, or the errno with which the connect has failed.
int connect_error(int fd);
// The address that the socket is bound to, or that of its other end.
std::string local_address(int fd);
std::string peer_address(int fd);

}  // namespace varve
