#!/bin/sh
# bench/study.sh MODA OUT MODEL SPEC EPOCHS SUBTASKS [TRAIN OPTION...] - standard and modular training of
# one network side by side: train, take apart, compose a network for each sub-task (a word like 0,3,5),
# judge it beside the whole network on the same classes, and print all figures as a table.
# A run that is already in OUT is not trained again, if its config.json names the same network, data and
# epochs (TRAIN OPTIONs are not compared); if not, nothing is touched and the exit code is 2.
set -eu
moda=$1 out=$2 model=$3 spec=$4 epochs=$5 subtasks=$6
shift 6

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ moda %s\n' "$*" && "$moda" "$@"; }

# Whether DIR holds a finished run of this study; a run of another one ends the script.
is_trained() {
    test -f "$1/model.safetensors" || return 1
    for setting in "model\": \"$model\"" "data\": \"$spec\"" "epochs\": $epochs"; do
        grep -qF "\"$setting," "$1/config.json" && continue
        echo "moda: $1: trained otherwise, its config.json lacks \"$setting: move it away, or give another folder" >&2
        exit 2
    done
    echo "$1 is there already"
}

for method in standard moda; do
    dir=$out/$method
    say "train ($method)"
    is_trained "$dir" ||
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
