// Kernel TLS: a socket whose kernel makes the records of TLS 1.3 of what is sent. Linux has it as
// the module `tls`; which ciphers it knows depends on its version and modules.
//
// Thread rule: pure functions of their arguments and the socket. Nothing blocks, but for the first
// call of kernel_has_tls() in a process that may load modules.
// Errors: errno; 0 means success. Secrets and keys are wiped from all memory of ours.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

struct evp_md_st;  // of libcrypto

namespace varve {

// A traffic secret of one direction (RFC 8446, 7.1). Wiped when it goes.
class TlsSecret {
 public:
  TlsSecret() = default;
  TlsSecret(const TlsSecret&) = delete;
  TlsSecret& operator=(const TlsSecret&) = delete;
  ~TlsSecret() { wipe(); }

  // From hexadecimal digits. What is none, or too long, leaves it empty.
  void read(std::string_view digits);
  void wipe();
  std::span<const uint8_t> bytes() const { return {bytes_.data(), count_}; }

 private:
  std::array<uint8_t, 48> bytes_{};
  size_t count_ = 0;
};

inline constexpr size_t kTlsNonceBytes = 12;

// HKDF-Expand-Label(secret, label, "", out.size()) with the suite's hash. False: out of memory.
bool expand_tls_label(const evp_md_st* hash, std::span<const uint8_t> secret,
                      std::string_view label, std::span<uint8_t> out);

// 0: it has. Else why not: ENOENT is a kernel without the module.
int kernel_has_tls();

// From here on the kernel encrypts what is sent, from record 0 on under `secret` on. `suite` is the
// number of TLS_AES_128_GCM_SHA256 or another of TLS 1.3. Not 0: the socket is as it was.
int give_kernel_sending(int socket, uint32_t suite, const TlsSecret& secret);

// As sendmsg, on such a socket: an alert of these two bytes. False: there was no room.
bool send_kernel_alert(int socket, uint8_t level, uint8_t description);

}  // namespace varve
