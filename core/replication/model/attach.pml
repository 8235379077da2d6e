/* Fencing of frontends in docs/replication.md: office, connection and attach generation of every
 * operation, attach, and what happens to it when primaries and in-sync sets change. README.md says
 * what it leaves out; group.pml explains the steps that both have.
 *
 * Two frontends: generation 1 never learns that it was replaced, generation 2 begins when its attach
 * has returned. A read of the metadata store is as old as it can be, so a primary never sees
 * generation 2 there.
 */
#ifndef EPOCHS
#define EPOCHS 2
#endif
#ifndef WRITES
#define WRITES 2
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef START
#define START 7 /* in sync at first; 3: node 2 is a learner */
#endif
#define CONNECTIONS 2
#define COUNTERS 3

#define BIT(n) (1 << (n))
#define RECORD(primary, in_sync, office) ((primary) | ((in_sync) << 2) | ((office) << 5))
#define PRIMARY(r) ((r) & 3)
#define IN_SYNC(r) (((r) >> 2) & 7)
#define OFFICE(r) ((r) >> 5)
#define MEMBER(m, r) (IN_SYNC(r) & BIT(m))

#define IDLE 0
#define SETTLING 1
#define SERVING 2

byte now = 1;
byte record[8];

/* On a node's media. */
byte epoch[3];
byte num[3];
byte val[3];
bit attached[3]; /* generation 2 is in its catalog */

/* In a node's memory. */
byte role[3];
byte counter[3];
byte admitting[3];
bit refuses_old[3]; /* generation 1 */
byte connection[3]; /* the newest of the frontend of generation 1 + 3 * that of generation 2 */
byte put_acks[3];   /* who has answered that generation 2 is durable */
bit op_open[3];
bit op_old[3]; /* of generation 1 */
bit op_client[3];
byte op_num[3];
byte op_val[3];
byte op_acks[3];

/* Requests under way; each arrives once, at any time. */
byte msg_to[2];
byte msg_office[2];
byte msg_connection[2];
bit msg_old[2];
byte msg_val[2]; /* 0: none */

/* The frontends: generation 1 is [1], generation 2 is [0]. */
byte my_connection[2];
byte unanswered[2];
byte sent_office[2];
byte sent_connection[2];
bit attach_returned;

byte issued;
byte floor;
bit settled_view; /* something was read after attach had returned ... */
byte view;        /* ... and this was it, or a value of generation 2 since */
byte newer;       /* the values that generation 2 has issued */
byte restarts;

#define ATTACHED 1
#define FENCED 2 /* an operation of generation 1 refused after the attach */
#define OTHER_OFFICE 3
#define OLD_CONNECTION 4
#define WROTE_AFTER_ATTACH 5
#define CAUGHT_UP 6
#ifdef REACH
#define REACHED(what) assert(REACH != what)
#else
#define REACHED(what) skip
#endif

#define VIEW(n) record[epoch[n]]
#define NEEDED(n) (IN_SYNC(VIEW(n)) | admitting[n])

#define FORGET(e) \
  if \
  :: epoch[0] != e && epoch[1] != e && epoch[2] != e && now != e -> record[e] = 0 \
  :: else \
  fi;
/* What the primary of the newest epoch would answer. */
#define LOOK(n) \
  if \
  :: role[n] == SERVING && epoch[n] == now && !op_open[n] -> \
     assert(val[n] >= floor); \
     if \
     :: attach_returned && settled_view -> \
        assert(val[n] == view || (newer & BIT(val[n]))); view = val[n] \
     :: attach_returned && !settled_view -> settled_view = 1; view = val[n] \
     :: else \
     fi \
  :: else \
  fi;
inline after() {
  FORGET(1) FORGET(2) FORGET(3) FORGET(4)
  LOOK(0) LOOK(1) LOOK(2)
}

inline forget_office(n) {
  role[n] = IDLE; counter[n] = 0; admitting[n] = 0; refuses_old[n] = 0; connection[n] = 0;
  put_acks[n] = 0; op_open[n] = 0; op_old[n] = 0; op_client[n] = 0; op_num[n] = 0; op_val[n] = 0;
  op_acks[n] = 0
}
inline new_write(n, v, from_client, old) {
  counter[n]++;
  op_num[n] = epoch[n] * 4 + counter[n]; op_val[n] = v; op_open[n] = 1; op_acks[n] = 0;
  op_client[n] = from_client; op_old[n] = old
}

