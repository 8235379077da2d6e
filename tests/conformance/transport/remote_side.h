// A transport whose contexts live in another process, on this machine or on another one, as a
// table: a TransportSide on it is used, and checks the contract, like any other. For the suite's
// right side; that other process is `serve_sides` of this same program.
//
// Every call waits for the other process's answer. wait_fd is the connection to it, which becomes
// readable when the wait_fd there does. One context and one arena in each instance.
// Thread rule: one thread. Errors: the test fails when the other process is gone.
#pragma once

#include <string>

#include "plugins/abi/transport.h"

namespace varve {

// VARVE_TRANSPORT_REMOTE=HOST:PORT in the environment: where sides are served. Empty: they are not.
std::string remote_address();
const varve_transport& remote_table();
// kill -9 of the process that the instance's context lives in; only context_destroy and
// instance_destroy are called after that.
void kill_remote(varve_transport_instance* instance);

// Serves sides to other programs at HOST:PORT (IPv4) and says on stdout where; each in a process of
// its own, which ends with the connection. Does not return.
[[noreturn]] void serve_sides(const std::string& address);

}  // namespace varve
