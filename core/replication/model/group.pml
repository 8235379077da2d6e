/* One replication group of docs/replication.md: three members, one block, a record changed by
 * compare-and-swap. README.md says what it leaves out and how to read it.
 *
 * One process takes one step of one node at a time; each step is atomic. A node that does nothing
 * for a while stands for a slow one, a partition, a lost message, a dead one. Values are numbered in
 * the order in which the client issues them, so "older" is "smaller".
 */
#ifndef EPOCHS
#define EPOCHS 3 /* the record changes EPOCHS - 1 times */
#endif
#ifndef WRITES
#define WRITES 2
#endif
#ifndef RESTARTS
#define RESTARTS 1
#endif
#ifndef MIN_IN_SYNC
#define MIN_IN_SYNC 1 /* everything that 2 allows is allowed by 1, too */
#endif
#define COUNTERS 3

#define BIT(n) (1 << (n))
#define RECORD(primary, in_sync, office) ((primary) | ((in_sync) << 2) | ((office) << 5))
#define PRIMARY(r) ((r) & 3)
#define IN_SYNC(r) (((r) >> 2) & 7)
#define OFFICE(r) ((r) >> 5)
#define MEMBER(m, r) (IN_SYNC(r) & BIT(m))
#define COUNT(s) (((s) & 1) + (((s) >> 1) & 1) + (((s) >> 2) & 1))
#define NUMBER(e, c) ((e) * 4 + (c))

/* role */
#define IDLE 0
#define TAKING 1 /* its compare-and-swap for an office is under way */
#define SETTLING 2
#define SERVING 3
/* op_state */
#define GONE 0 /* not known to its sender; a message may still be under way */
#define OPEN 1
#define COMMITTED 2

/* The metadata store: every record so far; compare-and-swap under way, all on epoch `now`. */
byte now = 1;
byte record[8];
byte cas[3];
byte late[3]; /* sent before its sender's restart */

/* On a node's media. */
byte epoch[3];
byte num[3];
byte val[3];
byte pos[3];

/* In a node's memory. */
byte role[3];
byte counter[3];
bit waiting[3]; /* for the result of cas */
byte admitting[3]; /* mask */
byte op_state[3];
byte op_acks[3];
bit op_client[3];
/* The message of the same operation: outlives its sender's memory. */
byte op_epoch[3];
byte op_num[3];
byte op_val[3];

/* lease[m]: mask of primaries that hold a grant of m which has not run out. */
byte lease[3];
#ifdef NO_RULE_3A
bit restarted[3];
#endif
#ifdef LOSS
byte heir; /* scratch, 0 between steps */
byte in_sync;
bit lost[3]; /* its log lost everything, its position too, but not its epoch */
#endif

/* The client, and what must never go back. */
byte issued;
byte unanswered;
byte floor; /* the newest value acknowledged or read */
byte restarts;
bit blackout; /* all have been without power at once */
byte highest; /* scratch, 0 between steps */

/* -DREACH=what: fails where it is reached, which shows that the model gets there. */
#define TAKE_OVER_DONE 1
#define ADMITTED 2
#define SETTLED 3
#define UNKNOWN_RESULT 4 /* applied, and its sender does not know */
#define REFUSED 5        /* a deposed primary's write at a member that has gone on */
#define READ_UNDER_LEASE 6
#define LATE_RESULT 7
#define PARTED 8
#define BLACKOUT_SERVED 9
#define HELD_BACK 10 /* a write waits for a learner whose admission is under way */
#define RETURNED 11
#ifdef REACH
#define REACHED(what) assert(REACH != what)
#else
#define REACHED(what) skip
#endif

#ifdef LOSS
#define HAS_LOST(m) lost[m]
#else
#define HAS_LOST(m) 0
#endif
#define IS_PRIMARY(n) (role[n] >= SETTLING)
#define VIEW(n) record[epoch[n]]
#define NEEDED(n) (IN_SYNC(VIEW(n)) | admitting[n])

/* ---- after every step: what is implied, what holds, what nobody can see any more ---- */

#define GRANT(m, n) \
  if \
  :: !IS_PRIMARY(n) -> lease[m] = lease[m] & ~BIT(n) \
  :: IS_PRIMARY(n) && epoch[m] == epoch[n] && role[m] != TAKING -> lease[m] = lease[m] | BIT(n) \
  :: else \
  fi;
