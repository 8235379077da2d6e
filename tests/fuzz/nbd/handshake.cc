// Arbitrary bytes as a client's half of the handshake, in pieces of arbitrary length: whatever
// comes, the answers are well-formed replies and the parser neither stalls nor reads past its
// input.
#include "plugins/nbd/handshake.h"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "plugins/abi/plugin.h"
#include "plugins/nbd/limits.h"
#include "plugins/nbd/protocol.h"
#include "plugins/sdk/bytes.h"

namespace {

using varve::Handshake;
using Step = varve::Handshake::Step;

void require(bool condition) {
  if (!condition) std::abort();
}

// The replies in `out` must fill it exactly, but for the answer to the oldest option.
void check_replies(const std::string& out, bool transmits) {
  size_t at = 0;
  while (out.size() - at >= varve::kNbdOptionReplyHeaderBytes) {
    const auto* reply = reinterpret_cast<const uint8_t*>(out.data()) + at;
    if (varve::load_be<uint64_t>(reply) != varve::kNbdOptionReplyMagic) break;
    at += varve::kNbdOptionReplyHeaderBytes + varve::load_be<uint32_t>(reply + 16);
    require(at <= out.size());
  }
  const size_t rest = out.size() - at;
  require(rest == 0 || (transmits && (rest == 10 || rest == 10 + varve::kNbdExportNamePadding)));
}

Step answer(Handshake& handshake, Step step, std::string& out) {
  if (step == Step::kList)
    return handshake.listed(VARVE_OK, std::string_view("a\0b\0unfinished", 14), out);
  if (step != Step::kOpen) return step;
  require(!handshake.wanted().empty());
  const bool known = handshake.wanted().size() % 2 == 1;
  return handshake.opened(known ? VARVE_OK : VARVE_E_NOT_FOUND, {1 << 20, 4096, 1 << 25, false},
                          out);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool needs_tls = (data[0] & 128) == 0;
  const size_t piece = size_t{1} + (data[0] & 127);
  const std::span<const uint8_t> input(data + 1, size - 1);
  std::string out;
  Handshake handshake(out, needs_tls);
  bool in_tls = !needs_tls;
  out.clear();
  size_t begin = 0;
  size_t end = 0;
  Step step = Step::kRead;
  while (step == Step::kRead && end < input.size()) {
    end = std::min(input.size(), end + piece);
    size_t used = 1;
    while (step == Step::kRead && used > 0) {
      step = handshake.consume(input.subspan(begin, end - begin), used, out);
      require(used <= end - begin);
      begin += used;
      require(in_tls || step == Step::kRead || step == Step::kStartTls || step == Step::kClose);
      if (step == Step::kStartTls) {
        require(!std::exchange(in_tls, true));
        handshake.tls_started();
        step = Step::kRead;
      }
      step = answer(handshake, step, out);
    }
    require(step != Step::kRead || end - begin < varve::kReceiveBytes);
  }
  check_replies(out, step == Step::kTransmit);
  return 0;
}
