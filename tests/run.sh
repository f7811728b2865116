#!/bin/sh
# tests/run.sh BUILD SECONDS TEST... - runs each test binary alone (they use OpenMP themselves) and
# adds up Criterion's counts. A binary that dies, overruns its time or leaves a sanitizer report
# counts as one more failure. The last line is "N passed, N failed"; exit 1 if any failed.
set -u
build=$1 seconds=$2
shift 2

# Leaks do not change Criterion's exit status: the reports themselves are looked at.
reports=$PWD/$build/reports
rm -rf "$reports" && mkdir -p "$reports"
suppressions=$PWD/tests/leaks.supp
export ASAN_OPTIONS="log_path=$reports/san:${ASAN_OPTIONS:-}"
export UBSAN_OPTIONS="log_path=$reports/san:print_stacktrace=1:${UBSAN_OPTIONS:-}"
test -f "$suppressions" &&
    export LSAN_OPTIONS="suppressions=$suppressions:print_suppressions=0:${LSAN_OPTIONS:-}"
. "$(dirname "$0")/environment.sh"
export OMP_NUM_THREADS=2
grep -q fsanitize "$build/flags" 2>/dev/null || fixed=
# No test reads or writes the user's own cache; what one that dies leaves goes in the end. Some tests cut their calls at
# blanks.
case ${TMPDIR:-} in *[!A-Za-z0-9_./-]*) unset TMPDIR ;; esac
scratch=$(mktemp -d) && chmod 755 "$scratch" || exit 1
export TMPDIR="$scratch" XDG_CACHE_HOME="$scratch/cache" XDG_STATE_HOME="$scratch/state"
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM HUP

passed=0 failed=0 broken=
for t in "$@"; do
    name=${t##*/}
    log=$build/tests/$name.log
    start=$(date +%s)
    # shellcheck disable=SC2086
    timeout -k 10 "$seconds" $fixed "$t" -j1 >"$log" 2>&1 </dev/null
    status=$?
    count=$(sed -n 's/.*Tested: \([0-9]*\) | Passing: \([0-9]*\) .*/\1 \2/p' "$log" | tail -n 1)
    tested=${count% *} good=${count#* }
    note=
    if test -z "$count"; then
        tested=1 good=0 note=", gave no summary (exit status $status)"
        test $status = 124 -o $status = 137 && note=", not done after $seconds s"
    elif test $status != 0 && test "$tested" = "$good"; then
        tested=$((tested + 1)) note=", exit status $status"
    fi
    for report in "$reports"/*; do
        test -f "$report" || continue
        mv "$report" "$build/tests/$name.${report##*/}"
        cat "$build/tests/$name.${report##*/}"
        tested=$((tested + 1)) note=", sanitizer report"
    done
    bad=$((tested - good))
    passed=$((passed + good)) failed=$((failed + bad))
    test $bad = 0 || { cat "$log"; broken="$broken $name"; }
    echo "$name: $good passed, $bad failed, $(($(date +%s) - start)) s$note"
done
test -z "$broken" || echo "failed in:$broken"
echo "$passed passed, $failed failed"
test $failed = 0 && test $passed != 0
