#!/bin/sh
# bench/study.sh MODA OUT MODEL SPEC EPOCHS SUBTASKS [TRAIN OPTION...] - standard and modular training of
# one network side by side: train, take apart, compose a network for each sub-task (a word like 0,3,5),
# judge it beside the whole network on the same classes, and print all figures as a table.
# A run that is already in OUT is not trained again.
set -eu
moda=$1 out=$2 model=$3 spec=$4 epochs=$5 subtasks=$6
shift 6

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ moda %s\n' "$*" && "$moda" "$@"; }

for method in standard moda; do
    dir=$out/$method
    say "train ($method)"
    test -f "$dir/model.safetensors" ||
        run train --model "$model" --data "$spec" --method $method --epochs "$epochs" --out "$dir" "$@"
    say "take it apart into one module per class"
    run decompose "$dir/model.safetensors" --data "$spec" --tau 0.9 --out "$dir/modules"
    for classes in $subtasks; do
        say "compose a network for classes $classes; judge it beside the whole one on the same classes"
        composed=$dir/composed-$classes
        run compose "$dir/modules" --classes "$classes" --out "$composed.safetensors" \
            --json "$composed.compose.json"
        run eval "$composed.safetensors" --data "$spec" --json "$composed.eval.json"
        run eval "$dir/model.safetensors" --data "$spec" --classes "$classes" \
            --json "$dir/whole-$classes.eval.json"
    done
done
say "side by side"
run report "$out" --json "$out/report.json"
