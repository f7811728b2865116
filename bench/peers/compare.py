#!/usr/bin/python3
"""Compares a training step of moda with PyTorch's: same network, losses, batch and threads.

The programs take turns, A B A B ..., so that a machine that gets slower or faster in between hits
both alike. A row's time is the median over all rounds of the steps that follow the warm-up.

    bench/peers/compare.py
    bench/peers/compare.py --networks vgg16 --methods moda --modes f32,bf16-nhwc --rounds 5
"""
import argparse
import json
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
    "f32": ([], []),
    "f32-nhwc": (["--channels-last"], []),
    "bf16": (["--bf16"], ["--precision", "auto"]),
    "bf16-nhwc": (["--bf16", "--channels-last"], ["--precision", "auto"]),
}
STEPS = {"lenet5": (300, 50)}  # (steps, of them warm-up) where --steps does not say
STEPS_ELSE = (10, 3)
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


def measure(a, network, method, mode):
    """One row of the table, with everything that was measured for it."""
    steps, warmup = STEPS.get(network, STEPS_ELSE)
    if a.steps:
        steps, warmup = a.steps, a.warmup
    runs = {"torch": [], "moda": []}
    for r in range(a.rounds):
        for program, start in (("torch", run_torch), ("moda", run_moda)):
            print(f"{network} {method} {mode}: round {r + 1}/{a.rounds}, {program}",
                  file=sys.stderr)
            runs[program].append(start(a, network, method, mode, steps))
    row = {"network": network, "method": method, "mode": mode, "steps": steps, "warmup": warmup,
           "runs": runs}
    for program, results in runs.items():
        times = [s * 1e3 for r in results for s in r["seconds"][warmup:]]
        low, middle, high = statistics.quantiles(times, n=4, method="inclusive")
        row[program] = {"ms": middle, "ms_quartiles": [low, high],
                        "peak_mib": max(r["peak_mib"] for r in results)}
    row["ratio"] = row["torch"]["ms"] / row["moda"]["ms"]
    return row


def table(rows):
    heads = ["network", "method", "mode", "torch ms (quartiles)", "moda ms (quartiles)", "ratio",
             "torch peak MiB", "moda peak MiB"]
    lines = [heads, ["---"] * 3 + ["---:"] * 5]
    for r in rows:
        ms = ["{:.1f} ({:.1f}-{:.1f})".format(r[p]["ms"], *r[p]["ms_quartiles"])
              for p in ("torch", "moda")]
        lines.append([r["network"], r["method"], r["mode"], *ms, f"{r['ratio']:.2f}",
                      f"{r['torch']['peak_mib']:.0f}", f"{r['moda']['peak_mib']:.0f}"])
    width = [max(len(line[i]) for line in lines) for i in range(len(heads))]
    pad = [str.ljust] * 3 + [str.rjust] * 5
    return "\n".join("| " + " | ".join(f(c, w) for f, c, w in zip(pad, line, width)) + " |"
                     for line in lines)


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
    p.add_argument("--networks", type=words, default=["lenet5", "vgg16"], metavar="LIST")
    p.add_argument("--methods", type=words, default=["standard", "moda"], metavar="LIST")
    p.add_argument("--modes", type=words, default=["f32"], metavar="LIST",
                   help="of " + ",".join(MODES))
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
        rows = [measure(a, n, m, mode) for n in a.networks for m in a.methods for mode in a.modes]
        print(f"{cpu_name()}, {a.threads} threads, batch {a.batch}, PyTorch "
              f"{rows[0]['runs']['torch'][0]['version']}; ratio = torch ms / moda ms\n")
        print(table(rows))
        if a.json:
            write_json(a.json, {"cpu": cpu_name(), "threads": a.threads, "batch": a.batch,
                                "rounds": a.rounds, "load": [load, os.getloadavg()[0]],
                                "rows": rows})
    except (Failed, OSError, ValueError, KeyError) as e:
        print(f"compare.py: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("compare.py: interrupted", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
