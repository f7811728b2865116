#!/bin/sh
# bench/demo.sh MODA - the main job in about two minutes on two cores, below build/demo: a LeNet-5
# trained on Fashion-MNIST twice, standard and with the modular losses; both taken apart into ten class
# modules; a network for some of the classes composed of modules; accuracy, size and overlap side by side.
set -eu
out=build/demo
rm -rf $out/standard $out/moda # the demo shows the training each time
"$(dirname "$0")/study.sh" "$1" $out lenet5 fashion-mnist 10 0,3,5,9 --tune off
echo
echo "Everything is in $out; \`moda COMMAND --help\` explains each step."
