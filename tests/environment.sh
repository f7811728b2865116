# tests/environment.sh - for scripts that run tests: `. tests/environment.sh` takes the user's wishes for moda, OpenMP,
# Criterion and others out of the environment, and the language. Only instruction sets may still be chosen.
for name in $(env | sed -nE 's/^((MODA|OMP|GOMP|KMP|SLURM|HWLOC|CRITERION|ONEDNN|DNNL)_[A-Za-z0-9_]*)=.*/\1/p' |
    grep -vE '^(MODA_ISA|ONEDNN_MAX_CPU_ISA)$'); do
    unset "$name"
done
unset POSIXLY_CORRECT CDPATH
export LC_ALL=C
# Threads that wait sleep: on a busy machine spinning costs more than it saves.
export OMP_WAIT_POLICY=passive
# In front of a program with sanitizers: where the kernel places memory all too randomly (vm.mmap_rnd_bits=32), theirs
# is now and then in the way, and the program dies before its first line. Containers may forbid it.
# shellcheck disable=SC2034
fixed=
setarch -R true 2>/dev/null && fixed='setarch -R'
