#!/bin/sh
# tests/numa/checks.sh - what has to hold on two nodes of two cores. Verdicts go to descriptor 3: a line
# "passed WHAT" or "FAILED WHAT" each, behind the latter what the command said; and what ../run.sh says
# of a test binary.
. /numa/settings

check() {
    what=$1 start=$(date +%s)
    shift
    echo "==== $what: $*"
    if "$@" >output 2>&1; then
        echo "passed $what" >&3
    else
        echo "FAILED $what" >&3
        sed 's/^/    /' output >&3
    fi
    cat output
    echo "==== $(($(date +%s) - start)) s"
}

two_nodes() {
    test "$(cat /sys/devices/system/node/online)" = 0-1 &&
        test "$(cat /sys/devices/system/node/node0/cpulist)" = 0-1 &&
        test "$(cat /sys/devices/system/node/node1/cpulist)" = 2-3
}

# As many threads as the machine outside has, since the bits depend on their number; on both nodes.
training() {
    case $threads in 1) cpus=0 ;; 2) cpus=0,2 ;; 3) cpus=0-2 ;; *) cpus=0-3 ;; esac
    sh /numa/train.sh "$moda" run --threads "$threads" --bind $cpus && sh /numa/result.sh run >&3
}

# Four threads, seen from outside while they work: each on a CPU of its own; and the kernel's list of what
# lies where, which the next check reads: not one from the end, when some is given back already.
bound() {
    cpus= most=1
    sh /numa/train.sh "$moda" run-sliced --threads 4 &
    pid=$!
    while kill -0 $pid 2>/dev/null; do
        now=$(sed -n 's/^Cpus_allowed_list:[ \t]*//p' /proc/$pid/task/*/status 2>/dev/null | sort | tr '\n' ' ')
        if test "$now" = "0 1 2 3 "; then
            cpus=$now
            cat /proc/$pid/numa_maps >maps.new 2>/dev/null
            areas=$(grep -cE ' (bind|prefer)' maps.new)
            grep -q interleave maps.new && test "$areas" -ge $most && most=$areas && mv maps.new maps
        fi
        sleep 0.2
    done
    wait $pid || return
    test -n "$cpus" || { echo "threads were on: $now"; return 1; }
}

# Of the areas that moda bound to one node: pages there, pages in all, and that both nodes have some.
placed() {
    awk '/ (bind|prefer)[^:]*:[01] / {
            node = $0; sub(/^[^:]*:/, "", node); node = substr(node, 1, 1)
            for (i = 3; i <= NF; i++) if ($i ~ /^N[01]=/) {
                pages = substr($i, 4); all += pages; on[node] += pages
                if (substr($i, 2, 1) == node) right += pages
            }
        }
        END {
            printf "%d of %d pages on their node; %d for node 0, %d for node 1\n", right, all, on[0], on[1]
            exit !(right >= 0.99 * all && on[0] >= 100 && on[1] >= 100)
        }' maps
}

same_without() {
    sh /numa/train.sh "$moda" run-off --threads 4 --bind none --placement first-touch || return
    cmp run-sliced/model.safetensors run-off/model.safetensors
}

# The share of activations' pages on their node, of which topo itself wants 0.95.
verify() {
    "$moda" topo --verify --threads 4 --json topo.json "$@" || return
    sed -n '/"verify"/,$ s/.*"share": *\([0-9.]*\).*/\1/p' topo.json | awk '{ n++; good = $1 >= 0.99 } END { exit n != 1 || !good }'
}

# With the memory elsewhere the same check must fail, and for that reason.
refuse() {
    verify --model lenet5 --batch-size 32 "$@" && return 1
    grep "of its pages are on the right node" output
}

all_policies() {
    "$moda" bench numa --model lenet5 --batch-size 8 --rounds 1 --seconds 0.01 --json bench.json || return
    test "$(grep -c '"policy"' bench.json)" = 5
}

check "the machine has two nodes of two cores" two_nodes
mkdir -p build/tests
for test in $tests; do
    sh /numa/run.sh build 300 "$test" >output 2>&1
    cat output
    grep -v '^[0-9]* passed' output >&3
done
check "a training ends" training
check "four threads are bound to four cores" bound
check "the kernel has 99 % of the pages where they were bound to" placed
check "topo --verify lenet5: 99 % of pages on their node" verify --model lenet5 --batch-size 32
check "topo --verify mobilenet: 99 % of pages on their node" verify --model mobilenet --batch-size 4
check "the plan turned off, it fails" refuse --placement first-touch
check "all memory on one node, it fails" refuse --placement node:0 --against sliced
check "the same bits without binding and placing" same_without
check "bench numa runs under five policies" all_policies
echo end >&3
