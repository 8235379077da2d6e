// The handshake as a pure state machine: bytes in, bytes out, and a step for the caller to take.
//
// Thread rule: one owner. Ownership: holds copies only. Knows no socket and no host.
//
//   Handshake handshake(out);                       // greets
//   switch (handshake.consume(input, used, out)) {  // after each step: send out, drop used bytes
//     kRead:      call again with more bytes
//     kOpen:      open wanted(), close the volume open before, then call opened()
//     kList:      ask for the names of all volumes, then call listed()
//     kStartTls:  send out, begin TLS, then call tls_started(); nothing may have come meanwhile
//     kTransmit:  the next bytes are requests; the volume opened last is the one
//     kClose:     send what is in out and close
//   }
//
// Errors: a client's mistakes are answered in words in `out`; a peer that does not speak the
// protocol gets kClose.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace varve {

// What a client learns about a volume.
struct NbdExport {
  uint64_t size_bytes = 0;
  uint32_t block_bytes = 0;  // preferred unit of requests
  uint32_t max_bytes = 0;    // largest read or write
  bool read_only = false;
};

class Handshake {
 public:
  enum class Step { kRead, kOpen, kList, kStartTls, kTransmit, kClose };

  // `needs_tls`: every option is refused until TLS was started.
  explicit Handshake(std::string& out, bool needs_tls = false);

  // Reads from `input`; `used` bytes of it are done with. Not to be called while a step waits.
  Step consume(std::span<const uint8_t> input, size_t& used, std::string& out);

  // The volume that step kOpen asks for.
  const std::string& wanted() const { return wanted_; }
  // Answers step kOpen: `result` is VARVE_OK or VARVE_E_...
  Step opened(int32_t result, const NbdExport& volume, std::string& out);
  // Answers step kList: names that each end in NUL; `result` as above.
  Step listed(int32_t result, std::string_view names, std::string& out);

  // Answers step kStartTls: what was agreed in plain text is forgotten.
  void tls_started();

  bool structured() const { return structured_; }
  // Whether the client may ask for the status of blocks of the volume it chose.
  bool block_status() const { return context_chosen_ && context_volume_ == open_name_; }

 private:
  Step option_arrived(std::span<const uint8_t> data, std::string& out);
  Step start_tls(std::span<const uint8_t> data, std::string& out);
  Step name_arrived(std::string_view name, std::string& out);
  Step read_info_request(std::span<const uint8_t> data, std::string& out);
  Step read_context_request(std::span<const uint8_t> data, std::string& out);
  Step answer_name(std::string& out);
  void answer_info(std::string& out);
  void answer_context(std::string& out);
  Step refuse(uint32_t error, std::string_view why, std::string& out);
  void reply(uint32_t type, std::string_view data, std::string& out);
  uint16_t export_flags() const;

  enum class Tls : uint8_t { kNone, kNeeded, kStarted };

  Tls tls_;
  bool flags_read_ = false;
  bool fixed_ = false;
  bool no_zeroes_ = false;
  bool structured_ = false;
  uint64_t skip_bytes_ = 0;  // of an option too big to read

  uint32_t option_ = 0;  // being answered
  std::string wanted_;
  bool info_name_ = false;
  bool info_description_ = false;
  bool context_matches_ = false;

  std::string open_name_;  // of the volume that the caller holds open; empty: none
  NbdExport open_;
  bool context_chosen_ = false;
  std::string context_volume_;  // that the context was chosen for
};

}  // namespace varve
