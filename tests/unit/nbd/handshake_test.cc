// The handshake's answers, byte for byte, without a socket.
#include "plugins/nbd/handshake.h"

#include <catch2/catch_test_macros.hpp>
#include <vector>

#include "plugins/abi/plugin.h"
#include "plugins/nbd/limits.h"
#include "plugins/nbd/protocol.h"
#include "plugins/sdk/bytes.h"

namespace varve {
namespace {

using Step = Handshake::Step;

const NbdExport kVolume{1 << 20, 4096, 32u << 20, false};

struct Reply {
  uint32_t option;
  uint32_t type;
  std::string data;
};

std::string option_bytes(uint32_t option, const std::string& data) {
  std::string out;
  append_be(out, kNbdOptionMagic);
  append_be(out, option);
  append_be(out, static_cast<uint32_t>(data.size()));
  return out + data;
}

std::string text32(const std::string& text) {
  std::string out;
  append_be(out, static_cast<uint32_t>(text.size()));
  return out + text;
}

std::string info_request(const std::string& name, const std::vector<uint16_t>& wishes = {}) {
  std::string out = text32(name);
  append_be(out, static_cast<uint16_t>(wishes.size()));
  for (const uint16_t wish : wishes) append_be(out, wish);
  return out;
}

std::string context_request(const std::string& name, const std::vector<std::string>& queries) {
  std::string out = text32(name);
  append_be(out, static_cast<uint32_t>(queries.size()));
  for (const std::string& query : queries) out += text32(query);
  return out;
}

// A client that has said hello and collects the replies.
struct Client {
  explicit Client(uint32_t flags = kNbdClientFixedNewstyle | kNbdClientNoZeroes) : handshake(out) {
    REQUIRE(out.size() == 18);
    out.clear();
    std::string bytes;
    append_be(bytes, flags);
    last = give(bytes);
  }

