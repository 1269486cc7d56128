/* Package pipeline: a task for each message of a tenure, a claim for each tenure, and
 * one committer for each member. */

#define BEGUN(t) (tenure[t].phase != serving)

/* LANE_FREE(t, i): the message of the same key before i is out of the way. */
#define LANE_FREE(t, i) (i < KEYS || PASSED(t, i - KEYS))
#if defined(BUG_LANE_RELEASED_WHILE_PARKED)
#define PASSED(t, j) (!(tenure[t].state[j] == queued || tenure[t].state[j] == running || STUCK(t, j)))
#elif defined(BUG_LANE_RELEASED_ON_FAILURE)
#define PASSED(t, j) (!PENDING(tenure[t].state[j]))
#else
#define PASSED(t, j) (!(PENDING(tenure[t].state[j]) || STUCK(t, j)))
#endif

inline finish(t, i) {
  busy[tenure[t].member]--;
  if
#ifndef BUG_COMMIT_AFTER_REVOCATION
  :: tenure[t].phase == closed -> /* a late result: the window is closed */
     printf("tenure %d ends %d: done, after its end\n", t, OFFSET(i));
     tenure[t].state[i] = absent;
     reached(LATE_RESULT, true);
     reached(LATE_RESULT_BESIDE_THE_NEXT_TENURE, serves[tenure[t].member] != NOBODY);
     bury(t);
#ifdef BUG_LATE_RESULT_COUNTS
     u = serves[tenure[t].member];
     if
     :: u != NOBODY && tenure[u].first + i - tenure[t].first < tenure[u].next &&
        tenure[u].state[tenure[u].first + i - tenure[t].first] == queued ->
        resolve(u, tenure[u].first + i - tenure[t].first)
     :: else
     fi
#endif
#endif
  :: else ->
     printf("tenure %d ends %d: done\n", t, OFFSET(i));
     tenure[t].won = tenure[t].won | (1 << i);
     done = done | (1 << i);
     resolve(t, i)
  fi
}

proctype Task(byte t, i) {
#ifdef BUG_LATE_RESULT_COUNTS
  byte u;
#endif
  byte j, k;
  do
  /* claim.begin */
  :: d_step {
       tenure[t].state[i] == queued && !BEGUN(t) && !tenure[t].fenced && busy[tenure[t].member] < WORKERS && LANE_FREE(t, i) ->
       printf("tenure %d starts %d key %d\n", t, OFFSET(i), KEY(i));
       judgeBegin(t, i);
       tenure[t].state[i] = running;
       busy[tenure[t].member]++
     }
  /* claim.finish: it succeeded (or it is late), it failed, its context has ended */
  :: d_step { tenure[t].state[i] == running -> finish(t, i) }
  :: d_step {
       tenure[t].state[i] == running && !tenure[t].over && failures > 0 ->
       failures--;
       printf("tenure %d ends %d: failed\n", t, OFFSET(i));
       busy[tenure[t].member]--;
       tenure[t].state[i] = failed;
       release(t)
     }
  :: d_step {
       tenure[t].state[i] == running && tenure[t].over && tenure[t].phase != closed ->
       printf("tenure %d ends %d: its context has ended\n", t, OFFSET(i));
       busy[tenure[t].member]--;
       tenure[t].state[i] = absent
     }
  /* claim.park, claim.unpark */
  :: d_step {
       tenure[t].state[i] == running && !tenure[t].over && !BEGUN(t) && parks > 0 ->
       parks--;
       printf("tenure %d parks %d\n", t, OFFSET(i));
       busy[tenure[t].member]--;
       tenure[t].state[i] = parked
     }
  :: d_step {
       tenure[t].state[i] == parked && !BEGUN(t) && !tenure[t].over && busy[tenure[t].member] < WORKERS ->
       printf("tenure %d goes on with %d\n", t, OFFSET(i));
       tenure[t].state[i] = running;
       busy[tenure[t].member]++;
       judgeOneAtATime(t, i)
     }
  /* the drain or the end of the context ends a wait: ErrReleased, or the handler goes on */
  :: d_step {
       tenure[t].state[i] == parked && (BEGUN(t) || tenure[t].over) ->
       printf("tenure %d ends %d: released\n", t, OFFSET(i));
#ifdef BUG_RELEASED_TAKEN_AS_DONE
       resolve(t, i)
#else
       tenure[t].state[i] = absent;
       if
       :: tenure[t].phase == closed -> bury(t)
       :: else
       fi
#endif
     }
  :: d_step {
       tenure[t].state[i] == parked && (BEGUN(t) || tenure[t].over) ->
       tenure[t].state[i] = running;
       busy[tenure[t].member]++
     }
  od
}

