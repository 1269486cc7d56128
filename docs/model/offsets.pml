/* Package offsets: the window of one tenure. */

inline open(t, m, start) {
  tenure[t].member = m;
  tenure[t].committed = start;
  tenure[t].contiguous = start;
  tenure[t].asked = start;
  do
  :: tenure[t].first < N && OFFSET(tenure[t].first) < start -> tenure[t].first++
  :: else -> break
  od;
  tenure[t].head = tenure[t].first;
  tenure[t].prefix = tenure[t].first;
  tenure[t].next = tenure[t].first;
  tenure[t].phase = serving;
  printf("m%d tenure %d begins at %d\n", m, t, start)
}

/* extend moves the prefix over what is resolved or committed. */
#ifdef BUG_HOLE_IS_A_GAP
#define FOLLOWS(t) (OFFSET(tenure[t].prefix) == tenure[t].contiguous)
#else
#define FOLLOWS(t) true
#endif
#define SETTLED(t, i) (tenure[t].state[i] == resolved || OFFSET(i) < tenure[t].committed)
inline extend(t) {
  do
  :: tenure[t].prefix < tenure[t].next && SETTLED(t, tenure[t].prefix) && FOLLOWS(t) ->
     if
     :: OFFSET(tenure[t].prefix) + 1 > tenure[t].contiguous -> tenure[t].contiguous = OFFSET(tenure[t].prefix) + 1
     :: else
     fi;
     tenure[t].prefix++
  :: else -> break
  od;
  skip
}

/* release lets what is committed leave, except what is pending. */
inline release(t) {
  do
  :: tenure[t].head < tenure[t].prefix && OFFSET(tenure[t].head) < tenure[t].committed &&
     !PENDING(tenure[t].state[tenure[t].head]) -> tenure[t].head++
  :: else -> break
  od;
  skip
}

inline resolve(t, i) {
  tenure[t].state[i] = resolved;
  extend(t);
  release(t)
}

inline ack(t, offset) {
  if
  :: tenure[t].phase != closed && offset > tenure[t].committed ->
     tenure[t].committed = offset;
     extend(t);
     if
     :: tenure[t].contiguous < offset -> tenure[t].contiguous = offset
     :: else
     fi;
     release(t)
  :: else
  fi
}

/* bury forgets the rest when no handler is left. */
inline bury(t) {
  if
  :: ALL_QUIET(t) -> tenure[t].member = 0; tenure[t].first = 0; tenure[t].disowned = false
  :: else
  fi
}

/* forget clears what no later step looks at, so that equal states are one. */
inline forget(t) {
#ifdef BUG_COMMIT_AFTER_REVOCATION
  skip
#else
  tenure[t].head = 0; tenure[t].prefix = 0; tenure[t].next = 0;
  tenure[t].committed = 0; tenure[t].contiguous = 0; tenure[t].asked = 0;
  tenure[t].won = 0; tenure[t].told = false; tenure[t].fenced = false; tenure[t].tried = false;
  i = 0;
  do
  :: i < N -> if
              :: !IN_FLIGHT(tenure[t].state[i]) -> tenure[t].state[i] = absent
              :: else
              fi;
              i++
  :: else -> i = 0; break
  od;
  bury(t)
#endif
}

/* MAY_COMMIT(t, v): a snapshot of tenure t may give v. */
#ifdef ANY_STRATEGY
#ifdef BUG_UNCLAMPED
#define CLAMPED(t, v) (v > tenure[t].committed)
#else
#define CLAMPED(t, v) (v > tenure[t].committed && v <= DELIVERED(t))
#endif
#else
#ifdef BUG_COMMIT_THE_HIGHEST
#define CLAMPED(t, v) (v > tenure[t].committed && HIGHEST(t, v))
#define HIGHEST(t, v) (IS_DONE(t, 0, v) || IS_DONE(t, 1, v) || IS_DONE(t, 2, v))
#define IS_DONE(t, i, v) (tenure[t].state[i] == resolved && v == OFFSET(i) + 1)
#else
#define CLAMPED(t, v) (v > tenure[t].committed && v == tenure[t].contiguous)
#endif
#endif

#ifdef BUG_ASKED_FORGOTTEN
#define MAY_COMMIT(t, v) CLAMPED(t, v)
#else
#define MAY_COMMIT(t, v) (CLAMPED(t, v) && v >= tenure[t].asked)
#endif
