/* Package source: one member's way to its group, and the broker's group coordinator.
 * A request is fenced by its generation, as Kafka does; Kafka doesn't look at who owns
 * the partition, so that a tenure that has ended must not commit is the source's part. */

inline clear(r) {
  r.state = none; r.tenure = 0; r.next = 0; r.current = false
}

/* bump is a rebalance: no request that was built before it is of the group's new generation. */
inline bump() {
  call[0].current = false; call[1].current = false;
  afloat[0].current = false; afloat[1].current = false
}

/* released: Serve has returned, so the member joins again, without the partition. */
inline released(t) {
  if
  :: owner == t -> owner = NOBODY; bump()
  :: else
  fi;
  if
  :: !joined[tenure[t].member] -> joined[tenure[t].member] = true; bump()
  :: else
  fi
}

/* dispatch builds the request: first the generation is read, then whether the tenure
 * has ended. In the other order an ended tenure could get the generation after its own. */
#if defined(BUG_ENDED_LOOKED_AT_FIRST) || defined(BUG_COMMIT_AFTER_REVOCATION)
#define HAS_ENDED(r) false
#else
#define HAS_ENDED(r) (tenure[r.tenure].phase == closed)
#endif
inline dispatch(m) {
  call[m].current = joined[m];
  call[m].state = (HAS_ENDED(call[m]) -> stale : sent)
}

#ifdef BUG_STALE_GENERATION_ACCEPTED
#define CURRENT(r) true
#else
#define CURRENT(r) r.current
#endif

inline store(r) {
  printf("broker stores %d, asked for by tenure %d\n", r.next, r.tenure);
  judgeStore(r);
  held = r.next
}

/* ORDERED: a request never overtakes the one before it. */
#ifdef BUG_COMMITS_OVERTAKE
#define ORDERED(m) true
#else
#define ORDERED(m) (afloat[m].state == none)
#endif

proctype Network(byte m) {
  byte i, t;
  do
  :: d_step { call[m].state == checked && ORDERED(m) -> dispatch(m) }
  :: d_step {
       call[m].state == sent && ORDERED(m) && CURRENT(call[m]) ->
       store(call[m]);
       call[m].state = accepted
     }
  /* kafka.verdict: refused for a rebalance that the member takes part in, or fenced */
  :: d_step {
       call[m].state == sent && ORDERED(m) && !CURRENT(call[m]) ->
       call[m].state = (joined[m] -> denied : stale);
       reached(CROSSED_A_REBALANCE, call[m].state == denied)
     }
  :: d_step { call[m].state == sent && troubles > 0 ->
       printf("the request is lost\n");
       troubles--; call[m].state = gone }
  :: d_step {
       call[m].state == sent && ORDERED(m) && CURRENT(call[m]) && troubles > 0 ->
       troubles--;
       store(call[m]);
       printf("its answer is lost\n");
       call[m].state = gone;
       reached(ANSWER_LOST, true)
     }
  /* what was given up arrives, or never does */
  :: d_step {
       afloat[m].state == checked ->
       if
       :: HAS_ENDED(afloat[m]) -> clear(afloat[m])
       :: else -> afloat[m].current = joined[m]; afloat[m].state = sent
       fi
     }
  :: d_step {
       afloat[m].state == sent ->
       if
       :: CURRENT(afloat[m]) -> store(afloat[m])
       :: else -> reached(LATE_REQUEST_FENCED, true)
       fi;
       clear(afloat[m])
     }
  :: d_step { afloat[m].state != none -> clear(afloat[m]) }
  od
}

#ifdef BUG_RESTART_FROM_THE_DELIVERED
#define START (read > held -> read : held)
#else
#define START held
#endif
#define GRANT(m) \
  d_step { \
    owner == NOBODY && target == m && joined[m] && serves[m] == NOBODY && granted < TENURES -> \
    t = granted; granted++; target = 0; owner = t; serves[m] = t; \
    start = START; open(t, m, start); start = 0; \
    judgeStart(t); t = 0 \
  }

/* told: the owner hears of a revocation, and still may commit until it has drained. */
inline revoke(to) {
  printf("trouble: revoke tenure %d, for m%d\n", owner, to);
  tenure[owner].told = true;
  target = to;
  reached(COMES_BACK, to == tenure[owner].member);
  bump()
}

/* expire takes the partition and the membership away without a word. */
inline expire() {
  printf("trouble: tenure %d is lost, and not told\n", owner);
  m = tenure[owner].member;
  tenure[owner].disowned = true;
  joined[m] = false;
  target = 1 - m;
  owner = NOBODY;
  bump();
  m = 0
}

/* crash kills the owner's process: handlers, windows, what was not sent. */
inline crash() {
  printf("trouble: the member of tenure %d crashes\n", owner);
  m = tenure[owner].member;
  reached(CRASH_WITH_UNCOMMITTED, DELIVERED(owner) > held);
#ifdef BUG_RESTART_FROM_THE_DELIVERED
  read = DELIVERED(owner);
#endif
  if
  :: call[m].state == sent && afloat[m].state == none ->
     afloat[m].tenure = call[m].tenure; afloat[m].next = call[m].next;
     afloat[m].current = call[m].current; afloat[m].state = sent
  :: afloat[m].state == checked -> clear(afloat[m])
  :: else
  fi;
  clear(call[m]);
  busy[m] = 0;
  serves[m] = NOBODY;
  t = 0;
  do
  :: t < TENURES ->
     if
     :: tenure[t].phase != unused && tenure[t].member == m ->
        tenure[t].state[0] = absent; tenure[t].state[1] = absent; tenure[t].state[2] = absent;
        tenure[t].phase = closed;
        forget(t)
     :: else
     fi;
     t++
  :: else -> t = 0; break
  od;
  m = 0
}

/* MORE: there is another tenure for the one that this trouble ends. */
#define MORE (granted < TENURES && troubles > 0 && owner != NOBODY && tenure[owner].phase != closed)

proctype Coordinator() {
  byte t, m, i, start;
  do
  :: GRANT(0)
  :: GRANT(1)
  /* the session of a dead member ends; it was started again meanwhile */
  :: d_step { owner != NOBODY && tenure[owner].phase == closed -> owner = NOBODY; bump(); target = 0 }
  :: d_step { owner != NOBODY && tenure[owner].phase == closed -> owner = NOBODY; bump(); target = 1 }
  :: d_step { MORE && !tenure[owner].told -> troubles--; revoke(0) }
  :: d_step { MORE && !tenure[owner].told -> troubles--; revoke(1) }
  :: d_step { MORE -> troubles--; expire() }
  :: d_step { MORE -> troubles--; crash() }
  /* a rebalance in which the owner keeps the partition */
  :: d_step { troubles > 0 && owner != NOBODY -> printf("trouble: rebalance\n"); troubles--; bump() }
  /* a lost member notices */
  :: d_step { serves[0] != NOBODY && !joined[0] && !tenure[serves[0]].told ->
       printf("m0 notices\n"); tenure[serves[0]].told = true
     }
  :: d_step { serves[1] != NOBODY && !joined[1] && !tenure[serves[1]].told ->
       printf("m1 notices\n"); tenure[serves[1]].told = true
     }
  od
}
