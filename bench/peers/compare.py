#!/usr/bin/python3
"""Compares a training step of moda with PyTorch's: same network, losses, batch and threads.

A network's runs take turns, program by program, method by method, mode by mode, so that a machine
that gets slower or faster in between hits all alike. A row's time is the median over all rounds of
the steps that follow the warm-up; its spread is the interval that holds the true median with 95 %
confidence, as moda bench tells it (bench/median.h).

    bench/peers/compare.py
    bench/peers/compare.py --networks vgg16 --methods moda --modes f32,bf16-nhwc --rounds 5

Below the table: what the modular losses cost either program, where both methods were measured, and
PyTorch's best mode over moda's best, where there is a choice.
"""
import argparse
import json
import math
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODES = {  # a mode's options of torch_step.py and of moda train
    "f32": ([], ["--precision", "f32"]),
    "f32-nhwc": (["--channels-last"], ["--precision", "f32"]),
    "bf16": (["--bf16"], ["--precision", "auto"]),
    "bf16-nhwc": (["--bf16", "--channels-last"], ["--precision", "auto"]),
}
# What a mode means on moda's side: it chooses layouts by itself.
MODA_SAYS = {mode: options[1][1] for mode, options in MODES.items()}
STEPS = {"lenet5": (300, 50)}  # (steps, of them warm-up) where --steps does not say
STEPS_ELSE = (10, 3)
CONFIDENCE = 0.95  # MODA_TIMING_CONFIDENCE of bench/timing.h
IMAGE_BATCHES = 8  # of made-up images in memory, both programs


class Failed(Exception):
    """One line for the user."""


def allowed_cores():
    """Physical cores that this process may run on: CPUs that share one count once."""
    cores = set()
    for cpu in os.sched_getaffinity(0):
        path = f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        try:
            with open(path) as f:
                cores.add(f.read().strip())
        except OSError:
            cores.add(cpu)
    return len(cores)


def peer_environment(a):
    """PyTorch's. OpenBLAS makes a thread pool of its own, hence the variable. A pinned OpenBLAS
    kernel set, which may be older than the CPU, would slow the peer: OpenBLAS shall ask the CPU."""
    env = {k: v for k, v in os.environ.items() if k != "OPENBLAS_CORETYPE"}
    env.update(OMP_NUM_THREADS=str(a.threads), OPENBLAS_NUM_THREADS=str(a.threads),
               PYTHONDONTWRITEBYTECODE="1")  # leaves no __pycache__ in the source tree
    env.update(pair.split("=", 1) for pair in a.torch_env)
    return env