#define LOST_MESSAGE(n, a, b) \
  if \
  :: op_state[n] == GONE && op_num[n] != 0 && (epoch[a] > op_epoch[n] || num[a] >= op_num[n]) && \
     (epoch[b] > op_epoch[n] || num[b] >= op_num[n]) -> \
     op_num[n] = 0; op_val[n] = 0; op_epoch[n] = 0 \
  :: else \
  fi;
#define ONE_PRIMARY(a, b) \
  assert(!(IS_PRIMARY(a) && IS_PRIMARY(b) && epoch[a] == epoch[b]));
#define ONE_CONTENT(a, b) assert(num[a] != num[b] || val[a] == val[b]);
#define ONE_MESSAGE(n, m) assert(op_num[n] == 0 || op_num[n] != num[m] || op_val[n] == val[m]);
#define HOLDS(m) assert(!MEMBER(m, record[now]) || HAS_LOST(m) || val[m] >= floor);
#define FORGET(e) \
  if \
  :: epoch[0] != e && epoch[1] != e && epoch[2] != e && now != e -> record[e] = 0 \
  :: else \
  fi;

/* A read at the moment of its reply. Every read that is possible takes place. */
#ifdef NO_RULE_7
#define LEASED(n, m) 1
#else
#define LEASED(n, m) ((NEEDED(n) & BIT(m)) == 0 || n == m || (lease[m] & BIT(n)))
#endif
#define READ(n) \
  if \
  :: role[n] == SERVING && op_state[n] != OPEN && val[n] != floor && \
     LEASED(n, 0) && LEASED(n, 1) && LEASED(n, 2) -> \
     printf("node %d: read of value %d, at least %d expected\n", n, val[n], floor); \
     assert(val[n] >= floor); \
     floor = val[n]; \
     REACHED(READ_UNDER_LEASE) \
  :: else \
  fi;

#define SEEN(n, m) \
  if \
  :: op_state[n] == OPEN && epoch[m] > epoch[n] -> REACHED(REFUSED) \
  :: else \
  fi;
#define SEEN_ALONE(n) \
  if \
  :: waiting[n] && epoch[n] < now && PRIMARY(record[now]) == n -> REACHED(UNKNOWN_RESULT) \
  :: op_state[n] == OPEN && admitting[n] && \
     (IN_SYNC(VIEW(n)) & ~op_acks[n]) == 0 -> REACHED(HELD_BACK) \
  :: role[n] == SERVING && blackout -> REACHED(BLACKOUT_SERVED) \
  :: else \
  fi;
#ifdef REACH
#define LOOK() \
  SEEN(0, 1) SEEN(0, 2) SEEN(1, 0) SEEN(1, 2) SEEN(2, 0) SEEN(2, 1) \
  SEEN_ALONE(0) SEEN_ALONE(1) SEEN_ALONE(2)
#else
#define LOOK()
#endif

inline after() {
  LOOK()
  GRANT(0, 1) GRANT(0, 2) GRANT(1, 0) GRANT(1, 2) GRANT(2, 0) GRANT(2, 1)
  LOST_MESSAGE(0, 1, 2) LOST_MESSAGE(1, 0, 2) LOST_MESSAGE(2, 0, 1)
  READ(0) READ(1) READ(2)
  FORGET(1) FORGET(2) FORGET(3) FORGET(4) FORGET(5)
  ONE_PRIMARY(0, 1) ONE_PRIMARY(0, 2) ONE_PRIMARY(1, 2)
  ONE_CONTENT(0, 1) ONE_CONTENT(0, 2) ONE_CONTENT(1, 2)
  ONE_MESSAGE(0, 0) ONE_MESSAGE(0, 1) ONE_MESSAGE(0, 2)
  ONE_MESSAGE(1, 0) ONE_MESSAGE(1, 1) ONE_MESSAGE(1, 2)
  ONE_MESSAGE(2, 0) ONE_MESSAGE(2, 1) ONE_MESSAGE(2, 2)
  HOLDS(0) HOLDS(1) HOLDS(2)
}

