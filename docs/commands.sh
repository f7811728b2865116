#!/bin/sh
# docs/commands.sh MODA - prints docs/commands.md: what every command says of itself. `make docs`
# writes it, CI looks whether it is up to date.
set -eu
moda=$1
cat <<'T'
# Commands

Made by `make docs` from what each command's `--help` prints.

Every command takes `--json FILE`, `--threads N`, `--bind`, `--smt`, `--seed N`, `--quiet` and `--help`.

| exit code | meaning |
| --- | --- |
| 0 | done |
| 1 | failed at run time: a missing or broken file, a full disk, a loss that is not finite |
| 2 | the call was wrong: an unknown option, a value out of range, a class that is not there |
| 75 | a training was stopped by a signal or `--time-limit` and has written a checkpoint: `moda train` goes on with `--resume`, `moda sweep` and `moda experiment` with the same call ([reliability.md](reliability.md)) |

An error is one line on stderr: what, where (path, byte, record or line), what to do, as in
`moda: train: --epochs 0: must be a whole number from 1 to 1000000`. A file appears under its
final name complete or not at all ([formats.md](formats.md)). A terminal gets a progress bar, a pipe gets plain
lines about what takes longer than ten seconds: at most one every ten seconds, after the first minute one a minute,
and one at the end of what had any. `MODA_LOG=error|warning|info|debug` sets how much is said on stderr, `MODA_ISA=ref|avx2|avx512`
keeps moda's own kernels to an instruction set.

Threads: one for each physical core that the process may use (affinity mask, cpuset), or what `OMP_NUM_THREADS` says, but no more
than a CPU quota or `SLURM_CPUS_PER_TASK` pays for. `--smt` counts hardware threads instead. A team that takes every core is bound to them in the
order of memory nodes; a smaller one, or one under a quota, is not, as other processes that share the machine would be pinned to
the same first cores: `--bind cores` binds it all the same, `--bind 0-3,8` to these CPUs, `--bind none` never. Commands that compute print the
map (`threads   2 on 1 node: node 0: cpus 0-1`), as the kernel confirms it, and a line `rule` where the environment, a mask or a quota had a say:
`--threads` and `--bind` win over `OMP_NUM_THREADS`, `OMP_PROC_BIND`, `OMP_PLACES` and `GOMP_CPU_AFFINITY`; where these alone ask for a binding, their CPUs are
used, in node order; `KMP_AFFINITY` is not read. OpenMP reads its places when a process starts, so a command that binds starts itself
over, once, with the same process number; `/proc` has to be there for that.

MODEL is a model file, or `NAME:W.safetensors` or `FILE.net:W.safetensors` for bare weights ([formats.md](formats.md)).
SPEC names data ([datasets.md](datasets.md)). Networks: [networks.md](networks.md).
T
commands=$("$moda" --help | sed -n '/^commands/,/^$/p' | awk 'NR > 1 && NF {print $1}')
for c in $commands; do
    printf '\n## moda %s\n\n' "$c"
    "$moda" "$c" --help | sed 's/^\(.\)/    \1/'
done
