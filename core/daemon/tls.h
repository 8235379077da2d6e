// What this daemon's certificate has to do with its config.
//
// Thread rule: pure functions.
#pragma once

#include <string>

#include "core/config/node_config.h"
#include "plugins/tls/credentials.h"

namespace varve {

// As the config has it, or the machine's host name.
std::string node_name(const NodeConfig& config);

TlsFiles tls_files(const TlsConfig& config);
// Why a certificate of `self` is not that of the node `name`; empty: it is.
std::string tls_not_of_node(const TlsIdentity& self, const std::string& name);

}  // namespace varve
