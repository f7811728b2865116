#!/bin/sh
# tests/numa/result.sh OUT - what train.sh brought, in a line: result SHA256 LOSS... (of the model, of
# each step).
set -eu
sum=$(sha256sum <"$1/model.safetensors")
echo "result ${sum%% *}" $(sed 's/.*"loss": *\([^,}]*\).*/\1/' "$1/steps.jsonl")