/* SAVED(t): a flush is over without a fault: fenced, or nothing more to commit. */
#define IDLE(m) (call[m].state == none)
#ifdef ANY_STRATEGY
#define NOTHING_NEW(t) true
#else
#define NOTHING_NEW(t) (tenure[t].contiguous <= tenure[t].committed)
#endif
#define SAVED(t) (tenure[t].fenced || tenure[t].tried || (IDLE(tenure[t].member) && NOTHING_NEW(t)))

inline beginDrain(t) {
  printf("tenure %d is told to end\n", t);
  i = 0;
  do
  :: i < N ->
     if
     :: tenure[t].state[i] == queued ->
#ifdef BUG_QUEUED_RESOLVED_AT_DRAIN
        resolve(t, i)
#else
        tenure[t].state[i] = absent
#endif
     :: else
     fi;
     i++
  :: else -> break
  od;
  tenure[t].phase = (ALL_QUIET(t) -> flushing : saving)
}

/* close ends the tenure: nothing settles or is committed after it. */
inline close(t) {
  judgeClose(t);
  tenure[t].phase = closed;
  printf("tenure %d is over\n", t);
  tenure[t].over = true;
  serves[tenure[t].member] = NOBODY;
  released(t);
  forget(t)
}

proctype Claim(byte t) {
  byte i, j;
  do
  /* reader.take */
  :: d_step {
       tenure[t].phase == serving && !tenure[t].fenced && tenure[t].next < N && tenure[t].next - tenure[t].head < WINDOW ->
       tenure[t].state[tenure[t].next] = queued;
       tenure[t].next++
     }
  /* Receive says ErrClosed */
  :: d_step { tenure[t].phase == serving && tenure[t].told -> beginDrain(t) }
  /* the first flush of the drain is over, with or without its timeout */
  :: d_step { tenure[t].phase == saving && SAVED(t) -> tenure[t].phase = waiting; tenure[t].tried = false }
  :: d_step {
       tenure[t].phase == saving && !SAVED(t) && !IDLE(tenure[t].member) && troubles > 0 ->
       printf("tenure %d: CommitTimeout of the first flush\n", t);
       troubles--; tenure[t].phase = waiting; tenure[t].tried = false
     }
  /* drained, fenced, or the deadline */
#ifdef BUG_DRAIN_DOES_NOT_WAIT
  :: d_step { tenure[t].phase == waiting -> tenure[t].phase = flushing }
#else
  :: d_step { tenure[t].phase == waiting && (ALL_QUIET(t) || tenure[t].fenced) -> tenure[t].phase = flushing }
  :: d_step {
       tenure[t].phase == waiting && !ALL_QUIET(t) && !tenure[t].fenced ->
       tenure[t].over = true; tenure[t].disowned = true; tenure[t].phase = flushing;
       printf("tenure %d: the drain timeout\n", t);
       reached(DRAIN_DEADLINE, true)
     }
#endif
  /* the last flush is over, with or without its timeout */
#ifdef BUG_NO_LAST_COMMIT
  :: d_step { tenure[t].phase == flushing -> close(t) }
#else
  :: d_step { tenure[t].phase == flushing && SAVED(t) -> close(t) }
  :: d_step {
       tenure[t].phase == flushing && !SAVED(t) && !IDLE(tenure[t].member) && troubles > 0 ->
       printf("tenure %d: CommitTimeout of the last flush\n", t);
       troubles--; tenure[t].tried = true; close(t)
     }
#endif
  od
}

