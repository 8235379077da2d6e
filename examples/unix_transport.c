/* A transport over Unix-domain stream sockets, for nodes that share one machine: an example of a
 * plugin that needs plugins/abi and libc, nothing else. transport.h is the contract, and this one
 * way to keep it. unix_transport_test.sh builds and tries it.
 *
 * Addresses: unix:/absolute/path. listen also takes a directory, unix:/directory/, and makes a name
 * of its own in it. A socket file that nobody listens on is replaced; of two processes that do so
 * at the same instant one may lose its file. Who may write to the file may connect.
 *
 * A message travels as one frame, in the byte order of the machine, which both ends share:
 *
 *     magic u32 | header_bytes u32 | payload_bytes u32 | header | payload
 *
 * Ownership: a header is copied, a payload never; it goes from the slices into the kernel and from
 * there into the posted buffer. A buffer is in one of three places: among the posted ones, with
 * the connection that fills it, or back with the host after RECEIVED.
 *
 * How it runs: one context is one epoll descriptor, and nothing else is ever waited for. A call of
 * the host only notes what is to be done and asks epoll for the moment when it can be. poll gives
 * a turn to each connection that epoll names; a turn moves at most one message and makes at most
 * one event, so that no event is ever without room.
 *
 * Limits: one listener and CONNECTIONS_MAX connections a context, SENDS_MAX sends on their way on
 * each. No timeout: a Unix socket connects at once or fails, and the kernel tells of every end.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "plugins/abi/transport.h"

typedef struct varve_transport_context Context;
typedef struct varve_transport_event Event;

typedef struct Frame {
  uint32_t magic;
  uint32_t header_bytes;
  uint32_t payload_bytes;
  uint8_t header[VARVE_HEADER_BYTES_MAX];
} Frame;

enum {
  FRAME_MAGIC = 0x31557256, /* "VrU1" */
  FRAME_FIXED_BYTES = offsetof(Frame, header),
  ARENAS_MAX = 64,
  CONNECTIONS_MAX = 256,
  SENDS_MAX = 64,
  TURNS_MAX = 64, /* of one poll */
  LISTENER = 0    /* how epoll names it: a number that no connection has */
};

typedef struct Sending {
  uint64_t op_id;
  struct msghdr rest; /* what is not written yet, in `parts` */
  struct iovec parts[1 + VARVE_MESSAGE_SLICES_MAX];
  Frame frame;
} Sending;

typedef struct Buffer {
  struct Buffer* next;
  void* data;
  uint64_t bytes;
  uint64_t op_id;
} Buffer;

typedef struct Connection {
  Context* context;
  uint64_t number;
  int fd;
  uint32_t watched;    /* what epoll is asked for */
  uint32_t announce;   /* the event that tells the host of this connection; 0: it has */
  uint64_t connect_op; /* of that event */
  int32_t result;      /* of that event, later of CLOSED */
  bool refused;        /* send has said AGAIN, so WRITABLE is due */
  bool broken;         /* nothing can be written any more */
  bool closing;        /* and nothing is read, CLOSED is due */
  Frame incoming;
  bool in_body;       /* the fixed part of `incoming` is there */
  struct msghdr rest; /* what is not read yet, in `parts` */
  struct iovec parts[2];
  Buffer* buffer;
  bool wrote; /* in its last turn: it is for reading now */
  uint32_t send_first;
  uint32_t send_count;
  uint32_t written_count;   /* of these, with OP_DONE still due */
  Sending sends[SENDS_MAX]; /* a ring */
} Connection;

typedef struct varve_transport_instance {
  struct varve_host host;
} Instance;

struct varve_transport_context {
  const struct varve_host* host;
  int epoll;
  int listener;
  struct sockaddr_un listener_name;
  struct iovec arenas[ARENAS_MAX]; /* `memory` is the index and 1; empty: it was unregistered */
  uint32_t arena_count;
  Buffer* buffers;      /* the posted ones, the smallest first */
  uint32_t last_served; /* of those that waited for a buffer */
  uint64_t connections_made;
  Connection* connections[CONNECTIONS_MAX]; /* each at its number modulo CONNECTIONS_MAX */
  Event* next_event;                        /* in the host's array, during poll */
};

