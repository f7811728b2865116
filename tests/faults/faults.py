#!/usr/bin/env python3
"""tests/faults/faults.py MODA SHIM [--every N] [--only NAME,...] - one thing goes wrong, in turn every one.

Runs small jobs of moda (train, checkpoint and resume, eval, decompose, compose, reuse) again and again. In each run one
allocation fails (shim.c), or one system call on a file of the job (strace's fault injection): the first one, the second
one, and so on, or every N-th of them. After each run

  - the program ended by itself, with exit code 0 or 1 (or 2, if it could not read what it was told), never by a signal;
  - with another code than 0 there is one line on stderr that says what failed;
  - no file is half-written: each one is as a run without faults leaves it, or as it was before, or not there;
    lines of *.jsonl are whole; no temporary file is left (unless removing it is what failed);
  - with code 0 all results are there: moda did without what failed, or tried again;
  - what was there before can still be read.

The last line is "N passed, N failed".
"""

import argparse
import collections
import filecmp
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib

Job = collections.namedtuple("Job", "name before command results")

DATA = "synthetic:classes=3,channels=1,size=8,train=24,test=12"
NET = """[net]
name = tiny
[conv]
name = a
outputs = 4
kernel = 3
padding = 1
[relu]
name = b
[linear]
name = c
outputs = classes
"""


def jobs():
    train = ["train", "--model", "tiny.net", "--data", DATA, "--epochs", "2", "--batch-size", "8", "--tune", "off",
             "--threads", "1", "--out", "run"]
    decompose = ["decompose", "run/model.safetensors", "--data", DATA, "--tau", "0.5", "--threads", "1", "--out", "parts"]
    compose = ["compose", "parts", "--classes", "0,2", "--threads", "1", "--out", "two.safetensors"]
    return [
        Job("train", [], train, ["run/model.safetensors", "run/config.json"]),
        Job("train-again", [train], train[:5] + ["--seed", "5"] + train[5:],
            ["run/model.safetensors", "run/config.json"]),
        Job("folder", [], [x if x != DATA else "folder:pictures" for x in train] + ["--image-size", "8", "--image-cache",
                                                                                    "off"], ["run/model.safetensors"]),
        Job("eval", [train], ["eval", "run/model.safetensors", "--data", DATA, "--threads", "1", "--json", "e.json",
                              "--logits", "l.safetensors"], ["e.json", "l.safetensors"]),
        Job("decompose", [train], decompose, ["parts/decomposition.json", "parts/masks.safetensors",
                                              "parts/class-0.safetensors"]),
        Job("compose", [train, decompose], compose, ["two.safetensors"]),
        Job("reuse", [train, decompose], ["reuse", "parts", "--data", DATA, "--threads", "1", "--csv", "r.csv"],
            ["r.csv"]),
    ]


# Calls on files; strace's name for each, and the error that a user is most likely to meet.
CALLS = {"openat": "EACCES", "read": "EIO", "pread64": "EIO", "write": "ENOSPC", "fsync": "EIO", "rename": "EACCES",
         "mkdir": "ENOSPC", "unlink": "EACCES", "newfstatat": "EIO", "mmap": "ENOMEM", "lseek": "EIO",
         "ftruncate": "EIO", "getdents64": "EIO", "close": "EIO", "access": "EACCES", "flock": "ENOLCK"}

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", MODA_LOG="warning")


class Bench:
    def __init__(self, moda, shim, folder):
        self.moda, self.shim, self.folder = moda, shim, folder
        self.passed = self.failed = 0
        ENVIRONMENT["XDG_CACHE_HOME"] = os.path.join(folder, "cache")

    def run(self, command, where, wrapper=(), extra=None):
        return subprocess.run([*wrapper, self.moda, *command], cwd=where, env=dict(ENVIRONMENT, **(extra or {})),
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=300)

    def fresh(self, name, job):
        """A folder in which everything is done that comes before the job."""
        where = os.path.join(self.folder, name)
        shutil.rmtree(where, ignore_errors=True)
        os.mkdir(where)
        with open(os.path.join(where, "tiny.net"), "w") as f:
            f.write(NET)
        if job.name == "folder":
            draw_pictures(os.path.join(where, "pictures"))
        for command in job.before:
            done = self.run(command, where)
            if done.returncode:
                sys.exit(f"faults: {job.name}: {' '.join(command)}: {done.stderr}")
        return where

    def verdict(self, what, complaint, done):
        if not complaint:
            self.passed += 1
            return
        self.failed += 1
        print(f"{what}: {complaint}\n    exit {done.returncode}: {done.stderr.strip()[-300:]!r}", flush=True)


