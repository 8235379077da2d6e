// The plugin's settings, read from its config section. Opens nothing.
//
// Errors: parse_options returns a sentence that names the key, what is wrong and what is allowed;
// empty means success. read_secret likewise; what a file holds is never part of it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "plugins/abi/plugin.h"

namespace varve {

struct EtcdOptions {
  struct Endpoint {
    std::string url;      // as given, for the operator
    std::string address;  // HOST:PORT
  };
  std::vector<Endpoint> endpoints;
  bool encrypted = false;  // all of them
  std::string prefix = "/varve/";
  std::string ca_file, cert_file, key_file;
  std::string user, password_file;
};

// One line per option, for the operator.
inline constexpr char kEtcdOptionHelp[] =
    "endpoints = [URL, ...]   \"http://HOST:PORT\" or \"https://HOST:PORT\" of each member of one\n"
    "                         etcd cluster; required\n"
    "prefix = KEY             of all keys; another one for each Varve cluster that shares an "
    "etcd.\n"
    "                         Begins and ends with \"/\" (/varve/)\n"
    "ca_file = FILE           who signed etcd's certificates, PEM (what the system trusts)\n"
    "cert_file = FILE         the certificate shown to etcd, PEM, and\n"
    "key_file = FILE          its private key; both or neither (neither)\n"
    "user = NAME              logs in with this name and\n"
    "password_file = FILE     the first line of this file; both or neither (neither)\n";

std::string parse_options(std::span<const varve_option> given, EtcdOptions& options);

// The whole file.
std::string read_secret(const std::string& path, std::string& content);

}  // namespace varve