inline forget_office(n) {
  if
  :: op_state[n] == OPEN -> op_epoch[n] = epoch[n]
  :: else
  fi;
  role[n] = IDLE;
  counter[n] = 0;
  waiting[n] = 0;
  admitting[n] = 0;
  op_state[n] = GONE;
  op_acks[n] = 0;
  op_client[n] = 0
}

inline new_write(n, v, from_client) {
  counter[n]++;
  op_num[n] = NUMBER(epoch[n], counter[n]);
  op_val[n] = v;
  op_epoch[n] = epoch[n];
  op_state[n] = OPEN;
  op_acks[n] = 0;
  op_client[n] = from_client
}

#define SAME(m, n) \
  assert(!MEMBER(m, VIEW(n)) || HAS_LOST(m) || epoch[m] != epoch[n] || \
         (val[m] == val[n] && num[m] == num[n]));
inline serve(n) {
  SAME(0, n) SAME(1, n) SAME(2, n)
  role[n] = SERVING
}

/* ---- a write ---- */

#define CAN_NUMBER(n) (op_state[n] != OPEN && counter[n] < COUNTERS)

/* A new one, or again the one without an answer. */
#define WRITE(n) \
  :: d_step { \
    role[n] == SERVING && CAN_NUMBER(n) && (unanswered != 0 || issued < WRITES) -> \
    if \
    :: unanswered == 0 -> issued++; unanswered = issued \
    :: else \
    fi; \
    printf("node %d: write of value %d\n", n, unanswered); \
    new_write(n, unanswered, 1) }
#define APPEND(n) \
  :: d_step { \
    op_state[n] == OPEN && !(op_acks[n] & BIT(n)) -> \
    printf("node %d: has its write durable\n", n); \
    num[n] = op_num[n]; val[n] = op_val[n]; op_acks[n] = op_acks[n] | BIT(n) }
#define DELIVER(n, m) \
  :: d_step { \
    op_num[n] != 0 && (epoch[m] == op_epoch[n] || (op_state[n] == OPEN && epoch[m] == epoch[n])) && \
    (num[m] < op_num[n] || (op_state[n] == OPEN && !(op_acks[n] & BIT(m)))) -> \
    printf("node %d: takes the write of %d, number %d\n", m, n, op_num[n]); \
    if \
    :: num[m] < op_num[n] -> num[m] = op_num[n]; val[m] = op_val[n] \
    :: else \
    fi; \
    if \
    :: op_state[n] == OPEN -> op_acks[n] = op_acks[n] | BIT(m) \
    :: else \
    fi }
#define COMMIT(n) \
  :: d_step { \
    op_state[n] == OPEN && IS_PRIMARY(n) && (NEEDED(n) & ~op_acks[n]) == 0 && \
    COUNT(IN_SYNC(VIEW(n))) >= MIN_IN_SYNC -> \
    printf("node %d: committed number %d\n", n, op_num[n]); \
    op_state[n] = COMMITTED; op_acks[n] = 0; \
    if \
    :: op_client[n] && op_val[n] > floor -> floor = op_val[n] \
    :: else \
    fi; \
    if \
    :: op_client[n] && op_val[n] == unanswered -> unanswered = 0 \
    :: else \
    fi; \
    op_client[n] = 0; \
    if \
    :: role[n] == SETTLING -> serve(n); REACHED(SETTLED) \
    :: else \
    fi }

/* The position: carried by any message, and durable some time or other. */
#define POSITION(n) (op_state[n] == COMMITTED -> op_num[n] : pos[n])
#ifdef NO_RULE_1A
#define MAY_ADVANCE(m, n) 1
#else
#define MAY_ADVANCE(m, n) MEMBER(m, VIEW(n))
#endif
#define TELL(m, n) \
  if \
  :: epoch[m] == epoch[n] && MAY_ADVANCE(m, n) && pos[m] < POSITION(n) -> pos[m] = POSITION(n) \
  :: else \
  fi;
#define ADVANCE(n) \
  :: d_step { \
    IS_PRIMARY(n) && op_state[n] == COMMITTED && pos[n] < op_num[n] -> \
    printf("node %d: tells its position %d\n", n, op_num[n]); \
    TELL(0, n) TELL(1, n) TELL(2, n) }

/* ---- the record ---- */