static Event* event_add(Connection* connection, uint32_t kind, uint64_t op_id, int32_t result) {
  Event* event = connection->context->next_event++;
  /* Only CONNECTED knows this result, and then there is no connection. */
  const uint64_t number = result == VARVE_E_NOT_FOUND ? 0 : connection->number;
  *event = (Event){.kind = kind, .result = result, .op_id = op_id, .connection = number};
  return event;
}

/* Takes what was moved off the front of `rest`; true: nothing is left. */
static bool message_advance(struct msghdr* rest, size_t bytes) {
  for (; rest->msg_iovlen > 0; ++rest->msg_iov, --rest->msg_iovlen) {
    if (bytes < rest->msg_iov->iov_len) {
      rest->msg_iov->iov_base = (char*)rest->msg_iov->iov_base + bytes;
      rest->msg_iov->iov_len -= bytes;
      return false;
    }
    bytes -= rest->msg_iov->iov_len;
  }
  return true;
}

static Connection* connection_find(const Context* context, uint64_t number) {
  Connection* connection = context->connections[number % CONNECTIONS_MAX];
  return connection != NULL && connection->number == number ? connection : NULL;
}

static bool connection_waits_for_buffer(const Connection* connection) {
  return connection->in_body && connection->incoming.payload_bytes > 0 &&
         connection->buffer == NULL && !connection->closing;
}

/* Asks epoll for what the connection can use. It tells of a hangup in any case, and would for ever
 * while a connection waits for a buffer: of that edges alone are asked for. */
static bool connection_watch(Connection* connection) {
  struct epoll_event interest = {.data.u64 = connection->number};
  if (!connection_waits_for_buffer(connection)) interest.events |= EPOLLIN;
  if (connection->announce != 0 || connection->send_count > 0) interest.events |= EPOLLOUT;
  if (interest.events == 0) interest.events = EPOLLET;
  if (interest.events == connection->watched) return true;
  const int operation = connection->watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  connection->watched = interest.events;
  return epoll_ctl(connection->context->epoll, operation, connection->fd, &interest) == 0;
}

/* Again is also when a peer may be left from before. Edges, or we would be told all the time of
 * one for whom there is no descriptor. */
static bool listener_watch(const Context* context, int operation) {
  struct epoll_event interest = {.events = EPOLLIN | EPOLLET, .data.u64 = LISTENER};
  return epoll_ctl(context->epoll, operation, context->listener, &interest) == 0;
}

static void connection_expect(Connection* connection, void* data, size_t bytes) {
  connection->in_body = data != &connection->incoming;
  connection->parts[0] = (struct iovec){data, bytes};
  connection->rest = (struct msghdr){.msg_iov = connection->parts, .msg_iovlen = 1};
}

static void connection_free(Connection* connection) {
  Context* context = connection->context;
  close(connection->fd);
  context->connections[connection->number % CONNECTIONS_MAX] = NULL;
  if (context->listener >= 0) listener_watch(context, EPOLL_CTL_MOD);
  free(connection->buffer);
  free(connection);
}

/* NULL: no room. Owns `fd` in any case; that it is none is found out by epoll. */
static Connection* connection_new(Context* context, int fd, uint32_t announce) {
  uint32_t slot = 0;
  while (slot < CONNECTIONS_MAX && context->connections[slot] != NULL) ++slot;
  Connection* connection = slot == CONNECTIONS_MAX ? NULL : calloc(1, sizeof(*connection));
  if (connection == NULL) {
    close(fd);
    return NULL;
  }
  context->connections[slot] = connection;
  connection->context = context;
  connection->number = ++context->connections_made * CONNECTIONS_MAX + slot;
  connection->fd = fd;
  connection->announce = announce;
  connection_expect(connection, &connection->incoming, FRAME_FIXED_BYTES);
  if (connection_watch(connection)) return connection;
  connection_free(connection);
  return NULL;
}

static void connection_use_buffer(Connection* connection, Buffer* buffer) {
  connection->buffer = buffer;
  connection->parts[1] = (struct iovec){buffer->data, connection->incoming.payload_bytes};
  connection->rest.msg_iovlen = 2;
}

/* To one of those that wait for such a buffer, each in its turn, or else among the posted ones. */
static void buffer_give(Context* context, Buffer* buffer) {
  for (uint32_t i = 0; i < CONNECTIONS_MAX; ++i) {
    Connection* next = context->connections[++context->last_served % CONNECTIONS_MAX];
    if (next == NULL || !connection_waits_for_buffer(next)) continue;
    if (next->incoming.payload_bytes > buffer->bytes) continue;
    connection_use_buffer(next, buffer);
    connection_watch(next);
    return;
  }
  Buffer** at = &context->buffers;
  while (*at != NULL && (*at)->bytes < buffer->bytes) at = &(*at)->next;
  buffer->next = *at;
  *at = buffer;
}