#define LISTED(t) (tenure[t].phase == serving || tenure[t].phase == saving || tenure[t].phase == waiting || tenure[t].phase == flushing)
#ifdef BUG_FENCE_IGNORED
#define MAY_ASK(t) LISTED(t)
#else
#define MAY_ASK(t) (LISTED(t) && !tenure[t].fenced)
#endif

/* committer.commit, its first half: a snapshot goes to Source.Commit. */
inline ask(m, t, v, slow) {
  printf("tenure %d commits %d\n", t, v);
  judgeAsk(t, v);
  tenure[t].asked = v;
  call[m].tenure = t;
  call[m].next = v;
  call[m].state = checked;
  if
  :: !slow -> dispatch(m)
  :: else -> troubles--
  fi;
#ifdef BUG_CLEAN_BEFORE_THE_ACK
  ack(t, v);
#endif
  judgeClean(t)
}

/* committer.refused, for an error that may be tried again */
inline refused(m) {
  t = call[m].tenure;
  printf("tenure %d commit of %d: no answer, or refused for now\n", t, call[m].next);
  if
  :: tenure[t].phase == saving || tenure[t].phase == flushing -> tenure[t].tried = true
  :: else
  fi;
#ifdef BUG_TIMEOUT_TAKEN_AS_ACK
  ack(t, call[m].next);
  judgeClean(t);
#endif
  clear(call[m])
}

inline fence(t) {
  if
  :: tenure[t].phase != closed ->
     printf("tenure %d is fenced\n", t);
     tenure[t].fenced = true; tenure[t].over = true; reached(FENCED, true)
  :: else
  fi
}

#define ASK(m, v) \
  d_step { IDLE(m) && serves[m] != NOBODY && MAY_ASK(serves[m]) && MAY_COMMIT(serves[m], v) -> t = serves[m]; ask(m, t, v, false); t = 0 }
#define ASK_SLOWLY(m, v) \
  d_step { \
    IDLE(m) && troubles > 0 && serves[m] != NOBODY && MAY_ASK(serves[m]) && MAY_COMMIT(serves[m], v) -> \
    t = serves[m]; ask(m, t, v, true); t = 0 \
  }
#define ASK_LATE(m, t, v) \
  d_step { IDLE(m) && tenure[t].phase == closed && !tenure[t].fenced && tenure[t].member == m && MAY_COMMIT(t, v) -> ask(m, t, v, false) }

proctype Committer(byte m) {
  byte t, j;
  do
  :: ASK(m, 1)
  :: ASK(m, 2)
  :: ASK(m, 3)
  :: ASK(m, 4)
  /* the coordinator must be looked up first */
  :: ASK_SLOWLY(m, 1)
  :: ASK_SLOWLY(m, 2)
  :: ASK_SLOWLY(m, 3)
  :: ASK_SLOWLY(m, 4)
#ifdef BUG_COMMIT_AFTER_REVOCATION
  :: ASK_LATE(m, 0, 1)
  :: ASK_LATE(m, 0, 3)
  :: ASK_LATE(m, 0, 4)
#endif
  /* the verdict */
  :: d_step {
       call[m].state == accepted ->
       t = call[m].tenure;
       printf("tenure %d commit of %d: acknowledged\n", t, call[m].next);
       ack(t, call[m].next);
       judgeClean(t);
       clear(call[m]); t = 0
     }
  :: d_step { call[m].state == denied -> refused(m); t = 0 }
  :: d_step { call[m].state == stale -> t = call[m].tenure; fence(t); clear(call[m]); t = 0 }
  /* CommitTimeout: the answer will not come, or the request is slow */
  :: d_step { call[m].state == gone -> refused(m); t = 0 }
  :: d_step {
       (call[m].state == checked || call[m].state == sent) && afloat[m].state == none && troubles > 0 ->
       troubles--;
       afloat[m].tenure = call[m].tenure;
       afloat[m].next = call[m].next;
       afloat[m].current = call[m].current;
       afloat[m].state = call[m].state;
       reached(SLOW_REQUEST, true);
       refused(m); t = 0
     }
  od
}