inline apply(value) {
  record[now + 1] = value;
  now++;
  cas[0] = 0; cas[1] = 0; cas[2] = 0;
  late[0] = 0; late[1] = 0; late[2] = 0
}

#define CAN_CHANGE(n) (IS_PRIMARY(n) && !waiting[n] && epoch[n] == now && now < EPOCHS)
#define REMOVE(n, m) \
  :: d_step { \
    CAN_CHANGE(n) && MEMBER(m, VIEW(n)) -> \
    printf("node %d: takes %d out\n", n, m); \
    waiting[n] = 1; \
    apply(RECORD(n, IN_SYNC(VIEW(n)) & ~BIT(m), OFFICE(VIEW(n)))) }
/* Nobody catches up from a primary that has not yet compared its log with the others'. */
#ifdef AS_WRITTEN_3
#define HAS_COMPARED(n) IS_PRIMARY(n)
#else
#define HAS_COMPARED(n) (role[n] == SERVING || (role[n] == SETTLING && op_state[n] == OPEN))
#endif
#define IS_LEARNER(m, n) (HAS_COMPARED(n) && !MEMBER(m, VIEW(n)) && epoch[m] == epoch[n])
#ifdef NO_RULE_1B
#define HAS_EVERYTHING(m, n) 1
#else
#define HAS_EVERYTHING(m, n) \
  ((op_state[n] != OPEN || (op_acks[n] & BIT(m))) && \
   (num[m] == num[n] || (num[m] <= pos[m] && num[n] <= pos[m])))
#endif
#ifdef NO_RULE_1D
#define ADMITTED_TOO(m) 0
#else
#define ADMITTED_TOO(m) BIT(m)
#endif
#define ADMIT(n, m) \
  :: d_step { \
    CAN_CHANGE(n) && IS_LEARNER(m, n) && HAS_EVERYTHING(m, n) -> \
    printf("node %d: asks to admit %d\n", n, m); \
    cas[n] = RECORD(n, IN_SYNC(VIEW(n)) | BIT(m), OFFICE(VIEW(n))); waiting[n] = 1; \
    admitting[n] = ADMITTED_TOO(m) }
/* Who takes over has waited until its grants ran out, wherever they are held. */
#ifdef NO_RULE_3A
#define GRACE(n) if :: !restarted[n] -> lease[n] = 0 :: else fi
#else
#define GRACE(n) lease[n] = 0
#endif
#ifdef LOSS
#define TWO_REMAIN(n) (COUNT(IN_SYNC(VIEW(n))) == 3)
#else
#define TWO_REMAIN(n) 1
#endif
#define TAKE_OVER(n) \
  :: d_step { \
    role[n] == IDLE && epoch[n] == now && now < EPOCHS && MEMBER(n, VIEW(n)) && \
    PRIMARY(VIEW(n)) != n && TWO_REMAIN(n) -> \
    printf("node %d: asks to take over from %d\n", n, PRIMARY(VIEW(n))); \
    GRACE(n); \
    cas[n] = RECORD(n, IN_SYNC(VIEW(n)) & ~BIT(PRIMARY(VIEW(n))), now + 1); \
    waiting[n] = 1; role[n] = TAKING }
/* A primary that was restarted. */
#ifdef AS_WRITTEN_1
#define GRACE_AGAIN(n) skip
#else
#define GRACE_AGAIN(n) GRACE(n)
#endif
#define RETURN(n) \
  :: d_step { \
    role[n] == IDLE && epoch[n] == now && now < EPOCHS && PRIMARY(VIEW(n)) == n -> \
    printf("node %d: asks for a new office\n", n); \
    GRACE_AGAIN(n); \
    waiting[n] = 1; role[n] = TAKING; \
    apply(RECORD(n, IN_SYNC(VIEW(n)), now + 1)) }
#define APPLY(n) \
  :: d_step { \
    cas[n] != 0 -> \
    apply(cas[n]); \
    printf("store: epoch %d, primary %d, in sync %d\n", now, PRIMARY(record[now]), \
           IN_SYNC(record[now])) } \
  :: d_step { \
    late[n] != 0 -> \
    apply(late[n]); \
    printf("store: late: epoch %d, primary %d, in sync %d\n", now, PRIMARY(record[now]), \
           IN_SYNC(record[now])); \
    REACHED(LATE_RESULT) }
