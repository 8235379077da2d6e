// AdminPeer: one connection to the admin API: handshake, one request, its answer, the end. It does
// what its socket lets it do and never waits.
//
// Thread rule: one thread, that of the scratch. Ownership: owns its socket; borrows the scratch.
// Units: milliseconds of the monotonic clock. Errors: state() is kGone, and news() says why.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "core/daemon/admin_gate.h"
#include "plugins/sdk/unique_fd.h"
#include "plugins/tls/stream.h"

namespace varve {

class AdminPeer {
 public:
  enum class State : uint8_t {
    kHandshake,
    kRequest,  // it is on its way
    kWhole,    // it is here: take_request()
    kAsked,    // somebody else makes the answer()
    kReply,    // it is on its way
    kLeaving,  // until the other side has read all
    kGone,
  };

  // `credentials`: null for plain text.
  AdminPeer(UniqueFd socket, std::shared_ptr<const TlsCredentials> credentials,
            bool certificate_is_optional, TlsScratch& scratch, int64_t now_ms);

  State state() const { return state_; }
  int socket() const { return socket_.get(); }
  int64_t deadline_ms() const { return deadline_ms_; }
  short interest() const;  // POLL... bits
  // Has shown a certificate that lets it in, or its request is welcome.
  bool known() const { return is_welcome_ || !asker_.proven.name.empty(); }
  void welcome() { is_welcome_ = true; }
  const AdminAsker& asker() const { return asker_; }
  // Why it was turned away, once; most often empty.
  std::string take_news() { return std::exchange(news_, {}); }

  void go_on(int64_t now_ms);
  std::string take_request();
  void answer(std::string bytes, int64_t now_ms);
  void time_is_up();

 private:
  void shake_hands(int64_t now_ms);
  void receive(int64_t now_ms);
  void send(int64_t now_ms);
  void leave(int64_t now_ms);
  void see_off();
  ssize_t receive_some(char* to, size_t room);
  ssize_t send_some(std::string_view bytes);
  bool has_unsent() const { return tls_ != nullptr && tls_->has_unsent(); }

  UniqueFd socket_;
  std::unique_ptr<TlsStream> tls_;
  AdminAsker asker_;
  bool is_welcome_ = false;
  State state_;
  int64_t deadline_ms_;
  std::string news_;
  std::string in_;
  std::string out_;
  size_t sent_ = 0;  // of out_
};

}  // namespace varve
