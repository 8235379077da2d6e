#include "plugins/nbd/handshake.h"

#include <array>

#include "plugins/abi/plugin.h"
#include "plugins/nbd/limits.h"
#include "plugins/nbd/protocol.h"
#include "plugins/sdk/bytes.h"
#include "plugins/sdk/host.h"

namespace varve {
namespace {

std::string_view as_text(std::span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Takes pieces off the front of an option's data; `ok` turns false when there is too little.
struct OptionReader {
  std::span<const uint8_t> rest;
  bool ok = true;

  std::span<const uint8_t> take(size_t bytes) {
    if (bytes > rest.size()) ok = false;
    if (!ok) return {};
    const auto piece = rest.first(bytes);
    rest = rest.subspan(bytes);
    return piece;
  }
  uint32_t number32() {
    const auto piece = take(4);
    return ok ? load_be<uint32_t>(piece.data()) : 0;
  }
  uint16_t number16() {
    const auto piece = take(2);
    return ok ? load_be<uint16_t>(piece.data()) : uint16_t{0};
  }
  std::string_view text32() { return as_text(take(number32())); }
};

struct OpenError {
  uint32_t reply;
  const char* why;
};

OpenError open_error(int32_t result) {
  switch (result) {
    case VARVE_E_NOT_FOUND:
      return {kNbdRepErrUnknown, "there is no volume of this name"};
    case VARVE_E_INVALID:
      return {kNbdRepErrUnknown, "this is not a valid volume name"};
    case VARVE_E_BUSY:
      return {kNbdRepErrPolicy, "the volume is attached elsewhere; detach it there first"};
    case VARVE_E_CLOSED:
      return {kNbdRepErrShutdown, "the server is shutting down"};
    case VARVE_E_AGAIN:
    case VARVE_E_NO_MEMORY:
      return {kNbdRepErrPolicy, "the server has no room for this now; try again"};
    case VARVE_E_DAMAGED:
    case VARVE_E_IO:
      return {kNbdRepErrPolicy,
              "the volume cannot be served: its disks fail; see the server's log"};
    default:
      return {kNbdRepErrPolicy, "the server cannot serve this volume; see its log"};
  }
}

}  // namespace

Handshake::Handshake(std::string& out, bool needs_tls)
    : tls_(needs_tls ? Tls::kNeeded : Tls::kNone) {
  append_be(out, kNbdMagic);
  append_be(out, kNbdOptionMagic);
  append_be(out, static_cast<uint16_t>(kNbdHandshakeFixedNewstyle | kNbdHandshakeNoZeroes));
}

Handshake::Step Handshake::consume(std::span<const uint8_t> input, size_t& used, std::string& out) {
  used = 0;
  if (!flags_read_) {
    if (input.size() < 4) return Step::kRead;
    const uint32_t flags = load_be<uint32_t>(input.data());
    used = 4;
    if ((flags & ~(kNbdClientFixedNewstyle | kNbdClientNoZeroes)) != 0) return Step::kClose;
    fixed_ = (flags & kNbdClientFixedNewstyle) != 0;
    no_zeroes_ = (flags & kNbdClientNoZeroes) != 0;
    flags_read_ = true;
  }
  while (true) {
    auto rest = input.subspan(used);
    if (skip_bytes_ > 0) {
      const size_t skipped = std::min<uint64_t>(skip_bytes_, rest.size());
      used += skipped;
      skip_bytes_ -= skipped;
      if (skip_bytes_ > 0) return Step::kRead;
      refuse(kNbdRepErrTooBig, "the option has more data than this server reads", out);
      continue;
    }
    if (rest.size() < kNbdOptionHeaderBytes) return Step::kRead;
    if (load_be<uint64_t>(rest.data()) != kNbdOptionMagic) return Step::kClose;
    option_ = load_be<uint32_t>(rest.data() + 8);
    const uint32_t length = load_be<uint32_t>(rest.data() + 12);
    if (!fixed_ && option_ != kNbdOptExportName) return Step::kClose;
    if (length > kMaxOptionBytes) {
      if (option_ == kNbdOptExportName || length > kMaxSkippedOptionBytes) return Step::kClose;
      used += kNbdOptionHeaderBytes;
      skip_bytes_ = length;
      continue;
    }
    if (rest.size() - kNbdOptionHeaderBytes < length) return Step::kRead;
    used += kNbdOptionHeaderBytes + length;
    const Step step = option_arrived(rest.subspan(kNbdOptionHeaderBytes, length), out);
    if (step != Step::kRead) return step;
  }
}

Handshake::Step Handshake::option_arrived(std::span<const uint8_t> data, std::string& out) {
  const bool allowed = option_ == kNbdOptStartTls || option_ == kNbdOptAbort;
  if (tls_ == Tls::kNeeded && !allowed)
    return refuse(kNbdRepErrTlsRequired, "this server wants TLS first: STARTTLS", out);
  switch (option_) {
    case kNbdOptExportName:
      return name_arrived(as_text(data), out);
    case kNbdOptAbort:
      reply(kNbdRepAck, {}, out);
      return Step::kClose;
    case kNbdOptList:
      if (data.empty()) return Step::kList;
      return refuse(kNbdRepErrInvalid, "the list option takes no data", out);
    case kNbdOptInfo:
    case kNbdOptGo:
      return read_info_request(data, out);
    case kNbdOptStructuredReply:
      if (!data.empty())
        return refuse(kNbdRepErrInvalid, "the structured reply option takes no data", out);
      structured_ = true;
      reply(kNbdRepAck, {}, out);
      return Step::kRead;
    case kNbdOptListMetaContext:
    case kNbdOptSetMetaContext:
      return read_context_request(data, out);
    case kNbdOptStartTls:
      return start_tls(data, out);
    default:
      return refuse(kNbdRepErrUnsupported, "this server does not know the option", out);
  }
}

Handshake::Step Handshake::start_tls(std::span<const uint8_t> data, std::string& out) {
  if (tls_ == Tls::kNone)
    return refuse(kNbdRepErrUnsupported, "this server does not speak TLS here", out);
  if (tls_ == Tls::kStarted) return refuse(kNbdRepErrInvalid, "TLS was started already", out);
  if (!data.empty()) return refuse(kNbdRepErrInvalid, "the STARTTLS option takes no data", out);
  reply(kNbdRepAck, {}, out);
  return Step::kStartTls;
}

void Handshake::tls_started() {
  tls_ = Tls::kStarted;
  structured_ = false;
  context_chosen_ = false;
}

Handshake::Step Handshake::read_info_request(std::span<const uint8_t> data, std::string& out) {
  OptionReader reader{data};
  const std::string_view name = reader.text32();
  const uint16_t count = reader.number16();
  info_name_ = info_description_ = false;
  for (uint32_t i = 0; i < count && reader.ok; ++i) {
    const uint16_t wish = reader.number16();
    info_name_ |= wish == kNbdInfoName;
    info_description_ |= wish == kNbdInfoDescription;
  }
  if (!reader.ok || !reader.rest.empty())
    return refuse(kNbdRepErrInvalid, "the option's lengths do not add up", out);
  return name_arrived(name, out);
}

Handshake::Step Handshake::read_context_request(std::span<const uint8_t> data, std::string& out) {
  const bool setting = option_ == kNbdOptSetMetaContext;
  if (setting) context_chosen_ = false;
  if (!structured_)
    return refuse(kNbdRepErrInvalid, "ask for structured replies before metadata contexts", out);
  OptionReader reader{data};
  const std::string_view name = reader.text32();
  const uint32_t count = reader.number32();
  context_matches_ = count == 0 && !setting;  // listing without a query lists all
  for (uint32_t i = 0; i < count && reader.ok; ++i) {
    const std::string_view query = reader.text32();
    context_matches_ |= query == kNbdAllocation || (!setting && query == "base:");
  }
  if (!reader.ok || !reader.rest.empty())
    return refuse(kNbdRepErrInvalid, "the option's lengths do not add up", out);
  return name_arrived(name, out);
}

Handshake::Step Handshake::name_arrived(std::string_view name, std::string& out) {
  if (name.empty())
    return refuse(kNbdRepErrUnknown,
                  "there is no default export: name a volume, as in nbd://HOST:PORT/VOLUME", out);
  if (name.size() > kNbdMaxNameBytes)
    return refuse(kNbdRepErrTooBig, "a volume name has at most 4096 bytes", out);
  wanted_ = name;
  if (wanted_ == open_name_) return answer_name(out);
  open_name_.clear();
  return Step::kOpen;
}

Handshake::Step Handshake::opened(int32_t result, const NbdExport& volume, std::string& out) {
  if (result != VARVE_OK) {
    const OpenError error = open_error(result);
    return refuse(error.reply, error.why, out);
  }
  open_name_ = wanted_;
  open_ = volume;
  return answer_name(out);
}

// The option named the volume that is open now.
Handshake::Step Handshake::answer_name(std::string& out) {
  switch (option_) {
    case kNbdOptExportName:
      append_be(out, open_.size_bytes);
      append_be(out, export_flags());
      if (!no_zeroes_) out.append(kNbdExportNamePadding, '\0');
      return Step::kTransmit;
    case kNbdOptGo:
      answer_info(out);
      return Step::kTransmit;
    case kNbdOptInfo:
      answer_info(out);
      return Step::kRead;
    default:
      answer_context(out);
      return Step::kRead;
  }
}

void Handshake::answer_info(std::string& out) {
  std::string data;
  append_be(data, kNbdInfoExport);
  append_be(data, open_.size_bytes);
  append_be(data, export_flags());
  reply(kNbdRepInfo, data, out);
  data.clear();
  append_be(data, kNbdInfoBlockSize);
  append_be(data, uint32_t{1});
  append_be(data, open_.block_bytes);
  append_be(data, open_.max_bytes);
  reply(kNbdRepInfo, data, out);
  if (info_name_) {
    data.clear();
    append_be(data, kNbdInfoName);
    reply(kNbdRepInfo, data + open_name_, out);
  }
  if (info_description_) {
    data.clear();
    append_be(data, kNbdInfoDescription);
    reply(kNbdRepInfo, data + (open_.read_only ? "Varve volume, read-only" : "Varve volume"), out);
  }
  reply(kNbdRepAck, {}, out);
}

void Handshake::answer_context(std::string& out) {
  const bool setting = option_ == kNbdOptSetMetaContext;
  if (context_matches_) {
    std::string data;
    append_be(data, setting ? kNbdAllocationId : uint32_t{0});
    reply(kNbdRepMetaContext, data + kNbdAllocation, out);
  }
  reply(kNbdRepAck, {}, out);
  if (setting) {
    context_chosen_ = context_matches_;
    context_volume_ = open_name_;
  }
}

Handshake::Step Handshake::listed(int32_t result, std::string_view names, std::string& out) {
  if (result != VARVE_OK) {
    const OpenError error = open_error(result);
    return refuse(error.reply, error.why, out);
  }
  while (!names.empty()) {
    const std::string_view name = names.substr(0, names.find('\0'));
    std::string data;
    append_be(data, static_cast<uint32_t>(name.size()));
    reply(kNbdRepServer, data.append(name), out);
    names.remove_prefix(std::min(name.size() + 1, names.size()));
  }
  reply(kNbdRepAck, {}, out);
  return Step::kRead;
}

// The oldest way to name an export knows no error reply: there the connection just ends.
Handshake::Step Handshake::refuse(uint32_t error, std::string_view why, std::string& out) {
  if (option_ == kNbdOptExportName) return Step::kClose;
  reply(error, why, out);
  return Step::kRead;
}

void Handshake::reply(uint32_t type, std::string_view data, std::string& out) {
  append_be(out, kNbdOptionReplyMagic);
  append_be(out, option_);
  append_be(out, type);
  append_be(out, static_cast<uint32_t>(data.size()));
  out += data;
}

uint16_t Handshake::export_flags() const {
  uint16_t flags = kNbdHasFlags | kNbdSendFlush | kNbdSendFua | kNbdCanMultiConn;
  if (structured_) flags |= kNbdSendDf;
  if (open_.read_only) return flags | kNbdReadOnly;
  return flags | kNbdSendTrim | kNbdSendWriteZeroes | kNbdSendFastZero;
}

}  // namespace varve