def png(grey):
    """9 x 9 pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes((grey + 9 * y + x) % 256 for x in range(9)) for y in range(9))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def draw_pictures(folder):
    for split in ("train", "test"):
        for c in range(3):
            os.makedirs(os.path.join(folder, split, str(c)))
            for i in range(3):
                with open(os.path.join(folder, split, str(c), f"{i}.png"), "wb") as f:
                    f.write(png(60 * c + 7 * i))


def files_of(folder):
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            found[os.path.relpath(full, folder)] = full
    return found


def same(path, other):
    """Byte by byte; what moda thinks of a decomposition may lack the judgement that could not be had."""
    if filecmp.cmp(path, other, shallow=False):
        return True
    if os.path.basename(path) != "decomposition.json":
        return False
    with open(path) as f, open(other) as g:
        ours, theirs = json.load(f), json.load(g)
    return ours.pop("diagnosis", None) is not None and theirs.pop("diagnosis", None) is not None and ours == theirs


def half_lines(path):
    with open(path, "rb") as f:
        text = f.read()
    if text and not text.endswith(b"\n"):
        return "its last line is not whole"
    for line in text.splitlines():
        try:
            json.loads(line)
        except ValueError:
            return f"no JSON: {line[:60]!r}"
    return None


def complaint(job, done, where, before, after, allow_leftovers):
    """What is wrong after a run with a fault, or None."""
    if done.returncode not in (0, 1, 2):
        return "did not end by itself"
    lines = [x for x in done.stderr.splitlines() if x.startswith("moda: ") and "warning" not in x]
    if done.returncode and len(lines) != 1:
        return f"{len(lines)} lines say what failed"
    here = files_of(where)
    for name, path in here.items():
        if name.endswith(".jsonl"):
            wrong = half_lines(path)
            if wrong:
                return f"{name}: {wrong}"
            continue
        references = [x[name] for x in (before, after) if name in x]
        if name.startswith("run/previous") and not references:
            continue
        if not references:
            if not allow_leftovers and not name.endswith(".lock"):
                return f"{name} was left behind"
        elif not any(same(path, x) for x in references):
            return f"{name} is neither the old nor the new one"
    for name in before:
        if name not in here and name not in JUSTIFIED.get(job.name, ()):
            return f"{name} is lost"
    if done.returncode == 0:
        for name in job.results:
            if name not in here or not same(here[name], after[name]):
                return f"exit 0, but {name} is not what it should be"
    return None


# Files of an earlier run that a new one may rightly take away, as its documents say.
JUSTIFIED = {"train-again": ("run/model.safetensors", "run/metrics.jsonl", "run/config.json")}


def can_trace():
    """Containers may forbid it; then system calls are left out, and said to be."""
    try:
        return subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def restore(source, where):
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(source, where)


def count_allocations(bench, job, where):
    count = os.path.join(bench.folder, "count")
    done = bench.run(job.command, where, extra={"LD_PRELOAD": bench.shim, "MODA_FAULT_COUNT": count})
    if done.returncode:
        sys.exit(f"faults: {job.name}: {done.stderr}")
    with open(count) as f:
        return int(f.read())


def fail_allocations(bench, job, base, before, after, every):
    where = os.path.join(bench.folder, "work")
    restore(base, where)
    count = count_allocations(bench, job, where)
    tried = range(1, count + 1, every)
    for n in tried:
        restore(base, where)
        done = bench.run(job.command, where, extra={"LD_PRELOAD": bench.shim, "MODA_FAULT_AT": str(n)})
        bench.verdict(f"{job.name}: allocation {n} of {count}", complaint(job, done, where, before, after, False), done)
    print(f"{job.name}: {len(tried)} of {count} allocations failed in turn", flush=True)


def calls_on_files(bench, job, where):
    """[(call, how many of its kind up to it)] of those that touch the job's folder, or the cache."""
    log = os.path.join(bench.folder, "strace")
    done = bench.run(job.command, where, ("strace", "-qq", "-y", "-e", "trace=" + ",".join(CALLS), "-o", log))
    if done.returncode:
        sys.exit(f"faults: {job.name}: under strace: {done.stderr}")
    seen, hits = collections.Counter(), []
    inside = re.compile(re.escape(bench.folder) + r"|AT_FDCWD<[^>]*>, \"[^/]|^(rename|mkdir|unlink|access)\(\"[^/]")
    with open(log, errors="replace") as f:
        for line in f:
            call = line.split("(", 1)[0]
            if call not in CALLS:
                continue
            seen[call] += 1
            if inside.search(line):
                hits.append((call, seen[call]))
    return hits


def fail_calls(bench, job, base, before, after, every):
    where = os.path.join(bench.folder, "work")
    restore(base, where)
    hits = calls_on_files(bench, job, where)
    log = os.path.join(bench.folder, "strace")
    tried = hits[::every]
    for call, n in tried:
        restore(base, where)
        done = bench.run(job.command, where, ("strace", "-qq", "-e", f"trace={call}", "-e",
                                              f"inject={call}:error={CALLS[call]}:when={n}", "-o", log))
        bench.verdict(f"{job.name}: {call} {n} ({CALLS[call]})",
                      complaint(job, done, where, before, after, call in ("unlink", "close")), done)
    print(f"{job.name}: {len(tried)} of {len(hits)} calls on files failed in turn", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("moda")
    parser.add_argument("shim")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="")
    o = parser.parse_args()
    known = jobs()
    wanted = o.only.split(",") if o.only else [j.name for j in known]
    with tempfile.TemporaryDirectory(prefix="moda-faults-") as folder:
        bench = Bench(os.path.abspath(o.moda), os.path.abspath(o.shim), os.path.realpath(folder))
        for job in known:
            if job.name not in wanted:
                continue
            base = bench.fresh("base", job)
            whole = os.path.join(bench.folder, "whole")
            restore(base, whole)
            done = bench.run(job.command, whole)
            if done.returncode:
                sys.exit(f"faults: {job.name}: {done.stderr}")
            before, after = files_of(base), files_of(whole)
            fail_allocations(bench, job, base, before, after, o.every)
            if can_trace():
                fail_calls(bench, job, base, before, after, o.every)
            else:
                print(f"{job.name}: strace may not trace here: calls on files were NOT made to fail", flush=True)
    print(f"{bench.passed} passed, {bench.failed} failed")
    return bench.failed > 0


if __name__ == "__main__":
    sys.exit(main())
