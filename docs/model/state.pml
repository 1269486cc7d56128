/* What there is. Offsets are those of Kafka, the one to read next, so one more than the
 * package offsets counts: committed 0 is nothing yet. */

/* Package offsets: a window; its indexes are the package's tickets. Package pipeline: a claim. */
mtype = { absent, queued, running, parked, failed, resolved }
mtype = { unused, serving, saving, waiting, flushing, closed }

typedef Tenure {
  mtype phase = unused
  byte member
  byte first          /* index of the first message that it reads */
  byte head, prefix, next
  byte committed, contiguous
  byte asked          /* the highest commit asked for */
  mtype state[N] = absent
  byte won            /* truth, as bits: whose handler succeeded in this tenure */
  bool told           /* the source says that the claim is over */
  bool fenced
  bool over           /* the context of its messages has ended */
  bool tried          /* a try of this flush failed */
  bool disowned       /* lost without notice, or overran its drain */
}
Tenure tenure[TENURES]

#define PENDING(s) (s == queued || s == running || s == parked)
#define IN_FLIGHT(s) (s == running || s == parked)
#define ALL_QUIET(t) (!IN_FLIGHT(tenure[t].state[0]) && !IN_FLIGHT(tenure[t].state[1]) && !IN_FLIGHT(tenure[t].state[2]))
#define STUCK(t, i) (tenure[t].state[i] == failed && OFFSET(i) >= tenure[t].committed)
#define DELIVERED(t) (tenure[t].next == 0 -> 0 : OFFSET(tenure[t].next - 1) + 1)

/* Package pipeline: the pool, what may happen to messages. */
byte busy[MEMBERS]    /* permits in use */
byte parks = PARKS
byte failures = FAILURES

/* Package source, and the broker. */
mtype = { none, checked, sent, accepted, denied, stale, gone }

typedef Request {
  mtype state = none
  byte tenure
  byte next
  bool current        /* its generation is the group's */
}
Request call[MEMBERS]     /* Source.Commit, for which the committer waits */
Request afloat[MEMBERS]   /* one that was given up and may still arrive */

byte held                 /* what the group has committed */
bool joined[MEMBERS]      /* the broker takes it for a member, so it knows the generation */
byte serves[MEMBERS]      /* the tenure that it serves */
byte owner = NOBODY       /* the tenure whose commits count */
byte target               /* who gets the partition when it is free */
byte granted              /* tenures so far */
#ifdef BUG_RESTART_FROM_THE_DELIVERED
byte read                 /* the offset behind the last message delivered before a crash */
#endif
byte troubles = TROUBLES

/* The truth, as bits: whose handler succeeded in a tenure that was not over. */
byte done
