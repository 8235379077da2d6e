// Where varved listens and what is shown to it, from the command line and the node's config.
//
// Errors: kInvalidArgument and what read_config_file gives, with a sentence.
#pragma once

#include <memory>
#include <string>

#include "core/base/error.h"
#include "core/cli/command.h"
#include "core/config/listen_address.h"
#include "plugins/tls/credentials.h"

namespace varve {

struct Endpoint {
  ListenAddress address;                              // the host may be any name
  std::shared_ptr<const TlsCredentials> credentials;  // null: plain text
  std::string token;                                  // empty: none
};

Result<Endpoint> endpoint_of(const Command& command);

}  // namespace varve
