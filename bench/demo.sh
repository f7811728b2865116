#!/bin/sh
# bench/demo.sh MODA - the main job in about half a minute on two cores, below build/demo: a LeNet-5
# trained on Fashion-MNIST twice, standard and with the modular losses; both taken apart into ten class
# modules; a network for some of the classes composed of modules; accuracy, size and overlap side by side.
set -eu
moda=$1 out=build/demo data=fashion-mnist classes=0,3,5,9
rm -rf $out/standard $out/moda # the demo shows the training each time

say() { printf '\n== %s\n' "$*"; }
run() { printf '$ moda %s\n' "$*" && "$moda" "$@"; }

for method in standard moda; do
    dir=$out/$method
    say "train ($method)"
    run train --model lenet5 --data $data --method $method --epochs 10 --out $dir --tune off
    say "take it apart into one module per class"
    run decompose $dir/model.safetensors --data $data --tau 0.9 --out $dir/modules
    say "compose a network for classes $classes; judge it beside the whole one on the same classes"
    composed=$dir/composed-$classes
    run compose $dir/modules --classes $classes --out $composed.safetensors --json $composed.compose.json
    run eval $composed.safetensors --data $data --json $composed.eval.json
    run eval $dir/model.safetensors --data $data --classes $classes --json $dir/whole-$classes.eval.json
done
say "side by side"
run report $out --json $out/report.json
echo
echo "Everything is in $out; \`moda COMMAND --help\` explains each step."
