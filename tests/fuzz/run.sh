#!/bin/sh
# tests/fuzz/run.sh BUILD SECONDS TARGET... - runs each fuzz target for that long, from the seeds beside this
# script and from what earlier runs found in BUILD/corpus. What makes a reader crash, hang, leak, or ask for far more
# memory than the file is large, is kept in BUILD/found. The last line is "N passed, N failed".
set -u
build=$1 seconds=$2
shift 2
seeds=$(dirname "$0")/seeds
passed=0 failed=0 total=0
. "$(dirname "$0")/../environment.sh"
for target in "$@"; do
    corpus=$build/corpus/$target found=$build/found
    log=$build/fuzz_$target.log
    limit="-max_total_time=$seconds"
    test -n "${FUZZ_RUNS:-}" && limit="-runs=$FUZZ_RUNS -seed=1" # the same ones each time
    mkdir -p "$corpus" "$found"
    # Files here have some 10 kB: 64 MB in one piece, or 1 GB in all, no such file can justify. matio and libjpeg
    # are not compiled with the sanitizers' eyes, but their reads and writes of bad addresses still end the run.
    OMP_NUM_THREADS=1 UBSAN_OPTIONS=print_stacktrace=1 \
        $fixed "$build/tests/fuzz/fuzz_$target" $limit -timeout=10 -rss_limit_mb=1024 \
        -malloc_limit_mb=64 -max_len=16384 -print_final_stats=1 -artifact_prefix="$found/$target-" \
        "$corpus" "$seeds/$target" >"$log" 2>&1 </dev/null
    status=$?
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    total=$((total + ${runs:-0}))
    if test $status = 0; then
        passed=$((passed + 1))
        echo "$target: ${runs:-0} executions"
    else
        failed=$((failed + 1))
        grep -E 'ERROR|SUMMARY|does not hold|runtime error|Test unit written' "$log" | head -5
        echo "$target: failed after ${runs:-?} executions, exit status $status, see $log and $found"
    fi
done
echo "$total executions"
echo "$passed passed, $failed failed"
test $failed = 0
