/* The promises. Each name is always false: it makes the checker's message say which
 * promise broke. */
hidden byte NO_UNRESOLVED_COMMITTED, NEVER_BACK, OWNER_ONLY, DELIVERED_ONLY, FENCED_IS_FINAL,
  DELIVERED_AGAIN, KEY_ORDER, ONE_OWNER_AT_WORK, CLEAN_MEANS_HELD, DRAINED_IS_COMMITTED, RESOLVED_IS_COMMITTED

/* With -DREACH=situation a run must fail by getting there: else the proof is empty. */
#ifdef REACH
hidden byte REACHED
#define reached(situation, when) assert(REACHED || REACH != situation || !(when))
#else
#define reached(situation, when) skip
#endif
#define LATE_RESULT 1
#define LATE_RESULT_BESIDE_THE_NEXT_TENURE 2
#define DRAIN_DEADLINE 3
#define FENCED 4
#define SLOW_REQUEST 5
#define CROSSED_A_REBALANCE 6
#define ANSWER_LOST 7
#define LATE_REQUEST_FENCED 8
#define COMES_BACK 9
#define CRASH_WITH_UNCOMMITTED 10
#define START_IN_THE_HOLE 11
#define FAILURE_HOLDS_THE_END 12

/* one message of a key at a time, parked ones included */
inline judgeOneAtATime(t, i) {
  j = 0;
  do
  :: j < N ->
     assert(KEY_ORDER || j == i || !SAME_KEY(i, j) || !IN_FLIGHT(tenure[t].state[j]));
     j++
  :: else -> j = 0; break
  od;
  skip
}

/* in the order of the log, not past a failed one, and alone among owners that cooperate */
inline judgeBegin(t, i) {
  judgeOneAtATime(t, i);
  j = 0;
  do
  :: j < i -> assert(KEY_ORDER || !SAME_KEY(i, j) || !(tenure[t].state[j] == queued || STUCK(t, j))); j++
  :: else -> j = 0; break
  od;
  do
  :: j < TENURES ->
     k = 0;
     do
     :: k < N ->
        assert(ONE_OWNER_AT_WORK || j == t || tenure[j].disowned || tenure[t].disowned || !SAME_KEY(i, k) || !IN_FLIGHT(tenure[j].state[k]));
        k++
     :: else -> k = 0; break
     od;
     j++
  :: else -> j = 0; break
  od;
  skip
}

inline judgeAsk(t, v) {
  assert(FENCED_IS_FINAL || !tenure[t].fenced);
  assert(DELIVERED_ONLY || v <= DELIVERED(t));
#ifndef ANY_STRATEGY
  j = tenure[t].first;
  do
  :: j < N -> assert(NO_UNRESOLVED_COMMITTED || OFFSET(j) >= v || (tenure[t].won & (1 << j))); j++
  :: else -> j = 0; break
  od
#endif
}

inline judgeClean(t) {
  assert(CLEAN_MEANS_HELD || tenure[t].phase == closed || tenure[t].committed <= held)
}

inline judgeStore(r) {
  assert(OWNER_ONLY || r.tenure == owner);
  assert(NEVER_BACK || r.next >= held);
#ifndef ANY_STRATEGY
  i = 0;
  do
  :: i < N -> assert(NO_UNRESOLVED_COMMITTED || OFFSET(i) >= r.next || (done & (1 << i))); i++
  :: else -> i = 0; break
  od
#endif
}

inline judgeStart(t) {
  reached(START_IN_THE_HOLE, tenure[t].committed == 1);
  assert(DELIVERED_AGAIN || tenure[t].committed == held);
}

inline judgeClose(t) {
#ifndef ANY_STRATEGY
  assert(DRAINED_IS_COMMITTED || tenure[t].fenced || tenure[t].tried || tenure[t].committed == tenure[t].contiguous)
#else
  skip
#endif
}
