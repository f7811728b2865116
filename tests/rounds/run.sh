#!/bin/sh
# tests/rounds/run.sh soak|races|memcheck DRIVER FOLDER [THREADS MINUTES] - a watcher over the driver, in FOLDER,
# which is emptied. First planted faults, of which the watcher must see every one: silence then means something.
# The last line is "N passed, N failed".
set -u
what=$1 driver=$(realpath "$2") folder=$3
here=$(realpath "$(dirname "$0")")
rm -rf "$folder" && mkdir -p "$folder" && folder=$(realpath "$folder") && cd "$folder" || exit 1
. "$here/../environment.sh"
# No run reads or writes the user's own cache.
export XDG_CACHE_HOME=$folder/cache
passed=0 failed=0

# expect WORD MODE: the watcher reports this planted fault.
expect() {
    if watch "$2" 2 >"$2.log" 2>&1 || ! grep -q "$1" "$2.log"; then
        failed=$((failed + 1))
        echo "planted $2: not reported, see $folder/$2.log"
    else
        passed=$((passed + 1))
        echo "planted $2: reported"
    fi
}

# clean MODE THREADS...: it reports nothing.
clean() {
    if watch "$@" >"$1.log" 2>&1; then
        passed=$((passed + 1))
        echo "$1, threads $2: nothing to report"
    else
        failed=$((failed + 1))
        head -n 80 "$1.log"
        echo "$1, threads $2: failed, see $folder/$1.log"
    fi
}

case $what in
soak)
    # Freed memory that a thread keeps for itself would count as in use.
    export GLIBC_TUNABLES=glibc.malloc.tcache_count=0
    watch() { "$driver" "$@"; }
    expect 'heap in use: .* GROWS' growth
    clean soak "$4" "$5"
    cat soak.log
    ;;
races)
    # Without Archer every barrier of OpenMP would look like no barrier at all.
    archer=$("${RACES_CC:-clang}" -print-file-name=libarcher.so)
    export OMP_TOOL_LIBRARIES="$archer"
    export TSAN_OPTIONS="ignore_noninstrumented_modules=1:exitcode=66:history_size=5"
    watch() { $fixed "$driver" "$@"; }
    threads=$(nproc)
    expect 'data race' race
    clean once "$((threads < 4 ? threads : 4))"
    ;;
memcheck)
    # Valgrind 3.19 knows no AVX-512, and says so to whoever asks the CPU: oneDNN and our kernels take AVX2.
    watch() {
        valgrind -q --error-exitcode=66 --leak-check=full --errors-for-leak-kinds=definite \
            --show-leak-kinds=definite --suppressions="$here/memcheck.supp" "$driver" "$@"
    }
    expect 'definitely lost' leak
    expect 'depends on uninitialised' uninitialised
    expect 'Invalid write' overrun
    clean brief 2
    ;;
*)
    echo "run.sh: soak, races or memcheck, not '$what'" >&2
    exit 2
    ;;
esac
echo "$passed passed, $failed failed"
test $failed = 0
