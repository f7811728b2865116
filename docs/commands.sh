#!/bin/sh
# docs/commands.sh MODA - prints docs/commands.md: what every command says of itself. `make docs`
# writes it, CI looks whether it is up to date.
set -eu
moda=$1
cat <<'T'
# Commands

Made by `make docs` from what each command's `--help` prints.

Every command takes `--json FILE`, `--threads N`, `--seed N`, `--quiet` and `--help`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed at run time: a missing or broken file, a full disk, a loss that is not finite |
| 2 | the call was wrong: an unknown option, a value out of range, a class that is not there |

An error is one line on stderr: what, where (path, byte, record or line), what to do, as in
`moda: train: --epochs 0: must be a whole number from 1 to 1000000`. A file appears under its
final name complete or not at all ([formats.md](formats.md)). A terminal gets a progress bar, a pipe gets plain
lines about what takes longer than ten seconds: at most one every ten seconds, after the first minute one a minute,
and one at the end of what had any. `MODA_LOG=error|warning|info|debug` sets how much is said on stderr, `MODA_ISA=ref|avx2|avx512`
keeps moda's own kernels to an instruction set.

MODEL is a model file, or `NAME:W.safetensors` or `FILE.net:W.safetensors` for bare weights ([formats.md](formats.md)).
SPEC names data ([datasets.md](datasets.md)). Networks: [networks.md](networks.md).
T
commands=$("$moda" --help | sed -n '/^commands/,/^$/p' | awk 'NR > 1 && NF {print $1}')
for c in $commands; do
    printf '\n## moda %s\n\n' "$c"
    "$moda" "$c" --help | sed 's/^\(.\)/    \1/'
done
