#!/bin/sh
# bench/nightly-demo.sh MODA [NIGHTS] - what moda nightly says of an unchanged build, NIGHTS nights long (10) behind
# the six that make a base, and then of a build that makes batches about 10 % slower: in a copy of the source, below
# build/nightly-demo, every tenth image of a batch is made twice. ONLY chooses figures, OPTIONS adds options.
set -eu
moda=$1
nights=${2:-10}
only=${ONLY:-data.batch,similarity.closed,frequency,gemm.forward.f32}
out=build/nightly-demo
rm -rf "$out"
mkdir -p "$out/source"
git archive HEAD | tar x -C "$out/source"
once='for (size_t i = 0; i < count; i++) fill_image(b, first, i, x, labels);'
twice='for (size_t i = 0; i < count; i++)\n            for (size_t k = 0; k <= (i % 10 == 0); k++) fill_image(b, first, i, x, labels);'
sed -i "s/$once/$twice/" "$out/source/datasets/batch.c"
grep -q 'i % 10 == 0' "$out/source/datasets/batch.c" # or the demonstration shows nothing
make -s -C "$out/source" build/moda >/dev/null
sync # what the build wrote goes to disk now, not while the first nights are measured
sleep 20

night() {
    code=0
    # shellcheck disable=SC2086
    "$1" nightly --only "$only" --history "$out/nightly.jsonl" --page "$out/nightly.html" --quiet ${OPTIONS:-} \
        >"$out/said" 2>"$out/errors" || code=$?
    printf '%s: exit code %s; ' "$2" "$code"
    grep -E '^[0-9]+ figures' "$out/said" | sed 's/ on .*//' || cat "$out/errors"
    grep -E '^(regression|improvement)' "$out/said" | sed 's/^/    /' || true
}

i=0
while [ $i -lt 6 ]; do i=$((i + 1)) && night "$moda" "base $i"; done
i=0
while [ $i -lt "$nights" ]; do i=$((i + 1)) && night "$moda" "unchanged $i"; done
night "$out/source/build/moda" "slowed"
cat "$out/said" "$out/errors"