  Step give(const std::string& bytes) {
    size_t used = 0;
    const std::span input(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
    last = handshake.consume(input, used, out);
    rest = bytes.substr(used);
    return last;
  }
  Step ask(uint32_t option, const std::string& data = {}) {
    return give(option_bytes(option, data));
  }
  // Answers kOpen as a host would that has one volume, "v".
  Step open() {
    REQUIRE(last == Step::kOpen);
    const bool known = handshake.wanted() == "v";
    return last = handshake.opened(known ? VARVE_OK : VARVE_E_NOT_FOUND, kVolume, out);
  }
  std::vector<Reply> replies() {
    std::vector<Reply> all;
    while (!out.empty()) {
      REQUIRE(out.size() >= kNbdOptionReplyHeaderBytes);
      const auto* at = reinterpret_cast<const uint8_t*>(out.data());
      REQUIRE(load_be<uint64_t>(at) == kNbdOptionReplyMagic);
      const uint32_t bytes = load_be<uint32_t>(at + 16);
      all.push_back({load_be<uint32_t>(at + 8), load_be<uint32_t>(at + 12), out.substr(20, bytes)});
      out.erase(0, kNbdOptionReplyHeaderBytes + bytes);
    }
    return all;
  }
  uint32_t only_reply() {
    const auto all = replies();
    REQUIRE(all.size() == 1);
    return all[0].type;
  }

  std::string out;
  Handshake handshake;
  std::string rest;
  Step last = Step::kRead;
};

TEST_CASE("an unknown option is refused and the handshake goes on") {
  Client client;
  CHECK(client.ask(4711, "whatever") == Step::kRead);
  CHECK(client.only_reply() == kNbdRepErrUnsupported);
  CHECK(client.ask(kNbdOptStartTls) == Step::kRead);
  CHECK(client.only_reply() == kNbdRepErrUnsupported);
  CHECK(client.ask(kNbdOptGo, info_request("v")) == Step::kOpen);
}

TEST_CASE("where TLS is needed, every option is refused until it was started") {
  std::string out;
  Handshake handshake(out, true);
  out.clear();
  const auto ask = [&](uint32_t option, const std::string& data) {
    std::string bytes;
    append_be(bytes, kNbdOptionMagic);
    append_be(bytes, option);
    append_be(bytes, static_cast<uint32_t>(data.size()));
    bytes += data;
    out.clear();
    size_t used = 0;
    return handshake.consume({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, used,
                             out);
  };
  const auto replied = [&] {
    REQUIRE(out.size() >= kNbdOptionReplyHeaderBytes);
    return load_be<uint32_t>(reinterpret_cast<const uint8_t*>(out.data()) + 12);
  };
  size_t used = 0;
  const std::string flags("\0\0\0\3", 4);
  handshake.consume({reinterpret_cast<const uint8_t*>(flags.data()), 4}, used, out);
  for (const uint32_t option : {kNbdOptList, kNbdOptInfo, kNbdOptGo, kNbdOptStructuredReply,
                                kNbdOptListMetaContext, kNbdOptSetMetaContext, 4711u}) {
    CHECK(ask(option, info_request("v")) == Step::kRead);
    CHECK(replied() == kNbdRepErrTlsRequired);
  }
  CHECK(ask(kNbdOptStartTls, "x") == Step::kRead);
  CHECK(replied() == kNbdRepErrInvalid);
  CHECK(ask(kNbdOptStartTls, "") == Step::kStartTls);
  CHECK(replied() == kNbdRepAck);
  handshake.tls_started();
  CHECK_FALSE(handshake.structured());
  CHECK(ask(kNbdOptStartTls, "") == Step::kRead);
  CHECK(replied() == kNbdRepErrInvalid);
  CHECK(ask(kNbdOptGo, info_request("v")) == Step::kOpen);
}

TEST_CASE("the oldest way to name an export ends the connection where TLS is needed") {
  std::string out;
  Handshake handshake(out, true);
  std::string bytes("\0\0\0\3", 4);
  append_be(bytes, kNbdOptionMagic);
  append_be(bytes, kNbdOptExportName);
  append_be(bytes, uint32_t{1});
  bytes += "v";
  size_t used = 0;
  CHECK(handshake.consume({reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()}, used,
                          out) == Step::kClose);
}

TEST_CASE("go opens the volume, tells its size and block sizes, and enters transmission") {
  Client client;
  client.ask(kNbdOptGo, info_request("v", {kNbdInfoName, kNbdInfoDescription}));
  CHECK(client.open() == Step::kTransmit);
  const auto replies = client.replies();
  REQUIRE(replies.size() == 5);
  const auto* info = reinterpret_cast<const uint8_t*>(replies[0].data.data());
  CHECK(load_be<uint16_t>(info) == kNbdInfoExport);
  CHECK(load_be<uint64_t>(info + 2) == kVolume.size_bytes);
  CHECK((load_be<uint16_t>(info + 10) & kNbdSendDf) == 0);  // structured replies were not asked for
  const auto* sizes = reinterpret_cast<const uint8_t*>(replies[1].data.data());
  CHECK(load_be<uint16_t>(sizes) == kNbdInfoBlockSize);
  CHECK(load_be<uint32_t>(sizes + 2) == 1);
  CHECK(load_be<uint32_t>(sizes + 6) == 4096);
  CHECK(load_be<uint32_t>(sizes + 10) == 32u << 20);
  CHECK(replies[2].data.substr(2) == "v");
  CHECK(replies[4].type == kNbdRepAck);
}

TEST_CASE("info keeps the volume open for a go of the same name") {
  Client client;
  client.ask(kNbdOptInfo, info_request("v"));
  CHECK(client.open() == Step::kRead);
  CHECK(client.ask(kNbdOptGo, info_request("v")) == Step::kTransmit);
}

TEST_CASE("the default export is refused with the rule in words") {
  Client client;
  CHECK(client.ask(kNbdOptGo, info_request("")) == Step::kRead);
  const auto replies = client.replies();
  REQUIRE(replies.size() == 1);
  CHECK(replies[0].type == kNbdRepErrUnknown);
  CHECK(replies[0].data.find("name a volume") != std::string::npos);
}

TEST_CASE("a name that is unknown is refused and another may follow") {
  Client client;
  client.ask(kNbdOptGo, info_request("w"));
  CHECK(client.open() == Step::kRead);
  CHECK(client.only_reply() == kNbdRepErrUnknown);
  client.ask(kNbdOptGo, info_request("v"));
  CHECK(client.open() == Step::kTransmit);
}

TEST_CASE("the old way to name an export answers with padding unless told not to") {
  Client padded(kNbdClientFixedNewstyle);
  padded.ask(kNbdOptExportName, "v");
  CHECK(padded.open() == Step::kTransmit);
  CHECK(padded.out.size() == 10 + kNbdExportNamePadding);
  Client bare;
  bare.ask(kNbdOptExportName, "v");
  CHECK(bare.open() == Step::kTransmit);
  CHECK(bare.out.size() == 10);
  Client unknown;
  unknown.ask(kNbdOptExportName, "w");
  CHECK(unknown.open() == Step::kClose);
  CHECK(unknown.out.empty());
}

TEST_CASE("a client of the oldest style may only name an export") {
  Client client(0);
  CHECK(client.ask(kNbdOptList) == Step::kClose);
}

TEST_CASE("foreign bytes and unknown client flags end the connection") {
  Client flags(0x80);
  CHECK(flags.last == Step::kClose);
  Client magic;
  CHECK(magic.give("GET / HTTP/1.1\r\n\r\n") == Step::kClose);
}

TEST_CASE("list asks for all names and sends each") {
  Client client;
  CHECK(client.ask(kNbdOptList) == Step::kList);
  CHECK(client.handshake.listed(VARVE_OK, std::string_view("a\0bc\0", 5), client.out) ==
        Step::kRead);
  const auto replies = client.replies();
  REQUIRE(replies.size() == 3);
  CHECK(replies[0].data == text32("a"));
  CHECK(replies[1].data == text32("bc"));
  CHECK(replies[2].type == kNbdRepAck);
}

TEST_CASE("abort is acknowledged before the connection ends") {
  Client client;
  CHECK(client.ask(kNbdOptAbort) == Step::kClose);
  CHECK(client.only_reply() == kNbdRepAck);
}

TEST_CASE("metadata contexts need structured replies first") {
  Client client;
  client.ask(kNbdOptSetMetaContext, context_request("v", {kNbdAllocation}));
  CHECK(client.only_reply() == kNbdRepErrInvalid);
  client.ask(kNbdOptStructuredReply);
  CHECK(client.only_reply() == kNbdRepAck);
  client.ask(kNbdOptSetMetaContext, context_request("v", {"x:y", kNbdAllocation}));
  CHECK(client.open() == Step::kRead);
  const auto replies = client.replies();
  REQUIRE(replies.size() == 2);
  CHECK(replies[0].data.substr(4) == kNbdAllocation);
  CHECK(client.ask(kNbdOptGo, info_request("v")) == Step::kTransmit);
  CHECK(client.handshake.block_status());
}

TEST_CASE("listing contexts without a query or with the namespace lists the one there is") {
  for (const auto& queries : {std::vector<std::string>{}, std::vector<std::string>{"base:"}}) {
    Client client;
    client.ask(kNbdOptStructuredReply);
    client.ask(kNbdOptListMetaContext, context_request("v", queries));
    client.open();
    CHECK(client.replies().size() == 3);
    CHECK_FALSE(client.handshake.block_status());
  }
}

TEST_CASE("a context chosen for one volume does not hold for another") {
  Client client;
  client.ask(kNbdOptStructuredReply);
  client.ask(kNbdOptSetMetaContext, context_request("v", {kNbdAllocation}));
  client.open();
  client.ask(kNbdOptGo, info_request("w"));
  client.last = client.handshake.opened(VARVE_OK, kVolume, client.out);
  CHECK(client.last == Step::kTransmit);
  CHECK_FALSE(client.handshake.block_status());
}

TEST_CASE("option data whose lengths do not add up is invalid") {
  Client client;
  std::string lying;
  append_be(lying, uint32_t{100});
  for (const uint32_t option : {kNbdOptGo, kNbdOptInfo}) {
    CHECK(client.ask(option, lying + "v") == Step::kRead);
    CHECK(client.only_reply() == kNbdRepErrInvalid);
    CHECK(client.ask(option, info_request("v") + "x") == Step::kRead);
    CHECK(client.only_reply() == kNbdRepErrInvalid);
  }
}

TEST_CASE("an option too big to read is skipped and refused; a huge one ends the connection") {
  Client client;
  const std::string big = option_bytes(kNbdOptInfo, std::string(kMaxOptionBytes + 1, 'x'));
  client.give(big.substr(0, 1000));
  CHECK(client.rest.empty());
  CHECK(client.out.empty());
  CHECK(client.give(big.substr(1000)) == Step::kRead);
  CHECK(client.only_reply() == kNbdRepErrTooBig);
  std::string huge;
  append_be(huge, kNbdOptionMagic);
  append_be(huge, kNbdOptInfo);
  append_be(huge, uint32_t{0xffffffff});
  CHECK(client.give(huge) == Step::kClose);
}

TEST_CASE("bytes that arrive one by one lead to the same answers as all at once") {
  const std::string bytes = option_bytes(kNbdOptStructuredReply, {}) + option_bytes(99, "abc") +
                            option_bytes(kNbdOptGo, info_request("v"));
  Client whole;
  whole.give(bytes);
  whole.open();
  Client slow;
  std::string kept;
  for (const char byte : bytes) {
    slow.give(kept + byte);
    kept = slow.rest;
  }
  slow.open();
  CHECK(slow.last == Step::kTransmit);
  CHECK(slow.out == whole.out);
}

TEST_CASE("a read-only volume offers nothing that writes") {
  Client client;
  client.ask(kNbdOptGo, info_request("v"));
  NbdExport volume = kVolume;
  volume.read_only = true;
  client.handshake.opened(VARVE_OK, volume, client.out);
  const auto replies = client.replies();
  const auto flags =
      load_be<uint16_t>(reinterpret_cast<const uint8_t*>(replies[0].data.data()) + 10);
  CHECK((flags & kNbdReadOnly) != 0);
  CHECK((flags & (kNbdSendTrim | kNbdSendWriteZeroes | kNbdSendFastZero)) == 0);
}

}  // namespace
}  // namespace varve