static Buffer* buffer_take(Context* context, uint64_t bytes) {
  Buffer** at = &context->buffers;
  while (*at != NULL && (*at)->bytes < bytes) at = &(*at)->next;
  Buffer* buffer = *at;
  if (buffer != NULL) *at = buffer->next;
  return buffer;
}

/* Lets events follow until CLOSED is the last: after a shutdown epoll tells of a hangup each time.
 * A buffer that was not filled serves others. */
static void connection_close(Connection* connection, int32_t result) {
  connection->broken = connection->closing = true;
  connection->result = result;
  if (connection->buffer != NULL) buffer_give(connection->context, connection->buffer);
  connection->buffer = NULL;
  shutdown(connection->fd, SHUT_RDWR);
  connection_watch(connection);
}

/* False: it cannot be read yet, or never. */
static bool connection_expect_body(Connection* connection) {
  Context* context = connection->context;
  Frame* frame = &connection->incoming;
  if (frame->magic != FRAME_MAGIC || frame->header_bytes < 1 ||
      frame->header_bytes > VARVE_HEADER_BYTES_MAX ||
      frame->payload_bytes > VARVE_PAYLOAD_BYTES_MAX) {
    context->host->log(context->host->host, VARVE_LOG_WARN,
                       "unix: a peer sent what is no message and is disconnected");
    connection_close(connection, VARVE_E_DAMAGED);
    return false;
  }
  connection_expect(connection, frame->header, frame->header_bytes);
  if (frame->payload_bytes == 0) return true;
  Buffer* buffer = buffer_take(context, frame->payload_bytes);
  if (buffer != NULL) connection_use_buffer(connection, buffer);
  return buffer != NULL;
}

/* True: a whole message is there. The fixed part comes first and alone, for only then is known
 * where the payload is to go. */
static bool connection_receive(Connection* connection) {
  const ssize_t moved = recvmsg(connection->fd, &connection->rest, MSG_DONTWAIT);
  if (moved > 0) {
    if (!message_advance(&connection->rest, (size_t)moved)) return false;
    if (connection->in_body) return true;
    return connection_expect_body(connection) && connection_receive(connection);
  }
  if (moved < 0 && errno == EAGAIN) return false;
  /* ECONNRESET: the peer has closed without reading all that we had sent. */
  connection_close(connection, moved == 0 || errno == ECONNRESET ? VARVE_E_CLOSED : VARVE_E_IO);
  return false;
}

static void connection_read(Connection* connection) {
  const Frame* frame = &connection->incoming;
  if (!connection_receive(connection)) return;
  const uint64_t op_id = connection->buffer != NULL ? connection->buffer->op_id : 0;
  Event* event = event_add(connection, VARVE_EVENT_RECEIVED, op_id, VARVE_OK);
  event->header = frame->header; /* stays: the next turn here is in the next poll */
  event->header_bytes = frame->header_bytes;
  event->payload_bytes = frame->payload_bytes;
  free(connection->buffer);
  connection->buffer = NULL;
  connection_expect(connection, &connection->incoming, FRAME_FIXED_BYTES);
}

/* True: one more message is with the kernel. When the peer is gone, what it sent before is read
 * first; the shutdown keeps that from going on for ever. */
