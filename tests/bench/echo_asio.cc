// The bare Asio: its reactor, one read and at most one write on their way.
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "core/base/text.h"
#include "tests/bench/echo_stream.h"

namespace varve {
namespace {

namespace asio = boost::asio;
using Error = boost::system::error_code;

class AsioDriver {
 public:
  AsioDriver(int socket, EchoStream& stream) : stream_(stream) {
    Error error;
    socket_.assign(asio::ip::tcp::v4(), socket, error);
    if (error) fail(text("assign: ", error.message()));
  }
  AsioDriver(const AsioDriver&) = delete;
  AsioDriver& operator=(const AsioDriver&) = delete;
  // The descriptor belongs to the caller.
  ~AsioDriver() {
    Error error;
    socket_.release(error);
  }

  void run() {
    write();
    read();
    context_.run();
  }

 private:
  void read() {
    const auto room = stream_.room();
    socket_.async_read_some(asio::buffer(room.data(), room.size()),
                            [this](const Error& error, size_t bytes) { received(error, bytes); });
  }

  void received(const Error& error, size_t bytes) {
    if (error == asio::error::eof) return stream_.closed();
    if (error) fail(text("read: ", error.message()));
    stream_.received(bytes);
    if (stream_.ended()) return;
    write();
    read();
  }

  void write() {
    if (writing_ || !stream_.has_pieces()) return;
    writing_ = true;
    const auto pieces = stream_.pieces();
    const std::array<asio::const_buffer, 2> buffers = {
        asio::const_buffer(pieces[0].iov_base, pieces[0].iov_len),
        asio::const_buffer(pieces[1].iov_base, pieces[1].iov_len)};
    socket_.async_write_some(buffers, [this](const Error& error, size_t bytes) {
      if (error) fail(text("write: ", error.message()));
      writing_ = false;
      stream_.sent(bytes);
      write();
    });
  }

  EchoStream& stream_;
  asio::io_context context_{BOOST_ASIO_CONCURRENCY_HINT_UNSAFE};  // one thread: no locks
  asio::ip::tcp::socket socket_{context_};
  bool writing_ = false;
};

}  // namespace

void drive_by_asio(int socket, EchoStream& stream) {
  AsioDriver(socket, stream).run();
}

}  // namespace varve
