#!/bin/sh
# tests/numa/test.sh MODA DIR TEST... - boots a machine with two nodes of two cores, which QEMU emulates
# in software, runs checks.sh and the test binaries in it, and compares a training there with the same
# one here. DIR keeps kernel and logs. The last line is "N passed, N failed".
# LIMIT: seconds that the machine may take.
set -u
here=$(dirname "$0")
moda=$1 dir=$2 limit=${LIMIT:-1800}
shift 2
stop() {
    echo "moda: test-numa: $1" >&2
    echo "0 passed, 1 failed"
    exit 1
}
mkdir -p "$dir" || stop "no folder $dir"
test "$(uname -m)" = x86_64 || stop "the virtual machine is x86-64, and so must be this one; it is $(uname -m)"
command -v qemu-system-x86_64 >/dev/null || stop "no qemu-system-x86_64: ./deps.sh numa installs it"
qemu-system-x86_64 -accel help | grep -qx tcg || stop "this QEMU was built without emulation in software (tcg)"
sh "$here/kernel.sh" "$dir" || stop "there is no kernel to boot, see above"

# The bits depend on the number of threads: as many as both machines have.
threads=$("$moda" topo | sed -n 's/^threads *\([0-9]*\).*/\1/p')
test -n "$threads" || stop "$moda topo tells no number of threads"
test "$threads" -le 4 || threads=4
printf '%s\n' "moda=$moda" "threads=$threads" "tests='$*'" >"$dir/settings"
sh "$here/image.sh" "$dir/image" "$dir/settings" "$moda" "$@" || stop "the initramfs could not be packed"

# no_timer_check: on a busy host the kernel would find the emulated timer too slow, and give up.
rm -f "$dir/results"
start=$(date +%s)
timeout --foreground -k 5 "$limit" qemu-system-x86_64 -nodefaults -display none -no-reboot -accel tcg -cpu max \
    -m 1536 -smp 4,sockets=2,cores=2,threads=1 \
    -object memory-backend-ram,id=m0,size=768M -numa node,nodeid=0,cpus=0-1,memdev=m0 \
    -object memory-backend-ram,id=m1,size=768M -numa node,nodeid=1,cpus=2-3,memdev=m1 \
    -kernel "$dir/vmlinuz" -initrd "$dir/image" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check" \
    -serial "file:$dir/console" -serial "file:$dir/results" </dev/null
status=$?
rm -f "$dir/image"
test -s "$dir/results" || stop "the machine did not come up (exit status $status), see $dir/console"
grep -vx -e 'result .*' -e end "$dir/results"
count=$(awk '/^passed / { good++ } /^FAILED / { bad++ }
    /^test_[a-z0-9_]*: [0-9]+ passed, [0-9]+ failed/ { good += $2; bad += $4 }
    END { print good + 0, bad + 0 }' "$dir/results")
passed=${count% *} failed=${count#* }
verdict() {
    echo "$1 $2"
    if test "$1" = passed; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
}

tail -n 1 "$dir/results" | grep -qx end ||
    verdict FAILED "the machine got to its end within $limit s (exit status $status), see $dir/console"

# result SHA256 LOSS...
rm -rf "$dir/run"
sh "$here/train.sh" "$moda" "$dir/run" --threads "$threads" >"$dir/train.log" 2>&1 || cat "$dir/train.log"
sh "$here/result.sh" "$dir/run" >"$dir/outside"
grep '^result ' "$dir/results" >"$dir/inside"
same="a training on $threads threads has the same result in the machine and here"
if ! test -s "$dir/inside" || ! test -s "$dir/outside"; then
    verdict FAILED "$same: one of them has none"
elif cmp -s "$dir/inside" "$dir/outside"; then
    verdict passed "$same: all bits"
elif cat "$dir/inside" "$dir/outside" | awk -f "$here/close.awk"; then
    verdict passed "$same: losses within 1e-5, not all bits"
else
    verdict FAILED "$same"
    cat "$dir/inside" "$dir/outside"
fi
echo "two nodes of two cores: $(($(date +%s) - start)) s; $dir/console has everything that was said there"
echo "$passed passed, $failed failed"
test "$failed" = 0 && test "$passed" != 0