/* ---- frontends ---- */

#define SEND(old, slot) \
  :: d_step { \
    (old || attach_returned) && (unanswered[old] != 0 || issued < WRITES) && \
    (unanswered[old] == 0 || sent_office[old] != OFFICE(record[now]) || \
     sent_connection[old] != my_connection[old]) -> \
    if \
    :: unanswered[old] == 0 -> \
       issued++; unanswered[old] = issued; \
       if \
       :: !old -> newer = newer | BIT(issued) \
       :: else \
       fi \
    :: else \
    fi; \
    printf("generation %d: sends value %d to %d, connection %d\n", 2 - old, unanswered[old], \
           PRIMARY(record[now]), my_connection[old]); \
    msg_to[slot] = PRIMARY(record[now]); msg_office[slot] = OFFICE(record[now]); \
    msg_connection[slot] = my_connection[old]; msg_old[slot] = old; \
    msg_val[slot] = unanswered[old]; \
    sent_office[old] = OFFICE(record[now]); sent_connection[old] = my_connection[old] }
#define RECONNECT(old) \
  :: d_step { \
    unanswered[old] != 0 && my_connection[old] < CONNECTIONS -> \
    my_connection[old]++ }

#ifdef NO_RULE_4A
#define GENERATION_REFUSED(n, slot) 0
#else
#define GENERATION_REFUSED(n, slot) (msg_old[slot] && refuses_old[n])
#endif
#ifdef NO_RULE_4B
#define OFFICE_REFUSED(n, slot) 0
#else
#define OFFICE_REFUSED(n, slot) (msg_office[slot] != OFFICE(VIEW(n)))
#endif
#ifdef NO_RULE_4C
#define CONNECTION_REFUSED(n, slot) 0
#else
#define CONNECTION_REFUSED(n, slot) \
  (msg_old[slot] && msg_connection[slot] < connection[n] % 3 || \
   !msg_old[slot] && msg_connection[slot] < connection[n] / 3)
#endif
/* One connection keeps the order, also when the answer to the first came from the old office. */
#ifdef NO_ORDER
#define IS_LATER(slot) 0
#else
#define IS_LATER(slot) \
  (msg_office[0] == msg_office[1] && msg_connection[0] == msg_connection[1] && \
   msg_old[0] == msg_old[1] && msg_val[slot] > msg_val[1 - slot] && msg_val[1 - slot] != 0)
#endif
#define RECEIVE(n, slot) \
  :: d_step { \
    msg_val[slot] != 0 && msg_to[slot] == n && role[n] == SERVING && !IS_LATER(slot) && \
    !op_open[n] && counter[n] < COUNTERS -> \
    if \
    :: GENERATION_REFUSED(n, slot) -> \
       printf("node %d: refuses generation 1\n", n); REACHED(FENCED) \
    :: !GENERATION_REFUSED(n, slot) && OFFICE_REFUSED(n, slot) -> \
       printf("node %d: refuses another office\n", n); REACHED(OTHER_OFFICE) \
    :: !GENERATION_REFUSED(n, slot) && !OFFICE_REFUSED(n, slot) && \
       CONNECTION_REFUSED(n, slot) -> \
       printf("node %d: refuses an old connection\n", n); REACHED(OLD_CONNECTION) \
    :: else -> \
       printf("node %d: takes value %d of generation %d\n", n, msg_val[slot], \
              2 - msg_old[slot]); \
       new_write(n, msg_val[slot], 1, msg_old[slot]); \
       if \
       :: msg_old[slot] && msg_connection[slot] > connection[n] % 3 -> \
          connection[n] = connection[n] - connection[n] % 3 + msg_connection[slot] \
       :: !msg_old[slot] && msg_connection[slot] > connection[n] / 3 -> \
          connection[n] = connection[n] % 3 + 3 * msg_connection[slot] \
       :: else \
       fi \
    fi; \
    msg_val[slot] = 0; msg_to[slot] = 0; msg_office[slot] = 0; msg_connection[slot] = 0; \
    msg_old[slot] = 0 }

/* ---- a write ---- */

