/* Transport plugins: they carry messages between nodes (TCP, RDMA, loopback). See plugin.h first.
 *
 * A transport knows bytes, peers and memory, nothing else. A message is a header of at most
 * VARVE_HEADER_BYTES_MAX and a payload. On one connection messages arrive whole, once, in the order
 * in which they were sent, or not at all: what is lost is lost together with the connection.
 * Between connections nothing is promised.
 *
 * Completions are pulled: every accepted connect and send ends in exactly one event, also after the
 * connection is gone and after disconnect. A refused call (negative result) gets none. CLOSED is
 * the last event of its connection: the sends have had their OP_DONE, no RECEIVED follows, and the
 * number is never used again.
 *
 * Until its OP_DONE the memory of a send belongs to the plugin. A receive buffer that was posted
 * belongs to the plugin until a RECEIVED names it, whatever becomes of the connection that was
 * filling it; context_destroy gives back the rest.
 *
 * The plugin checks what it is given: a slice must lie inside the arena of its `memory`, a receive
 * buffer, too. A connection that waits for a buffer still notices that its peer is lost, and then
 * ends without one; what had arrived behind it may be dropped. A transport may take a peer that
 * posts no buffer for some seconds, 5 or more, for lost.
 *
 * Sleeping: the host calls poll until it returns 0, then arm; when arm returns 0 the host may sleep
 * until wait_fd becomes readable. Calls of the host in between (send, connect, ...) may give poll
 * something to do: then arm, which the host asks again before it sleeps, says 1, or wait_fd is
 * readable. A poll that has done its share may return 0 with work left; then arm says 1.
 */
#ifndef VARVE_TRANSPORT_H
#define VARVE_TRANSPORT_H

#include "plugins/abi/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define VARVE_HEADER_BYTES_MAX 256u
#define VARVE_MESSAGE_SLICES_MAX 4u
/* A payload is at most this long: 1 MiB of data and what goes with it. */
#define VARVE_PAYLOAD_BYTES_MAX (1024u * 1024u + 16384u)
/* The largest number that a connection may have. */
#define VARVE_CONNECTION_MAX 0x0fffffffffffffffull

/* Memory inside an arena that the host registered; not empty, on any alignment. What is sent may
 * lie anywhere instead, with `memory` 0: a plugin whose hardware cannot reach it copies it. */
struct varve_slice {
  void* data;
  uint64_t bytes;
  uint64_t memory; /* as memory_register gave it */
};

struct varve_message {
  uint32_t struct_size;  /* smaller than the plugin's own: VARVE_E_INVALID */
  uint32_t header_bytes; /* 1 to VARVE_HEADER_BYTES_MAX; copied by send */
  const void* header;
  uint32_t slice_count; /* 0: no payload */
  uint32_t reserved;
  struct varve_slice slices[VARVE_MESSAGE_SLICES_MAX];
};

/* Values of varve_transport_event.kind. */
/* op_id of connect; result: VARVE_OK and the connection, VARVE_E_NOT_FOUND when nobody answers
 * there (refused, unreachable, or silent for too long), VARVE_E_IO when the fault is on this side.
 */
#define VARVE_EVENT_CONNECTED 1u
/* connection: a peer has connected to our listener. Here and in CONNECTED, `header` is the name
 * that the peer has proven to be its own (of a node: as in its config), not NUL-ended, at most
 * VARVE_HEADER_BYTES_MAX; header_bytes 0: this transport cannot tell. A transport that can tell
 * reports no peer of another cluster, and none that is no node. */
#define VARVE_EVENT_ACCEPTED 2u
#define VARVE_EVENT_RECEIVED 3u /* connection, header; op_id of the receive buffer, 0 if none */
/* op_id of send; result: VARVE_OK does not mean "arrived"; VARVE_E_CLOSED: lost with its
 * connection, which does not mean "did not arrive". */
#define VARVE_EVENT_OP_DONE 4u
/* connection, once; result, why: VARVE_OK after disconnect, VARVE_E_CLOSED when the peer did it,
 * VARVE_E_DAMAGED when it sent what is no message, VARVE_E_IO when it was lost. */
#define VARVE_EVENT_CLOSED 5u
/* connection: send had said AGAIN, try again; once for all refusals since the last, and not at all
 * when the connection ends first. */
#define VARVE_EVENT_WRITABLE 6u