#ifdef NO_RULE_1C
#define TRUST(n) \
  :: d_step { \
    IS_PRIMARY(n) && waiting[n] && late[n] == 0 -> \
    printf("node %d: reads the old record and believes it\n", n); \
    waiting[n] = 0; admitting[n] = 0; late[n] = cas[n]; cas[n] = 0 }
#else
#define TRUST(n)
#endif

/* Reads a record, perhaps an old one, and makes its epoch durable. */
inline adopt(n, e) {
  printf("node %d: makes epoch %d durable\n", n, e);
  if
  :: role[n] == TAKING && PRIMARY(record[e]) == n && OFFICE(record[e]) == e ->
     if
     :: PRIMARY(VIEW(n)) == n -> REACHED(RETURNED)
     :: else -> REACHED(TAKE_OVER_DONE)
     fi;
     role[n] = SETTLING; waiting[n] = 0
  :: IS_PRIMARY(n) && PRIMARY(record[e]) == n ->
     if
     :: admitting[n] & IN_SYNC(record[e]) -> REACHED(ADMITTED)
     :: else
     fi;
     counter[n] = 0; waiting[n] = 0; admitting[n] = 0
  :: else -> forget_office(n)
  fi;
  epoch[n] = e
}
#define ADOPT(n) \
  :: d_step { epoch[n] < now -> adopt(n, now) }

/* ---- settlement ---- */

#define RAISE(m, n) \
  if \
  :: MEMBER(m, VIEW(n)) && pos[m] > highest -> highest = pos[m] \
  :: else \
  fi;
#define REPORTS(m, n) (!MEMBER(m, VIEW(n)) || epoch[m] == epoch[n])
#define IN_DOUBT(m, n) (MEMBER(m, VIEW(n)) && num[m] > highest)
/* A log that ends below a position: out of the set; a primary hands over. */
#if defined(LOSS) && !defined(NO_RULE_3B)
#define ENDS_EARLY(n, m) (MEMBER(m, VIEW(n)) && num[m] < highest)
#define CAN_SERVE(n, m) (m != n && MEMBER(m, VIEW(n)) && num[m] >= highest)
#define TAKE_OUT(n, m) \
    :: ENDS_EARLY(n, m) && epoch[n] == now && now < EPOCHS -> \
       printf("node %d: takes %d out, which has lost its end\n", n, m); \
       if \
       :: n != m -> heir = n \
       :: n == m && CAN_SERVE(n, 0) -> heir = 0 \
       :: n == m && !CAN_SERVE(n, 0) && CAN_SERVE(n, 1) -> heir = 1 \
       :: else -> heir = 2 \
       fi; \
       in_sync = IN_SYNC(VIEW(n)) & ~BIT(m); \
       apply(RECORD(heir, in_sync, OFFICE(VIEW(n)))); \
       heir = 0; in_sync = 0 \
    :: ENDS_EARLY(n, m) && !(epoch[n] == now && now < EPOCHS) -> skip
#else
#define TAKE_OUT(n, m)
#endif
#define SETTLE(n) \
  :: d_step { \
    role[n] == SETTLING && CAN_NUMBER(n) && REPORTS(0, n) && REPORTS(1, n) && REPORTS(2, n) -> \
    highest = 0; \
    RAISE(0, n) RAISE(1, n) RAISE(2, n) \
    if \
    TAKE_OUT(n, 0) TAKE_OUT(n, 1) TAKE_OUT(n, 2) \
    :: IN_DOUBT(0, n) || IN_DOUBT(1, n) || IN_DOUBT(2, n) -> \
       printf("node %d: settles\n", n); \
       new_write(n, val[n], 0); \
       SETTLE_NUMBER(n) \
       SETTLE_VALUE(n) \
    :: else -> printf("node %d: nothing in doubt\n", n); serve(n) \
    fi; \
    highest = 0 }
#ifdef NO_RULE_2A
#define RAISE_NUMBER(m, n) \
  if \
  :: MEMBER(m, VIEW(n)) && num[m] > op_num[n] -> op_num[n] = num[m] \
  :: else \
  fi;
