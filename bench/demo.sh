#!/bin/sh
# bench/demo.sh MODA [DIR] - the main job in about two minutes on two cores: a LeNet-5 trained on
# Fashion-MNIST twice, standard and with the modular losses; both taken apart into ten class modules;
# a network for some of the classes composed of modules; accuracy, size and overlap side by side.
set -eu
moda=$1 out=${2:-build/demo} classes=0,3,5,9

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ moda %s\n' "$*" && "$moda" "$@"; }

rm -rf "$out"
for method in standard moda; do
    dir=$out/$method
    say "train ($method)"
    run train --model lenet5 --data fashion-mnist --method $method --epochs 10 --out "$dir"
    say "take it apart into one module per class"
    run decompose "$dir/model.safetensors" --data fashion-mnist --tau 0.9 --out "$dir/modules"
    say "compose a network for classes $classes, and judge it beside the whole one"
    run compose "$dir/modules" --classes $classes --out "$dir/composed.safetensors" \
        --json "$dir/composed.compose.json"
    run eval "$dir/composed.safetensors" --data fashion-mnist --json "$dir/composed.eval.json"
    run eval "$dir/model.safetensors" --data fashion-mnist --classes $classes \
        --json "$dir/whole network, same classes.eval.json"
done
say "side by side"
run report "$out" --json "$out/report.json"
echo
echo "composed: classes $classes. Everything is in $out; \`moda COMMAND --help\` explains each step."
