// varve cert: makes and shows certificates on this machine; asks no daemon.
//
// Files: ca-cert.pem and ca-key.pem of the authority; ROLE-cert.pem and ROLE-key.pem beside a copy
// of ca-cert.pem for whom a certificate is issued, as NBD clients expect them to be called. Keys
// have mode 0600. Each file appears whole; none that exists is replaced without --force.
#pragma once

#include <string>

#include "core/base/error.h"
#include "core/cli/command.h"

namespace varve {

// What to say to the operator.
Result<std::string> run_cert(const Command& command);

}  // namespace varve
