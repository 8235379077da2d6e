// StreamPair: two TlsStreams that talk with each other, for tests.
//
// Thread rule: one thread drives both. Errors: the test fails.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <utility>

#include "plugins/tls/stream.h"

namespace varve {

// Connected and non-blocking; whoever asks closes them.
std::array<int, 2> unix_sockets();
std::array<int, 2> tcp_sockets();

struct StreamPair {
  using Credentials = std::shared_ptr<const TlsCredentials>;

  StreamPair(const Credentials& server_side, TlsRoles server_allows, const Credentials& client_side,
             TlsRoles client_allows, std::array<int, 2> connected = unix_sockets());
  StreamPair(const StreamPair&) = delete;
  StreamPair& operator=(const StreamPair&) = delete;
  ~StreamPair();

  // Both sides' ends of the handshake: the server's, the client's.
  std::pair<TlsStream::Handshake, TlsStream::Handshake> shake();

  TlsScratch scratch;
  const std::array<int, 2> sockets;  // the server's, the client's
  std::unique_ptr<TlsStream> server;
  std::unique_ptr<TlsStream> client;
};

// Bytes that depend on their place.
std::string stream_pattern(size_t bytes);
// Moves `bytes` from one to the other, `piece` bytes asked for at a time. Returns how often not all
// of what was left was taken.
size_t transfer(TlsStream& from, TlsStream& to, const std::string& bytes, size_t piece);

}  // namespace varve
