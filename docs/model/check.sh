#!/usr/bin/env bash
# Checks the model: it must keep every promise, each deliberate bug must break one, and
# each situation that matters must be reached.
#
#   check.sh             all of it, in a table
#   check.sh NAME ...    some rows
#   check.sh trace NAME  how a bug breaks a promise, or a situation is reached, step by step
#   check.sh deep        three tenures and three troubles: minutes, and 10 GB of memory
set -euo pipefail
cd "$(dirname "$0")"

# name | expected: holds, ends, endless, or the promise that breaks | defines
rows() {
  cat <<'ROWS'
order                           | holds                   | TENURES=2 TROUBLES=2
protocol                        | holds                   | TENURES=2 TROUBLES=3 PARKS=0 FAILURES=0
three-tenures                   | holds                   | TENURES=3 TROUBLES=2 PARKS=0 FAILURES=0
small-window                    | holds                   | TENURES=2 TROUBLES=2 PARKS=0 WINDOW=2
any-strategy                    | holds                   | TENURES=2 TROUBLES=1 PARKS=0 WINDOW=2 ANY_STRATEGY
any-strategy-one-tenure         | holds                   | TENURES=1 TROUBLES=2 ANY_STRATEGY
every-run-ends                  | ends                    | TENURES=2 TROUBLES=1
fence-ignored-for-ever          | endless                 | TENURES=2 TROUBLES=1 BUG_FENCE_IGNORED
commit-the-highest              | NO_UNRESOLVED_COMMITTED | TENURES=2 TROUBLES=2 BUG_COMMIT_THE_HIGHEST
clean-before-the-ack            | CLEAN_MEANS_HELD        | TENURES=2 TROUBLES=2 BUG_CLEAN_BEFORE_THE_ACK
timeout-taken-as-ack            | CLEAN_MEANS_HELD        | TENURES=2 TROUBLES=2 BUG_TIMEOUT_TAKEN_AS_ACK
commit-after-revocation         | OWNER_ONLY              | TENURES=2 TROUBLES=2 BUG_COMMIT_AFTER_REVOCATION
stale-generation-accepted       | OWNER_ONLY              | TENURES=2 TROUBLES=2 BUG_STALE_GENERATION_ACCEPTED
unclamped                       | DELIVERED_ONLY          | TENURES=2 TROUBLES=2 BUG_UNCLAMPED ANY_STRATEGY
asked-forgotten                 | NEVER_BACK              | TENURES=2 TROUBLES=2 BUG_ASKED_FORGOTTEN ANY_STRATEGY
restart-from-the-delivered      | DELIVERED_AGAIN         | TENURES=2 TROUBLES=2 BUG_RESTART_FROM_THE_DELIVERED
lane-released-while-parked      | KEY_ORDER               | TENURES=2 TROUBLES=2 BUG_LANE_RELEASED_WHILE_PARKED
lane-released-on-failure        | KEY_ORDER               | TENURES=2 TROUBLES=2 BUG_LANE_RELEASED_ON_FAILURE
late-result-counts              | NO_UNRESOLVED_COMMITTED | TENURES=2 TROUBLES=2 BUG_LATE_RESULT_COUNTS
drain-does-not-wait             | ONE_OWNER_AT_WORK       | TENURES=2 TROUBLES=2 BUG_DRAIN_DOES_NOT_WAIT
queued-resolved-at-drain        | NO_UNRESOLVED_COMMITTED | TENURES=2 TROUBLES=2 BUG_QUEUED_RESOLVED_AT_DRAIN
released-taken-as-done          | NO_UNRESOLVED_COMMITTED | TENURES=2 TROUBLES=2 BUG_RELEASED_TAKEN_AS_DONE
no-last-commit                  | DRAINED_IS_COMMITTED    | TENURES=2 TROUBLES=2 BUG_NO_LAST_COMMIT
fence-ignored                   | FENCED_IS_FINAL         | TENURES=2 TROUBLES=2 BUG_FENCE_IGNORED
hole-is-a-gap                   | RESOLVED_IS_COMMITTED   | TENURES=2 TROUBLES=2 BUG_HOLE_IS_A_GAP
commits-overtake                | NEVER_BACK              | TENURES=2 TROUBLES=2 BUG_COMMITS_OVERTAKE
ended-looked-at-first           | OWNER_ONLY              | TENURES=2 TROUBLES=3 PARKS=0 FAILURES=0 BUG_ENDED_LOOKED_AT_FIRST
ROWS
  local situation
  for situation in LATE_RESULT LATE_RESULT_BESIDE_THE_NEXT_TENURE DRAIN_DEADLINE FENCED SLOW_REQUEST \
    CROSSED_A_REBALANCE ANSWER_LOST LATE_REQUEST_FENCED COMES_BACK CRASH_WITH_UNCOMMITTED \
    START_IN_THE_HOLE FAILURE_HOLDS_THE_END; do
    echo "$situation | REACHED | TENURES=2 TROUBLES=2 REACH=$situation"
  done
}