#define DELIVER(n, m) \
  :: d_step { \
    op_open[n] && epoch[m] == epoch[n] && !(op_acks[n] & BIT(m)) -> \
    printf("node %d: takes the write of %d, number %d\n", m, n, op_num[n]); \
    if \
    :: num[m] < op_num[n] -> num[m] = op_num[n]; val[m] = op_val[n] \
    :: else \
    fi; \
    op_acks[n] = op_acks[n] | BIT(m) }
#define COMMIT(n) \
  :: d_step { \
    op_open[n] && (NEEDED(n) & ~op_acks[n]) == 0 -> \
    printf("node %d: committed value %d\n", n, op_val[n]); \
    if \
    :: op_client[n] -> \
       assert(!(op_old[n] && attach_returned && epoch[n] == now)); \
       if \
       :: op_val[n] > floor -> floor = op_val[n] \
       :: else \
       fi; \
       if \
       :: !op_old[n] -> REACHED(WROTE_AFTER_ATTACH) \
       :: else \
       fi; \
       if \
       :: op_val[n] == unanswered[op_old[n]] -> unanswered[op_old[n]] = 0 \
       :: else \
       fi \
    :: else \
    fi; \
    op_open[n] = 0; op_old[n] = 0; op_client[n] = 0; op_num[n] = 0; op_val[n] = 0; \
    op_acks[n] = 0; role[n] = SERVING }

/* ---- attach ---- */

/* The compare-and-swap on the volume was done before the first of these. */
#define ATTACH(n) \
  :: d_step { \
    role[n] == SERVING && !refuses_old[n] && !attach_returned -> \
    printf("node %d: attach of generation 2 begins\n", n); \
    refuses_old[n] = 1 }
#define PUT(n, m) \
  :: d_step { \
    role[n] == SERVING && refuses_old[n] && epoch[m] == epoch[n] && \
    !(put_acks[n] & BIT(m)) && !attach_returned -> \
    printf("node %d: has generation 2 in its catalog\n", m); \
    attached[m] = 1; put_acks[n] = put_acks[n] | BIT(m) }
#ifdef NO_RULE_4E
#define MUST_HAVE_IT(n) BIT(n)
#else
#define MUST_HAVE_IT(n) NEEDED(n)
#endif
#ifdef NO_RULE_4F
#define OLD_IS_OPEN(n) 0
#else
#define OLD_IS_OPEN(n) (op_open[n] && op_old[n])
#endif
#define RETURN_ATTACH(n) \
  :: d_step { \
    role[n] == SERVING && refuses_old[n] && !attach_returned && \
    (MUST_HAVE_IT(n) & ~put_acks[n]) == 0 && !OLD_IS_OPEN(n) -> \
    printf("attach of generation 2 has returned\n"); \
    attach_returned = 1; put_acks[n] = 0; \
    REACHED(ATTACHED) }

/* ---- the record ---- */

inline apply(value) {
  record[now + 1] = value;
  now++;
  printf("store: epoch %d, primary %d, in sync %d\n", now, PRIMARY(record[now]),
         IN_SYNC(record[now]))
}
#define TAKE_OFFICE(n) \
  :: d_step { \
    role[n] == IDLE && epoch[n] == now && now < EPOCHS && MEMBER(n, VIEW(n)) -> \
    apply(RECORD(n, IN_SYNC(VIEW(n)) & ~(BIT(PRIMARY(VIEW(n))) & ~BIT(n)), now)) ; \
    record[now] = record[now] + (1 << 5) }
#define CAN_CHANGE(n) (role[n] != IDLE && epoch[n] == now && now < EPOCHS)
#define REMOVE(n, m) \
  :: d_step { \
    CAN_CHANGE(n) && MEMBER(m, VIEW(n)) -> \
    apply(RECORD(n, IN_SYNC(VIEW(n)) & ~BIT(m), OFFICE(VIEW(n)))) }
#define IS_LEARNER(m, n) \
  (role[n] != IDLE && (role[n] == SERVING || op_open[n]) && !MEMBER(m, VIEW(n)) && \
   epoch[m] == epoch[n])
