#!/bin/sh
# bench/nightly-demo.sh MODA [NIGHTS] - what moda nightly says of an unchanged build, NIGHTS nights long (10) behind
# the six that make a base, and then of a build whose pairwise similarity is about 10 % slower: in a copy of the source,
# below build/nightly-demo, the kernel does two fifteenths of its work twice: it is three quarters of the figure. ONLY chooses figures, OPTIONS adds options.
set -eu
moda=$1
nights=${2:-10}
only=${ONLY:-similarity.pairwise,frequency,infer.lenet5}
out=build/nightly-demo
rm -rf "$out"
mkdir -p "$out/source"
git ls-files -z | tar c --null -T - | tar x -C "$out/source"
sed -i -e 's/for (size_t r = 0; r < MODA_PANEL; r += SAMPLES)$/& {/' \
    -e 's/^        some_rows(depth, p + r, q, tile + r \* MODA_PANEL);/&\n        static _Thread_local float waste[SAMPLES * MODA_PANEL];\n        some_rows(depth * 2 \/ 15, p + r, q, waste);\n    }/' \
    "$out/source/losses/pairwise_kernel.c"
grep -q 'depth \* 2 / 15' "$out/source/losses/pairwise_kernel.c" # or the demonstration shows nothing
make -s -C "$out/source" build/moda >/dev/null
sync # what the build wrote goes to disk now, not while the first nights are measured
sleep 20

alarms=0
night() {
    code=0
    # shellcheck disable=SC2086
    "$1" nightly --long --only "$only" --history "$out/nightly.jsonl" --page "$out/nightly.html" --quiet ${OPTIONS:-} \
        >"$out/said" 2>"$out/errors" || code=$?
    printf '%s: exit code %s; ' "$2" "$code"
    if [ -s "$out/said" ]; then sed -n '/^[0-9]* figures/s/ on .*//p' "$out/said"; else cat "$out/errors"; fi
    sed -nE '/^(regression|improvement)/s/^/    /p' "$out/said"
}

i=0
while [ $i -lt 6 ]; do i=$((i + 1)) && night "$moda" "base $i"; done
i=0
while [ $i -lt "$nights" ]; do
    i=$((i + 1)) && night "$moda" "unchanged $i"
    alarms=$((alarms + code))
done
# Where cores have moved meanwhile, the nights since are a base of their own, and may be too few.
while grep -q 'not enough history' "$out/said" && [ $i -lt $((nights + 20)) ]; do
    i=$((i + 1)) && night "$moda" "unchanged $i"
    alarms=$((alarms + code))
done
night "$out/source/build/moda" "slowed"
cat "$out/said" "$out/errors"
[ $alarms = 0 ] || { echo "nightly-demo: $alarms unchanged nights with a regression" >&2 && exit 1; }
[ $code = 1 ] || { echo "nightly-demo: the slowdown was not found" >&2 && exit 1; }