# build NAME EXPECTED DEFINES ... makes ./pan in the current folder.
build() {
  local expected=$2 mode=-DSAFETY
  case $expected in
  ends | endless) mode=-DNP ;;
  esac
  shift 2
  spin "${@/#/-D}" -a "$model/burrow.pml" >spin.out || { cat spin.out; return 1; }
  # What fails fails soon, so that it isn't worth optimising.
  case $expected in
  holds | ends) set -- -O2 ;;
  *) set -- -O0 ;;
  esac
  gcc "$@" -w $mode -DMEMLIM="${MEMORY:-3000}" -o pan pan.c
}

# search EXPECTED runs ./pan and prints what came of it.
search() {
  local flags=(-E -m1000)
  case $1 in
  holds) flags+=(-w25) ;;
  ends) flags+=(-w22 -l) ;;
  endless) flags+=(-w20 -l -A) ;; # whatever promises break on the way
  *) flags+=(-w20) ;;
  esac
  ./pan "${flags[@]}" >pan.out 2>&1 || true
  if grep -q "assertion violated" pan.out; then
    grep -o "assertion violated.*" pan.out | grep -oE "[A-Z]{2,}(_[A-Z]+)*" | grep -vE "^(N|END)$" | head -1
  elif grep -q "^pan:1: non-progress cycle" pan.out; then
    echo endless
  elif grep -q "errors: 0" pan.out && ! grep -qi "search not completed\|max search depth\|out of memory" pan.out; then
    if [ "$1" = ends ]; then echo ends; else echo holds; fi
  else
    echo "incomplete: $(head -1 pan.out)"
  fi
}

# check ROW prints a line of the table, and keeps it in $results.
check() {
  local name expected defines began found states
  IFS='|' read -r name expected defines <<<"$1"
  read -r name <<<"$name"
  read -r expected <<<"$expected"
  mkdir -p "$results/$name"
  cd "$results/$name"
  began=$(date +%s.%N)
  # shellcheck disable=SC2086 # defines are words
  build "$name" "$expected" $defines
  found=$(search "$expected")
  states=$(sed -nE 's/^ *([0-9.e+]+) states, stored.*/\1/p' pan.out | head -1)
  [ "$found" = "$expected" ] || found="$found, expected: $expected. FAILED"
  printf '%-36s %10s %6.1f s  %s\n' "$name" "$states" "$(echo "$(date +%s.%N) $began" | awk '{print $1 - $2}')" "$found" | tee line
  rm -f pan pan.? pan.out
}

trace() {
  local row
  row=$(rows | grep -E "^$1 ") || { echo "there is no $1"; return 1; }
  mkdir "$results/trace"
  cd "$results/trace"
  # shellcheck disable=SC2046 # words
  build "$1" fails $(cut -d'|' -f3 <<<"$row")
  search fails
  [ -f burrow.pml.trail ] || return 0
  # shellcheck disable=SC2046
  spin $(cut -d'|' -f3 <<<"$row" | xargs -n1 | sed 's/^/-D/') -T -t -k burrow.pml.trail "$model/burrow.pml" | sed '/^spin: trail ends/,$d'
}

main() {
  local tool
  for tool in spin gcc; do
    command -v $tool >/dev/null || { echo "$tool is missing: apt-get install spin gcc" >&2; exit 1; }
  done
  model=$PWD
  results=$(mktemp -d)
  trap 'rm -rf "$results"' EXIT
  export model results
  case ${1:-} in
  trace) trace "$2"; return ;;
  deep) MEMORY=12000 check "deep | holds | TENURES=3 TROUBLES=3 PARKS=0 FAILURES=0"; return ;;
  esac
  export -f check build search
  printf '%-36s %10s %8s  %s\n' model states time verdict
  rows | if [ $# -gt 0 ]; then grep -E "^($(IFS='|'; echo "$*")) "; else cat; fi |
    tr '\n' '\0' | xargs -0 -P "$(nproc)" -I{} bash -c 'set -euo pipefail; check "$1"' _ {}
  if grep -l FAILED "$results"/*/line >/dev/null; then
    echo "the model says something else than expected" >&2
    exit 1
  fi
  echo "$(cat "$results"/*/line | wc -l) checks as expected after $SECONDS s"
}

main "$@"