static bool connection_write(Connection* connection) {
  const uint32_t index = connection->send_first + connection->written_count;
  struct msghdr* rest = &connection->sends[index % SENDS_MAX].rest;
  const ssize_t moved = sendmsg(connection->fd, rest, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (moved < 0 && errno != EAGAIN) {
    connection->broken = true;
    shutdown(connection->fd, SHUT_RDWR);
  }
  if (moved < 0 || !message_advance(rest, (size_t)moved)) return false;
  ++connection->written_count;
  return true;
}

static void connection_done(Connection* connection) {
  const uint64_t op_id = connection->sends[connection->send_first].op_id;
  const bool written = connection->written_count > 0;
  event_add(connection, VARVE_EVENT_OP_DONE, op_id, written ? VARVE_OK : VARVE_E_CLOSED);
  connection->send_first = (connection->send_first + 1) % SENDS_MAX;
  connection->send_count -= 1;
  connection->written_count -= written;
}

/* At most one event. May free the connection. */
static void connection_turn(Connection* connection, uint32_t what) {
  const bool waits = connection_waits_for_buffer(connection);
  const bool can_write = connection->send_count > 0 && (what & ~(uint32_t)EPOLLIN) != 0;
  const bool can_read = !waits && (what & ~(uint32_t)EPOLLOUT) != 0;
  bool over = false;
  if (connection->announce != 0) {
    event_add(connection, connection->announce, connection->connect_op, connection->result);
    connection->announce = 0;
    over = connection->result != VARVE_OK;
  } else if (connection->broken && connection->send_count > 0) {
    connection_done(connection);
  } else if (connection->closing) {
    event_add(connection, VARVE_EVENT_CLOSED, 0, connection->result);
    over = true;
  } else if (connection->broken && waits) {
    connection_close(connection, VARVE_E_CLOSED); /* the peer is gone */
  } else if (connection->refused && connection->send_count <= SENDS_MAX / 2) {
    connection->refused = false;
    event_add(connection, VARVE_EVENT_WRITABLE, 0, VARVE_OK);
  } else if (can_write && !(can_read && connection->wrote)) {
    connection->wrote = true;
    if (connection_write(connection)) connection_done(connection);
  } else if (can_read) {
    connection->wrote = false;
    connection_read(connection);
  }
  if (over) connection_free(connection);
  if (!over) connection_watch(connection);
}

static bool address_parse(const char* address, struct sockaddr_un* name) {
  const char* path = strncmp(address, "unix:/", 6) == 0 ? address + 5 : "";
  *name = (struct sockaddr_un){.sun_family = AF_UNIX};
  strncpy(name->sun_path, path, sizeof(name->sun_path) - 1);
  return path[0] != '\0' && strlen(path) < sizeof(name->sun_path);
}

/* Completes the name of a directory. */
static bool address_choose(struct sockaddr_un* name) {
  const size_t bytes = strlen(name->sun_path);
  const size_t room = sizeof(name->sun_path) - bytes;
  uint64_t any;
  if (name->sun_path[bytes - 1] != '/') return true;
  if (getrandom(&any, sizeof(any), GRND_NONBLOCK) != (ssize_t)sizeof(any)) return false;
  return snprintf(name->sun_path + bytes, room, "%016jx", (uintmax_t)any) < (int)room;
}

static int socket_new(void) {
  return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* False: the name is taken. What a listener has left behind is removed; connect refuses files of
 * other kinds with the same error, so those are told apart first. */
static bool address_clear(const struct sockaddr_un* name) {
  struct stat file;
  if (lstat(name->sun_path, &file) != 0) return true;
  if (!S_ISSOCK(file.st_mode)) return false;
  const int probe = socket_new();
  const int result = connect(probe, (const struct sockaddr*)name, sizeof(*name));
  const bool stale = result != 0 && errno == ECONNREFUSED;
  close(probe);
  return stale && unlink(name->sun_path) == 0;
}

static int32_t context_listen(Context* context, const char* address, char* bound,
                              uint32_t bound_bytes, char* why, uint32_t why_bytes) {
  struct sockaddr_un name;
  if (context->listener >= 0) {
    snprintf(why, why_bytes, "%s: only one address can be listened on", address);
    return VARVE_E_INVALID;
  }
  if (!address_parse(address, &name) || !address_choose(&name) ||
      snprintf(bound, bound_bytes, "unix:%s", name.sun_path) >= (int)bound_bytes) {
    snprintf(why, why_bytes, "%s: no unix:/path or unix:/directory/ of at most 107 bytes", address);
    return VARVE_E_INVALID;
  }
  if (!address_clear(&name)) {
    snprintf(why, why_bytes, "%s: a listener or a file that is no socket is there", address);
    return VARVE_E_BUSY;
  }
  const int fd = context->listener = socket_new();
  const bool is_bound = bind(fd, (struct sockaddr*)&name, sizeof(name)) == 0;
  if (!is_bound || listen(fd, SOMAXCONN) != 0 || !listener_watch(context, EPOLL_CTL_ADD)) {
    snprintf(why, why_bytes, "%s: cannot be listened on: %m", address);
    if (is_bound) unlink(name.sun_path);
    close(fd);
    context->listener = -1;
    return VARVE_E_IO;
  }
  context->listener_name = name;
  return VARVE_OK;
}

static int32_t context_connect(Context* context, const char* address, uint64_t op_id) {
  struct sockaddr_un name;
  if (!address_parse(address, &name)) return VARVE_E_INVALID;
  Connection* connection = connection_new(context, socket_new(), VARVE_EVENT_CONNECTED);
  if (connection == NULL) return VARVE_E_AGAIN;
  const bool connected = connect(connection->fd, (struct sockaddr*)&name, sizeof(name)) == 0;
  connection->connect_op = op_id;
  connection->result = connected ? VARVE_OK : VARVE_E_NOT_FOUND;
  return VARVE_OK;
}

static int32_t context_disconnect(Context* context, uint64_t number) {
  Connection* connection = connection_find(context, number);
  if (connection == NULL || connection->closing) return VARVE_E_CLOSED;
  /* What the kernel takes at once is still sent. */
  while (connection->written_count < connection->send_count && connection_write(connection))
    continue;
  connection_close(connection, VARVE_OK);
  return VARVE_OK;
}

/* The kernel reaches all memory: an arena is noted only to find a wrong slice early. */
static int32_t context_memory_register(Context* context, void* base, uint64_t bytes,
                                       uint64_t* memory) {
  if (context->arena_count == ARENAS_MAX) return VARVE_E_NO_SPACE;
  context->arenas[context->arena_count] = (struct iovec){base, bytes};
  *memory = ++context->arena_count;
  return VARVE_OK;
}

static int32_t context_memory_unregister(Context* context, uint64_t memory) {
  if (memory < 1 || memory > context->arena_count) return VARVE_E_NOT_FOUND;
  if (context->arenas[memory - 1].iov_len == 0) return VARVE_E_NOT_FOUND;
  context->arenas[memory - 1].iov_len = 0;
  return VARVE_OK;
}

static bool slice_is_sound(const Context* context, const struct varve_slice* slice) {
  if (slice->data == NULL || slice->bytes == 0) return false;
  if (slice->memory == 0) return true;
  if (slice->memory > context->arena_count) return false;
  const struct iovec* arena = &context->arenas[slice->memory - 1];
  const uintptr_t at = (uintptr_t)slice->data - (uintptr_t)arena->iov_base;
  return at < arena->iov_len && slice->bytes <= arena->iov_len - at;
}

static int32_t context_receive_post(Context* context, const struct varve_slice* slice,
                                    uint64_t op_id) {
  if (op_id == 0 || slice->memory == 0) return VARVE_E_INVALID;
  if (!slice_is_sound(context, slice) || (uintptr_t)slice->data % 4096 != 0) return VARVE_E_INVALID;
  Buffer* buffer = malloc(sizeof(*buffer));
  if (buffer == NULL) return VARVE_E_NO_MEMORY;
  *buffer = (Buffer){.data = slice->data, .bytes = slice->bytes, .op_id = op_id};
  buffer_give(context, buffer);
  return VARVE_OK;
}

static int32_t context_send(Context* context, uint64_t number, const struct varve_message* message,
                            uint64_t op_id) {
  Connection* connection = connection_find(context, number);
  if (connection == NULL || connection->broken) return VARVE_E_CLOSED;
  if (message->struct_size < sizeof(*message) || message->header_bytes < 1 ||
      message->header_bytes > VARVE_HEADER_BYTES_MAX ||
      message->slice_count > VARVE_MESSAGE_SLICES_MAX) {
    return VARVE_E_INVALID;
  }
  connection->refused |= connection->send_count == SENDS_MAX;
  if (connection->send_count == SENDS_MAX) return VARVE_E_AGAIN;
  const uint32_t index = (connection->send_first + connection->send_count) % SENDS_MAX;
  Sending* next = &connection->sends[index];
  Frame* frame = &next->frame;
  next->op_id = op_id;
  next->rest = (struct msghdr){.msg_iov = next->parts, .msg_iovlen = 1 + message->slice_count};
  next->parts[0] = (struct iovec){frame, FRAME_FIXED_BYTES + message->header_bytes};
  *frame = (Frame){.magic = FRAME_MAGIC, .header_bytes = message->header_bytes};
  memcpy(frame->header, message->header, message->header_bytes);
  for (uint32_t i = 0; i < message->slice_count; ++i) {
    const struct varve_slice* slice = &message->slices[i];
    const uint32_t left = VARVE_PAYLOAD_BYTES_MAX - frame->payload_bytes;
    if (!slice_is_sound(context, slice) || slice->bytes > left) return VARVE_E_INVALID;
    next->parts[1 + i] = (struct iovec){slice->data, slice->bytes};
    frame->payload_bytes += (uint32_t)slice->bytes;
  }
  ++connection->send_count;
  connection_watch(connection);
  return VARVE_OK;
}

/* One peer; if there may be more, epoll tells so again. */
static void context_accept(Context* context) {
  const int fd = accept4(context->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd >= 0) {
    connection_new(context, fd, VARVE_EVENT_ACCEPTED);
    listener_watch(context, EPOLL_CTL_MOD);
  } else if (errno != EAGAIN) {
    context->host->log(context->host->host, VARVE_LOG_WARN,
                       "unix: a peer is kept waiting, for want of descriptors or memory");
  }
}

static int32_t context_poll(Context* context, Event* events, uint32_t capacity) {
  struct epoll_event ready[TURNS_MAX];
  const int turns = (int)(capacity < TURNS_MAX ? capacity : TURNS_MAX);
  const int count = epoll_wait(context->epoll, ready, turns, 0);
  context->next_event = events;
  for (int i = 0; i < count; ++i) {
    Connection* connection = connection_find(context, ready[i].data.u64);
    if (ready[i].data.u64 == LISTENER) context_accept(context);
    if (connection != NULL) connection_turn(connection, ready[i].events);
  }
  return (int32_t)(context->next_event - events);
}

/* Whatever is pending keeps wait_fd readable, so that the host may always sleep on it. */
static int32_t context_arm(Context* context) {
  (void)context;
  return 0;
}

static int32_t context_wait_fd(Context* context) {
  return context->epoll;
}

static int32_t context_create(Instance* instance, uint32_t shard_index, Context** result) {
  (void)shard_index;
  Context* context = malloc(sizeof(*context));
  if (context == NULL) return VARVE_E_NO_MEMORY;
  *context =
      (Context){.host = &instance->host, .epoll = epoll_create1(EPOLL_CLOEXEC), .listener = -1};
  *result = context->epoll < 0 ? NULL : context;
  if (context->epoll < 0) free(context);
  return *result == NULL ? VARVE_E_IO : VARVE_OK;
}

static void context_destroy(Context* context) {
  for (uint32_t i = 0; i < CONNECTIONS_MAX; ++i) {
    if (context->connections[i] != NULL) connection_free(context->connections[i]);
  }
  for (Buffer* each; (each = buffer_take(context, 0)) != NULL;) free(each);
  if (context->listener >= 0) {
    unlink(context->listener_name.sun_path);
    close(context->listener);
  }
  close(context->epoll);
  free(context);
}

static int32_t instance_create(const struct varve_host* host, const struct varve_option* options,
                               uint32_t option_count, Instance** result, char* why,
                               uint32_t why_bytes) {
  if (option_count > 0) {
    snprintf(why, why_bytes, "%s: unknown option; this transport has none", options->key);
    return VARVE_E_INVALID;
  }
  Instance* instance = calloc(1, sizeof(*instance));
  if (instance == NULL) return VARVE_E_NO_MEMORY;
  instance->host = *host; /* a later host may give more than we know, an earlier one never less */
  *result = instance;
  return VARVE_OK;
}

static void instance_destroy(Instance* instance) {
  free(instance);
}

__attribute__((visibility("default"))) const struct varve_table* varve_plugin_entry(void) {
  static const struct varve_transport transport = {
      .table = {.struct_size = sizeof(struct varve_transport),
                .abi_major = VARVE_ABI_MAJOR,
                .abi_minor = VARVE_ABI_MINOR,
                .kind = VARVE_KIND_TRANSPORT,
                .name = "unix",
                .version = "1",
                .description = "messages over Unix-domain sockets, within one machine"},
      .option_help = "",
      .instance_create = instance_create,
      .instance_destroy = instance_destroy,
      .context_create = context_create,
      .context_destroy = context_destroy,
      .memory_register = context_memory_register,
      .memory_unregister = context_memory_unregister,
      .listen = context_listen,
      .connect = context_connect,
      .disconnect = context_disconnect,
      .receive_post = context_receive_post,
      .send = context_send,
      .poll = context_poll,
      .arm = context_arm,
      .wait_fd = context_wait_fd,
  };
  return &transport.table;
}