#ifdef AS_WRITTEN_4
#define HAS_CATALOG(m, n) 1
#else
#define HAS_CATALOG(m, n) (attached[m] || (!attached[n] && !refuses_old[n]))
#endif
#define ADMIT(n, m) \
  :: d_step { \
    CAN_CHANGE(n) && IS_LEARNER(m, n) && num[m] == num[n] && HAS_CATALOG(m, n) -> \
    admitting[n] = BIT(m); \
    apply(RECORD(n, IN_SYNC(VIEW(n)) | BIT(m), OFFICE(VIEW(n)))) }
#define COPY(n, m) \
  :: d_step { \
    IS_LEARNER(m, n) && num[n] > num[m] -> \
    num[m] = num[n]; val[m] = val[n] }
#ifndef AS_WRITTEN_4
#define COPY_CATALOG(n, m) \
  :: d_step { \
    IS_LEARNER(m, n) && (attached[n] || refuses_old[n]) && !attached[m] -> \
    attached[m] = 1; REACHED(CAUGHT_UP) }
#else
#define COPY_CATALOG(n, m)
#endif
#define PARTED(n, m) \
  :: d_step { \
    IS_LEARNER(m, n) && !op_open[n] && num[m] > num[n] && counter[n] < COUNTERS -> \
    new_write(n, val[n], 0, 0) }
inline adopt(n) {
  printf("node %d: makes epoch %d durable\n", n, now);
  if
  :: PRIMARY(record[now]) == n && OFFICE(record[now]) == now && role[n] == IDLE ->
     role[n] = SETTLING
  :: PRIMARY(record[now]) == n && role[n] != IDLE && OFFICE(record[now]) == OFFICE(VIEW(n)) ->
     counter[n] = 0; admitting[n] = 0
  :: else -> forget_office(n)
  fi;
  epoch[n] = now
}
#define ADOPT(n) \
  :: d_step { epoch[n] < now -> adopt(n) }
/* Positions are left out: whatever differs is in doubt. */
#define REPORTS(m, n) (!MEMBER(m, VIEW(n)) || epoch[m] == epoch[n])
#ifdef NO_RULE_4D
#define GENERATION_OF_LOG(n) 0
#else
#define GENERATION_OF_LOG(n) attached[n]
#endif
#define SETTLE(n) \
  :: d_step { \
    role[n] == SETTLING && !op_open[n] && counter[n] < COUNTERS && REPORTS(0, n) && \
    REPORTS(1, n) && REPORTS(2, n) -> \
    printf("node %d: settles\n", n); \
    refuses_old[n] = GENERATION_OF_LOG(n); \
    new_write(n, val[n], 0, 0) }
#define RESTART(n) \
  :: d_step { \
    restarts < RESTARTS && role[n] != IDLE -> \
    printf("node %d: restarts\n", n); \
    restarts++; forget_office(n) }

#define NODES(STEP) STEP(0) STEP(1) STEP(2)
#define PAIRS(STEP) STEP(0, 1) STEP(0, 2) STEP(1, 0) STEP(1, 2) STEP(2, 0) STEP(2, 1)
#define ALL_PAIRS(STEP) PAIRS(STEP) STEP(0, 0) STEP(1, 1) STEP(2, 2)

active proctype attach() {
  d_step {
    epoch[0] = 1; epoch[1] = 1; epoch[2] = 1;
    record[1] = RECORD(0, START, 1);
    role[0] = SERVING;
    my_connection[0] = 1; my_connection[1] = 1
  }
end:
  do
  :: atomic {
  if
  SEND(0, 0) SEND(0, 1) SEND(1, 0) SEND(1, 1)
  RECONNECT(0) RECONNECT(1)
  RECEIVE(0, 0) RECEIVE(0, 1) RECEIVE(1, 0) RECEIVE(1, 1) RECEIVE(2, 0) RECEIVE(2, 1)
  ALL_PAIRS(DELIVER)
  NODES(COMMIT)
  NODES(ATTACH)
  ALL_PAIRS(PUT)
  NODES(RETURN_ATTACH)
  NODES(TAKE_OFFICE)
  PAIRS(REMOVE)
  PAIRS(ADMIT)
  PAIRS(COPY)
  PAIRS(COPY_CATALOG)
  PAIRS(PARTED)
  NODES(ADOPT)
  NODES(SETTLE)
  NODES(RESTART)
  fi;
  d_step { after() }
  }
  od
}