#define SETTLE_NUMBER(n) \
  op_num[n] = 0; RAISE_NUMBER(0, n) RAISE_NUMBER(1, n) RAISE_NUMBER(2, n)
#else
#define SETTLE_NUMBER(n)
#endif

/* Not the own value, but that of the highest number: it is not the older one even when the own log
 * has lost its end above every position that is known. */
#if defined(LOSS) && !defined(AS_WRITTEN_2)
#define CHOOSE(m, n) \
  if \
  :: MEMBER(m, VIEW(n)) && num[m] > highest -> highest = num[m]; op_val[n] = val[m] \
  :: else \
  fi;
#define SETTLE_VALUE(n) CHOOSE(0, n) CHOOSE(1, n) CHOOSE(2, n)
#else
#define SETTLE_VALUE(n)
#endif

/* ---- catch-up ---- */

#define COPY(n, m) \
  :: d_step { \
    IS_LEARNER(m, n) && num[n] > pos[m] && num[m] < num[n] -> \
    printf("node %d: takes a copy of number %d from %d\n", m, num[n], n); \
    num[m] = num[n]; val[m] = val[n] }
#ifdef NO_RULE_2B
#define DIVERGED_NUMBER(n, m) op_num[n] = num[m];
#else
#define DIVERGED_NUMBER(n, m)
#endif
#define DIVERGED(n, m) \
  :: d_step { \
    IS_LEARNER(m, n) && role[n] == SERVING && CAN_NUMBER(n) && num[m] > pos[m] && \
    num[m] > num[n] -> \
    printf("node %d: %d has parted: writes value %d again\n", n, m, val[n]); \
    new_write(n, val[n], 0); \
    DIVERGED_NUMBER(n, m) \
    REACHED(PARTED) }

/* ---- a restart ---- */

#ifdef NO_RULE_3A
#define RESTARTED(n) restarted[n] = 1
#else
#define RESTARTED(n) skip
#endif
inline restart(n) {
  if
  :: late[n] == 0 -> late[n] = cas[n]
  :: else
  fi;
  cas[n] = 0;
  forget_office(n);
  RESTARTED(n)
}
#ifdef LOSS
#define LOSE(n) \
  :: d_step { \
    !lost[0] && !lost[1] && !lost[2] && num[n] != 0 -> \
    printf("node %d: restarts without its log\n", n); \
    restart(n); lost[n] = 1; num[n] = 0; val[n] = 0; pos[n] = 0 }
#else
#define LOSE(n)
#endif
#define RESTART(n) \
  :: d_step { \
    restarts < RESTARTS && (role[n] != IDLE || RESTARTS_IDLE) -> \
    printf("node %d: restarts\n", n); \
    restarts++; restart(n) }
#define BLACKOUT() \
  :: d_step { \
    !blackout -> \
    printf("no power anywhere\n"); \
    blackout = 1; restart(0); restart(1); restart(2) }
#ifdef NO_RULE_3A
#define RESTARTS_IDLE 1
#else
#define RESTARTS_IDLE 0 /* an idle node has nothing to forget: what it granted is bound in lease */
#endif

#define NODES(STEP) STEP(0) STEP(1) STEP(2)
#define PAIRS(STEP) STEP(0, 1) STEP(0, 2) STEP(1, 0) STEP(1, 2) STEP(2, 0) STEP(2, 1)

active proctype group() {
  d_step {
    epoch[0] = 1; epoch[1] = 1; epoch[2] = 1;
    record[1] = RECORD(0, 7, 1);
    role[0] = SERVING;
    after()
  }
end:
  do
  :: atomic {
  if
  NODES(WRITE)
  NODES(APPEND)
  PAIRS(DELIVER)
  NODES(COMMIT)
  NODES(ADVANCE)
#ifndef LOSS /* one loss is all that two remaining copies outlive */
  PAIRS(REMOVE)
#endif
  PAIRS(ADMIT)
  NODES(TAKE_OVER)
  NODES(RETURN)
  NODES(APPLY)
  NODES(TRUST)
  NODES(ADOPT)
  NODES(SETTLE)
  PAIRS(COPY)
  PAIRS(DIVERGED)
  NODES(RESTART)
  NODES(LOSE)
  BLACKOUT()
  fi;
  d_step { after() }
  }
  od
}
