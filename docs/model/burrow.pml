/* A group of two members that consume one partition with burrow. README.md says what
 * stands for what, check.sh checks it. */

#define MEMBERS 2
#define NOBODY 255
#define N 3                          /* messages, at the offsets 0, 2, 3: */
#define OFFSET(i) ((i) + ((i) >= 1)) /* the log has a hole at 1 */
#define END 4
#define KEYS 2
#define KEY(i) ((i) % KEYS)
#define SAME_KEY(i, j) (KEY(i) == KEY(j))
#ifndef WINDOW
#define WINDOW 3
#endif
#ifndef WORKERS
#define WORKERS 2                    /* a member */
#endif
#ifndef TENURES
#define TENURES 3
#endif
#ifndef TROUBLES
#define TROUBLES 3                   /* everything that goes wrong outside of the engine */
#endif
#ifndef PARKS
#define PARKS 1
#endif
#ifndef FAILURES
#define FAILURES 1
#endif

#include "state.pml"
#include "judge.pml"
#include "offsets.pml"
#include "source.pml"
#include "pipeline.pml"

/* Troubles are bounded, so each run ends. At its end somebody owns the partition, and
 * has committed all that it may. */
proctype Judge() {
  timeout ->
    assert(RESOLVED_IS_COMMITTED || owner != NOBODY && tenure[owner].phase == serving && !tenure[owner].fenced);
    assert(RESOLVED_IS_COMMITTED || IDLE(0) && IDLE(1));
#ifndef ANY_STRATEGY
    assert(RESOLVED_IS_COMMITTED || tenure[owner].committed == held);
    if
    :: failures < FAILURES ->
       reached(FAILURE_HOLDS_THE_END, held < END);
       assert(RESOLVED_IS_COMMITTED || held == END || tenure[owner].state[tenure[owner].prefix] == failed)
    :: else -> assert(RESOLVED_IS_COMMITTED || held == END)
    fi
#endif
}

init {
  byte t, i;
  atomic {
    serves[0] = NOBODY;
    serves[1] = NOBODY;
    joined[0] = true;
    joined[1] = true;
    run Network(0); run Network(1);
    run Committer(0); run Committer(1);
    run Coordinator();
    for (t : 0 .. TENURES - 1) {
      run Claim(t);
      for (i : 0 .. N - 1) {
        run Task(t, i)
      }
    }
    run Judge()
  }
}
