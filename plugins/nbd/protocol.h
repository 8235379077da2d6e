// Constants of the NBD protocol (fixed newstyle), as its public description names them.
// Everything on the wire is big-endian; sizes are in bytes.
#pragma once

#include <cstddef>
#include <cstdint>

namespace varve {

// Handshake: what opens a connection.
inline constexpr uint64_t kNbdMagic = 0x4e42444d41474943;        // "NBDMAGIC"
inline constexpr uint64_t kNbdOptionMagic = 0x49484156454f5054;  // "IHAVEOPT"
inline constexpr uint64_t kNbdOptionReplyMagic = 0x0003e889045565a9;
inline constexpr uint16_t kNbdHandshakeFixedNewstyle = 1u << 0;
inline constexpr uint16_t kNbdHandshakeNoZeroes = 1u << 1;
inline constexpr uint32_t kNbdClientFixedNewstyle = 1u << 0;
inline constexpr uint32_t kNbdClientNoZeroes = 1u << 1;
inline constexpr size_t kNbdOptionHeaderBytes = 16;       // magic, option, length
inline constexpr size_t kNbdOptionReplyHeaderBytes = 20;  // magic, option, type, length
inline constexpr size_t kNbdExportNamePadding = 124;
inline constexpr uint32_t kNbdMaxNameBytes = 4096;  // longest string that the protocol allows

// Handshake: options.
inline constexpr uint32_t kNbdOptExportName = 1;
inline constexpr uint32_t kNbdOptAbort = 2;
inline constexpr uint32_t kNbdOptList = 3;
inline constexpr uint32_t kNbdOptStartTls = 5;
inline constexpr uint32_t kNbdOptInfo = 6;
inline constexpr uint32_t kNbdOptGo = 7;
inline constexpr uint32_t kNbdOptStructuredReply = 8;
inline constexpr uint32_t kNbdOptListMetaContext = 9;
inline constexpr uint32_t kNbdOptSetMetaContext = 10;

// Handshake: types of replies to options.
inline constexpr uint32_t kNbdRepAck = 1;
inline constexpr uint32_t kNbdRepServer = 2;
inline constexpr uint32_t kNbdRepInfo = 3;
inline constexpr uint32_t kNbdRepMetaContext = 4;
inline constexpr uint32_t kNbdRepErrUnsupported = 0x80000001;
inline constexpr uint32_t kNbdRepErrPolicy = 0x80000002;
inline constexpr uint32_t kNbdRepErrInvalid = 0x80000003;
inline constexpr uint32_t kNbdRepErrTlsRequired = 0x80000005;
inline constexpr uint32_t kNbdRepErrUnknown = 0x80000006;
inline constexpr uint32_t kNbdRepErrShutdown = 0x80000007;
inline constexpr uint32_t kNbdRepErrTooBig = 0x80000009;

// Handshake: pieces of information about an export.
inline constexpr uint16_t kNbdInfoExport = 0;
inline constexpr uint16_t kNbdInfoName = 1;
inline constexpr uint16_t kNbdInfoDescription = 2;
inline constexpr uint16_t kNbdInfoBlockSize = 3;

// What an export can do.
inline constexpr uint16_t kNbdHasFlags = 1u << 0;
inline constexpr uint16_t kNbdReadOnly = 1u << 1;
inline constexpr uint16_t kNbdSendFlush = 1u << 2;
inline constexpr uint16_t kNbdSendFua = 1u << 3;
inline constexpr uint16_t kNbdSendTrim = 1u << 5;
inline constexpr uint16_t kNbdSendWriteZeroes = 1u << 6;
inline constexpr uint16_t kNbdSendDf = 1u << 7;
inline constexpr uint16_t kNbdCanMultiConn = 1u << 8;
inline constexpr uint16_t kNbdSendFastZero = 1u << 11;

// Transmission: requests.
inline constexpr uint32_t kNbdRequestMagic = 0x25609513;
inline constexpr size_t kNbdRequestBytes = 28;  // magic, flags, type, cookie, offset, length
inline constexpr uint16_t kNbdCmdRead = 0;
inline constexpr uint16_t kNbdCmdWrite = 1;
inline constexpr uint16_t kNbdCmdDisconnect = 2;
inline constexpr uint16_t kNbdCmdFlush = 3;
inline constexpr uint16_t kNbdCmdTrim = 4;
inline constexpr uint16_t kNbdCmdWriteZeroes = 6;
inline constexpr uint16_t kNbdCmdBlockStatus = 7;
inline constexpr uint16_t kNbdFlagFua = 1u << 0;
inline constexpr uint16_t kNbdFlagNoHole = 1u << 1;
inline constexpr uint16_t kNbdFlagDf = 1u << 2;
inline constexpr uint16_t kNbdFlagReqOne = 1u << 3;
inline constexpr uint16_t kNbdFlagFastZero = 1u << 4;

// Transmission: replies.
inline constexpr uint32_t kNbdSimpleReplyMagic = 0x67446698;
inline constexpr size_t kNbdSimpleReplyBytes = 16;  // magic, error, cookie
inline constexpr uint32_t kNbdChunkMagic = 0x668e33ef;
inline constexpr size_t kNbdChunkBytes = 20;  // magic, flags, type, cookie, length
inline constexpr uint16_t kNbdChunkDone = 1u << 0;
inline constexpr uint16_t kNbdChunkOffsetData = 1;
inline constexpr uint16_t kNbdChunkBlockStatus = 5;
inline constexpr uint16_t kNbdChunkError = 0x8001;

// Errors in replies.
inline constexpr uint32_t kNbdEperm = 1;
inline constexpr uint32_t kNbdEio = 5;
inline constexpr uint32_t kNbdEnomem = 12;
inline constexpr uint32_t kNbdEinval = 22;
inline constexpr uint32_t kNbdEnospc = 28;
inline constexpr uint32_t kNbdEnotsup = 95;
inline constexpr uint32_t kNbdEshutdown = 108;

// The one metadata context: which parts of an export are holes or read as zeroes.
inline constexpr char kNbdAllocation[] = "base:allocation";
inline constexpr uint32_t kNbdAllocationId = 1;
inline constexpr uint32_t kNbdStateHole = 1u << 0;
inline constexpr uint32_t kNbdStateZero = 1u << 1;

static_assert(kNbdRequestBytes == 4 + 2 + 2 + 8 + 8 + 4);
static_assert(kNbdChunkBytes == 4 + 2 + 2 + 8 + 4);
static_assert(kNbdOptionReplyHeaderBytes == 8 + 4 + 4 + 4);

}  // namespace varve
