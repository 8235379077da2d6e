// What is known about releases of etcd.
//
// Thread rule: a plain function.
#pragma once

#include <string>
#include <string_view>

namespace varve {

// What an operator must know about an etcd of this version; empty: nothing.
std::string version_warning(std::string_view version);

}  // namespace varve