def run(command, env=None):
    """Runs a program to its end; returns (stdout, wall seconds, peak resident MiB)."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        try:
            child = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=err)
        except OSError as e:
            raise Failed(f"{command[0]}: {e.strerror}") from e
        try:
            _, status, usage = os.wait4(child.pid, 0)  # this child's usage, not all children's
        except BaseException:
            child.kill()
            child.wait()
            raise
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if child.returncode != 0:
            said = err.read().decode(errors="replace").strip().splitlines()
            raise Failed(f"{said[-1] if said else 'no message'} "
                         f"(exit {child.returncode} of: {' '.join(command)})")
        return out.read().decode(), wall, usage.ru_maxrss / 1024


def run_torch(a, network, method, mode, steps):
    out, wall, peak = run(
        [a.python, os.path.join(HERE, "torch_step.py"), "--network", network, "--method", method,
         "--batch", str(a.batch), "--images", str(IMAGE_BATCHES * a.batch), "--steps", str(steps),
         "--warmup", "0", "--threads", str(a.threads)] + MODES[mode][0], peer_environment(a))
    said = json.loads(out.splitlines()[-1])
    return {"seconds": said["seconds"], "loss": [t["loss"] for t in said["losses"]],
            "peak_mib": peak, "import_mib": said["import_mib"], "wall": wall,
            "version": said["version"], "threads": said["threads"]}


def run_moda(a, network, method, mode, steps):
    images = IMAGE_BATCHES * a.batch
    folder = tempfile.mkdtemp(prefix="moda-peers-")
    try:
        _, wall, peak = run(
            [a.moda, "train", "--model", network,
             "--data", f"synthetic:classes=10,channels=3,size=32,train={images},test={a.batch}",
             "--method", method, "--batch-size", str(a.batch), "--threads", str(a.threads),
             "--epochs", str(-(-steps // IMAGE_BATCHES)), "--max-steps", str(steps),
             "--no-augment", "--no-shuffle", "--log-steps", "--quiet",
             "--out", os.path.join(folder, "run")] + MODES[mode][1])
        with open(os.path.join(folder, "run", "steps.jsonl")) as f:
            log = [json.loads(line) for line in f]
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    if len(log) != steps:
        raise Failed(f"steps.jsonl of moda train: {len(log)} steps, not {steps}")
    return {"seconds": [s["seconds"] for s in log], "loss": [s["loss"] for s in log[:5]],
            "peak_mib": peak, "wall": wall, "threads": a.threads}


def median_rank(n, confidence):
    """bench/median.h: the largest k whose interval, from the k-th smallest to the k-th largest of n
    samples, holds the median with at least this probability, 1 - 2 P(Bin(n, 1/2) < k); at least 1."""
    rank, below = 1, 1  # of 2**n outcomes, those with less than rank samples below the median
    while 2 * (rank + 1) <= n + 1:
        below += math.comb(n, rank)
        if 1 - 2 * below / 2 ** n < confidence:
            break
        rank += 1
    return rank


def summary(times):
    """Median and spread."""
    times = sorted(times)
    k = median_rank(len(times), CONFIDENCE)
    return statistics.median(times), [times[k - 1], times[-k]]


def measure(a, network):
    """The rows of one network, with everything that was measured for them. All of them take turns,
    so that any two can be compared."""
    steps, warmup = STEPS.get(network, STEPS_ELSE)
    if a.steps:
        steps, warmup = a.steps, a.warmup
    rows = [{"network": network, "method": method, "mode": mode, "steps": steps, "warmup": warmup,
             "runs": {"torch": [], "moda": []}} for method in a.methods for mode in a.modes]
    for r in range(a.rounds):
        for row in rows:
            for program, start in (("torch", run_torch), ("moda", run_moda)):
                print(f"{network} {row['method']} {row['mode']}: round {r + 1}/{a.rounds}, "
                      f"{program}", file=sys.stderr)
                row["runs"][program].append(start(a, network, row["method"], row["mode"], steps))
    for row in rows:
        for program, results in row["runs"].items():
            times = [s * 1e3 for r in results for s in r["seconds"][warmup:]]
            middle, spread = summary(times)
            row[program] = {"ms": middle, "ms_spread": spread,
                            "peak_mib": max(r["peak_mib"] for r in results)}
        row["ratio"] = row["torch"]["ms"] / row["moda"]["ms"]
    return rows


def aligned(heads, words, lines):
    """Markdown; the first `words` columns stand left, figures right."""
    lines = [heads, ["---"] * words + ["---:"] * (len(heads) - words)] + lines
    width = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    pad = [str.ljust] * words + [str.rjust] * (len(heads) - words)
    return "\n".join("| " + " | ".join(f(c, w) for f, c, w in zip(pad, line, width)) + " |"
                     for line in lines)


def table(rows):
    lines = []
    for r in rows:
        ms = ["{:.1f} ({:.1f}-{:.1f})".format(r[p]["ms"], *r[p]["ms_spread"])
              for p in ("torch", "moda")]
        lines.append([r["network"], r["method"], r["mode"], *ms, f"{r['ratio']:.2f}",
                      f"{r['torch']['peak_mib']:.0f}", f"{r['moda']['peak_mib']:.0f}"])
    return aligned(["network", "method", "mode", "torch ms (spread)", "moda ms (spread)",
                    "ratio", "torch peak MiB", "moda peak MiB"], 3, lines)


def costs_of_modular(rows):
    """A modular step over a standard one of the same program, where both were measured."""
    standard = {(r["network"], r["mode"]): r for r in rows if r["method"] == "standard"}
    found = []
    for r in rows:
        s = standard.get((r["network"], r["mode"]))
        if r["method"] == "moda" and s:
            found.append({"network": r["network"], "mode": r["mode"],
                          **{p: r[p]["ms"] / s[p]["ms"] for p in ("torch", "moda")}})
    return found


def best_against_best(rows):
    """Each program's fastest mode, where more than one was measured."""
    groups, found = {}, []
    for r in rows:
        groups.setdefault((r["network"], r["method"]), []).append(r)
    for (network, method), group in groups.items():
        if len(group) < 2:
            continue
        best = {"network": network, "method": method}
        for p in ("torch", "moda"):
            row = min(group, key=lambda r: r[p]["ms"])
            best[p] = {"mode": row["mode"], "ms": row[p]["ms"]}
        best["ratio"] = best["torch"]["ms"] / best["moda"]["ms"]
        found.append(best)
    return found