/* 64 bytes for ever. */
struct varve_transport_event {
  uint32_t kind;
  int32_t result;
  uint64_t op_id;
  uint64_t connection; /* 0 only in CONNECTED with an error; at most VARVE_CONNECTION_MAX */
  const void* header;  /* the plugin's memory, valid until the next poll, each event's its own */
  uint32_t header_bytes;
  uint32_t payload_bytes; /* in the posted buffer, from its start */
  uint64_t reserved[3];
};

/* Values of varve_transport.flags. Where the host has TLS files and the options do not say
 * allow_plaintext = true, every peer that is reported has proven its name. With TLS files the host
 * uses no other transport, unless that option is given. A transport that cannot encrypt may need
 * that option and let peers prove their names all the same: the names that it reports count. */
#define VARVE_TRANSPORT_PROVES_NAMES 1u

struct varve_transport_instance; /* the plugin's own */
struct varve_transport_context;  /* the plugin's own */

struct varve_transport {
  struct varve_table table;
  /* One line per option: "listen = ADDRESS   what it is (default)". */
  const char* option_help;
  /* Reads the options; an unknown key or bad value is VARVE_E_INVALID with `why` filled in. Any
   * other error, with `why`, is that this transport cannot be used on this machine. */
  int32_t (*instance_create)(const struct varve_host* host, const struct varve_option* options,
                             uint32_t option_count, struct varve_transport_instance** instance,
                             char* why, uint32_t why_bytes);
  void (*instance_destroy)(struct varve_transport_instance* instance);
  int32_t (*context_create)(struct varve_transport_instance* instance, uint32_t shard_index,
                            struct varve_transport_context** context);
  /* Closes everything at once; no event follows, all memory is the host's again. */
  void (*context_destroy)(struct varve_transport_context* context);
  /* Once per arena and context. The number goes into slices; it is not 0. */
  int32_t (*memory_register)(struct varve_transport_context* context, void* base, uint64_t bytes,
                             uint64_t* memory);
  /* The host uses nothing of it any more: no buffer of it is posted, no send of it is under way.
   * VARVE_E_NOT_FOUND: no such number. */
  int32_t (*memory_unregister)(struct varve_transport_context* context, uint64_t memory);
  /* Begins to accept; once per context, in one context of an instance. On errors `why` is filled in
   * (NUL-ended, as everywhere). `bound` gets the address that peers can connect to (NUL-ended): the
   * same, or with the port that was chosen for port 0. */
  int32_t (*listen)(struct varve_transport_context* context, const char* address, char* bound,
                    uint32_t bound_bytes, char* why, uint32_t why_bytes);
  /* VARVE_E_INVALID: no address; VARVE_E_AGAIN: too many connections. What else goes wrong is told
   * by CONNECTED, which comes within a time that the plugin bounds. */
  int32_t (*connect)(struct varve_transport_context* context, const char* address, uint64_t op_id);
  /* Sends that are on the way get their OP_DONE, then CLOSED follows; the plugin does not wait for
   * the peer: what cannot be sent at once is dropped. VARVE_E_CLOSED: no such connection, or it is
   * being closed. */
  int32_t (*disconnect)(struct varve_transport_context* context, uint64_t connection);
  /* A buffer for one payload, registered, 4096-aligned; op_id is not 0. A payload goes into the
   * smallest buffer that can hold it of those that are posted when its size is known; without one
   * the connection waits (and with it its peer). VARVE_E_INVALID: it is not such a buffer. */
  int32_t (*receive_post)(struct varve_transport_context* context, const struct varve_slice* buffer,
                          uint64_t op_id);
  /* VARVE_E_AGAIN: too much is on its way on this connection; WRITABLE follows. VARVE_E_CLOSED: no
   * such connection, or it is being closed. VARVE_E_INVALID: header or slices are not as above. */
  int32_t (*send)(struct varve_transport_context* context, uint64_t connection,
                  const struct varve_message* message, uint64_t op_id);
  /* Does what can be done without blocking, not too much in one call; fills in at most `capacity`
   * events (at least 1), returns how many. */
  int32_t (*poll)(struct varve_transport_context* context, struct varve_transport_event* events,
                  uint32_t capacity);
  /* 1: something is pending, do not sleep. */
  int32_t (*arm)(struct varve_transport_context* context);
  int32_t (*wait_fd)(struct varve_transport_context* context);
  /* Since minor 2: VARVE_TRANSPORT_... bits. */
  uint32_t flags;
  uint32_t reserved;
};

#ifdef __cplusplus
}
#endif
#endif
