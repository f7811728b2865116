#!/bin/sh
# tests/numa/train.sh MODA OUT OPTION... - the short training that runs in the virtual machine and
# outside: with the instructions that QEMU's emulation has, and no algorithm chosen by measurement.
set -eu
moda=$1 out=$2
shift 2
export MODA_ISA=avx2 ONEDNN_MAX_CPU_ISA=AVX2
exec "$moda" train --model lenet5 --data synthetic:train=96,test=32 --method moda --epochs 2 \
    --batch-size 32 --tune off --seed 5 --log-steps --quiet --out "$out" "$@"