def print_ratios(costs, bests):
    if costs:
        print("\nmodular step / standard step\n")
        print(aligned(["network", "mode", "torch", "moda"], 2,
                      [[c["network"], c["mode"], f"{c['torch']:.3f}", f"{c['moda']:.3f}"]
                       for c in costs]))
    if bests:
        print("\nbest mode of PyTorch / best mode of moda\n")
        print(aligned(["network", "method", "torch's", "moda's", "torch ms", "moda ms", "ratio"], 4,
                      [[b["network"], b["method"], b["torch"]["mode"], MODA_SAYS[b["moda"]["mode"]],
                        f"{b['torch']['ms']:.1f}", f"{b['moda']['ms']:.1f}", f"{b['ratio']:.2f}"]
                       for b in bests]))


def write_json(path, value):
    """Under its name only when complete."""
    temporary = f"{path}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w") as f:
            json.dump(value, f, indent=1)
            f.write("\n")
        os.replace(temporary, path)
    except OSError as e:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise Failed(f"{path}: {e.strerror}") from e


def cpu_name():
    with open("/proc/cpuinfo") as f:
        return next((line.split(":", 1)[1].strip() for line in f if line.startswith("model name")),
                    os.uname().machine)


def arguments():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                epilog="example: bench/peers/compare.py --networks vgg16 "
                                       "--modes f32,bf16-nhwc --rounds 5 --json peers.json")
    words = lambda text: text.split(",")
    p.add_argument("--networks", type=words, metavar="LIST",
                   default=["lenet5", "vgg16", "resnet18", "mobilenet"],
                   help="of those of torch_networks.py (lenet5,vgg16,resnet18,mobilenet)")
    p.add_argument("--methods", type=words, default=["standard", "moda"], metavar="LIST")
    p.add_argument("--modes", type=words, default=["f32", "f32-nhwc", "bf16-nhwc"],
                   metavar="LIST", help="of " + ",".join(MODES))
    p.add_argument("--batch", type=int, default=128, metavar="N")
    p.add_argument("--threads", type=int, default=allowed_cores(), metavar="N",
                   help="default: all allowed cores, %(default)s here")
    p.add_argument("--rounds", type=int, default=3, metavar="N")
    p.add_argument("--steps", type=int, metavar="N",
                   help="per run (lenet5 300, others 10, of them 50 and 3 warm-up)")
    p.add_argument("--warmup", type=int, default=2, metavar="N", help="with --steps")
    p.add_argument("--moda", default=os.path.join(ROOT, "build", "moda"), metavar="PROGRAM")
    p.add_argument("--python", default="/usr/bin/python3", metavar="PROGRAM",
                   help="one that has torch (%(default)s)")
    p.add_argument("--torch-env", action="append", default=[], metavar="NAME=VALUE",
                   help="for PyTorch's process; may be repeated")
    p.add_argument("--json", metavar="FILE", help="everything measured")
    a = p.parse_args()
    for name, known in (("methods", ["standard", "moda"]), ("modes", list(MODES))):
        for word in getattr(a, name):
            if word not in known:
                p.error(f"--{name}: {word!r} is none of {','.join(known)}")
    if min(a.batch, a.threads, a.rounds) < 1 or a.warmup < 0:
        p.error("--batch, --threads, --rounds start at 1, --warmup at 0")
    if a.steps is not None and a.steps < a.warmup + 2:
        p.error(f"--steps {a.steps}: at least two have to follow the {a.warmup} warm-up steps")
    if not all("=" in pair for pair in a.torch_env):
        p.error("--torch-env wants NAME=VALUE")
    return a


def main():
    a = arguments()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: load average {load:.1f}: other programs run, times will be uncertain",
              file=sys.stderr)
    try:
        if not os.access(a.moda, os.X_OK):
            raise Failed(f"{a.moda}: not there or not a program: run make first")
        rows = [row for network in a.networks for row in measure(a, network)]
        print(f"{cpu_name()}, {a.threads} threads, batch {a.batch}, PyTorch "
              f"{rows[0]['runs']['torch'][0]['version']}; ratio = torch ms / moda ms\n")
        print(table(rows))
        costs, bests = costs_of_modular(rows), best_against_best(rows)
        print_ratios(costs, bests)
        if a.json:
            write_json(a.json, {"cpu": cpu_name(), "threads": a.threads, "batch": a.batch,
                                "rounds": a.rounds, "load": [load, os.getloadavg()[0]],
                                "rows": rows, "modular_over_standard": costs,
                                "best_over_best": bests})
    except (Failed, OSError, ValueError, KeyError) as e:
        print(f"compare.py: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare.py: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
