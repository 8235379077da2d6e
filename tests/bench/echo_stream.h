// The bare kinds: one end of an echo over a socket, without what drives it. Messages have a fixed
// size, so nothing frames them.
//
// What has arrived together is answered together. Bytes leave from where requests are made, and are
// looked at where they arrive. Both begin on a page: the kernel copies slower to odd addresses.
//
// Thread rule: one thread. Ownership: client or server, and the socket, outlive it.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "core/base/aligned_buffer.h"
#include "plugins/sdk/unique_fd.h"
#include "tests/bench/echo.h"

namespace varve {

class EchoStream {
 public:
  EchoStream(const EchoOptions& options, EchoServer& server);
  // Begins the client.
  EchoStream(const EchoOptions& options, EchoClient& client);
  EchoStream(const EchoStream&) = delete;
  EchoStream& operator=(const EchoStream&) = delete;

  // Where the next bytes are to be received.
  std::span<std::byte> room() { return in_.span().subspan(in_bytes_); }
  void received(size_t bytes);
  // The peer has closed the connection.
  void closed();
  // What is to be sent, in order; the second piece may be empty, then there is just one.
  std::array<iovec, 2> pieces();
  bool has_pieces() const { return sent_bytes_ < queued_bytes_; }
  void sent(size_t bytes) { sent_bytes_ += bytes; }
  bool ended() const { return closed_ || (client_ != nullptr && client_->ended()); }

 private:
  EchoStream(const EchoOptions& options, EchoServer* server, EchoClient* client);
  std::byte* queue();
  void queue_requests();

  EchoServer* const server_;
  EchoClient* const client_;
  const size_t in_frame_bytes_;
  const size_t out_frame_bytes_;
  AlignedBuffer in_;
  size_t in_bytes_ = 0;
  const size_t ring_bytes_;  // room for all that can be outstanding
  AlignedBuffer out_;
  uint64_t queued_bytes_ = 0;
  uint64_t sent_bytes_ = 0;
  bool closed_ = false;
};

// Blocking sockets with TCP_NODELAY. The server says where it listens and takes one client.
UniqueFd accept_client(const EchoOptions& options);
UniqueFd connect_to_server(const EchoOptions& options);

// Carry `stream` over `socket` until it has ended.
void drive_by_uring(int socket, EchoStream& stream);
void drive_by_asio(int socket, EchoStream& stream);

}  // namespace varve
