#!/usr/bin/env python3
"""tests/faults/faults.py MODA SHIM [--every N] [--only NAME,...] [--kinds KIND,...] [--workers N] - one thing goes
wrong, in turn every one.

Runs small jobs of moda (jobs.py) again and again. In each run one allocation fails (shim.c), or one system call on a
file of the job (strace's fault injection): the first one, the second one, and so on, or every N-th of them. After each
run (verdict.py)

  - the program ended by itself, with exit code 0 or 1 (or 2, if it could not read what it was told), never by a signal;
  - with another code than 0 there is one line on stderr that says what failed;
  - no file is half-written: each one is as a run without faults leaves it, or as it was before, or not there;
    lines of *.jsonl are whole; no temporary file is left (unless removing it is what failed);
  - with code 0 all results are there: moda did without what failed, or tried again;
  - what was there before can still be read; the newest whole checkpoint is no older than it was, and no more than one
    step behind the training;
  - where a job can go on (`again`), it does, and ends in the same bytes as one that nothing happened to.

Or the program is killed where it is about to change a file or a folder, in turn at every such call, so every state in
which kill -9 can leave the disk is met. Then what was there before can still be read, no file is half-written (but for
temporary ones), and the job, called once more, ends in the same files as one that nothing happened to, and no others.

The last line is "N passed, N failed".
"""

import argparse
import collections
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

from jobs import NET, STOPPED, jobs
from verdict import complaint, damage, files_of, missing_result, newest_step, other_files, same

# Calls on files; strace's name for each, and the error that a user is most likely to meet.
CALLS = {"openat": "EACCES", "read": "EIO", "pread64": "EIO", "write": "ENOSPC", "fsync": "EIO", "rename": "EACCES",
         "mkdir": "ENOSPC", "unlink": "EACCES", "newfstatat": "EIO", "mmap": "ENOMEM", "lseek": "EIO",
         "ftruncate": "EIO", "getdents64": "EIO", "close": "EIO", "access": "EACCES", "flock": "ENOLCK",
         "unlinkat": "EACCES", "rmdir": "EACCES", "faccessat2": "EACCES", "pwrite64": "ENOSPC", "fdatasync": "EIO",
         "fchmod": "EPERM", "fcntl": "EINVAL", "readlink": "EACCES", "getcwd": "ENOENT", "symlink": "ENOSPC"}
# Of these, the ones behind which a folder looks otherwise than before: the places where being killed can matter.
CHANGES = ("openat", "write", "pwrite64", "rename", "mkdir", "unlink", "unlinkat", "rmdir", "ftruncate", "symlink")

ENVIRONMENT = dict(os.environ, OMP_NUM_THREADS="1", MODA_LOG="warning")


class Bench:
    def __init__(self, moda, shim, folder, workers):
        self.moda, self.shim, self.folder, self.workers = moda, shim, folder, workers
        self.passed = self.failed = 0
        self.lock = threading.Lock()

    def run(self, command, where, wrapper=(), extra=None):
        environment = dict(ENVIRONMENT, XDG_CACHE_HOME=os.path.join(where, "cache"), **(extra or {}))
        return subprocess.run([*wrapper, self.moda, *command], cwd=where, env=environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, errors="replace", timeout=300)

    def must(self, job, command, where, code=0, extra=None):
        done = self.run(command, where, extra=extra)
        if done.returncode != code:
            sys.exit(f"faults: {job.name}: {' '.join(command)}: exit {done.returncode}: {done.stderr}")
        return done

    def fresh(self, name, job, commands):
        """A folder in which these commands were done."""
        where = os.path.join(self.folder, name)
        shutil.rmtree(where, ignore_errors=True)
        os.mkdir(where)
        with open(os.path.join(where, "tiny.net"), "w") as f:
            f.write(NET)
        for k, command in enumerate(commands):
            if command == STOPPED:
                continue
            if k and commands[k - 1] == STOPPED:
                self.stop(job, command, where)
            else:
                self.must(job, command, where)
        return where

    def stop(self, job, command, where):
        """SIGTERM in the middle: behind the second step, before the last but one."""
        whole = where + "-whole"
        restore(where, whole)
        count = count_allocations(self, job, command, whole, 0)
        for tenth in (5, 6, 4, 7, 3, 8):
            restore(where, whole)
            done = self.run(command, whole, extra={"LD_PRELOAD": self.shim, "MODA_STOP_AT": str(count * tenth // 10)})
            if done.returncode == 75 and 2 <= newest_step(files_of(whole)) <= 4:
                restore(whole, where)
                return
        sys.exit(f"faults: {job.name}: {' '.join(command)} could not be stopped in its middle")

    def verdict(self, what, complaint, done):
        with self.lock:
            if not complaint:
                self.passed += 1
                return
            self.failed += 1
            print(f"{what}: {complaint}\n    exit {done.returncode}: {done.stderr.strip()[-300:]!r}", flush=True)


def can_trace():
    """Containers may forbid it; then system calls are left out, and said to be."""
    try:
        return subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def restore(source, where):
    shutil.rmtree(where, ignore_errors=True)
    shutil.copytree(source, where, symlinks=True)


class Trial:
    """A job that is done with one fault after the other."""

    def __init__(self, bench, job):
        self.bench, self.job = bench, job
        self.base = bench.fresh("base", job, job.before)
        if job.prepare:
            job.prepare(self.base)
        self.whole = os.path.join(bench.folder, "whole")
        restore(self.base, self.whole)
        bench.must(job, job.command, self.whole, job.code)
        self.before, self.after = files_of(self.base), files_of(self.whole)
        self.survivors = 0  # runs that were to be killed, but came to their end without that call
        if job.like:
            never_stopped = files_of(bench.fresh("never", job, [job.like]))
            for name in job.results:
                if not same(never_stopped[name], self.after[name]):
                    sys.exit(f"faults: {job.name}: {name} is not as if the run had never been stopped")

    def place(self):
        """A folder of this thread, as before the job."""
        where = os.path.join(self.bench.folder, f"work-{threading.get_ident()}")
        restore(self.base, where)
        return where

    def once(self, what, wrapper, extra, allow_leftovers):
        where = self.place()
        done = self.bench.run(self.job.command, where, wrapper, extra)
        wrong = complaint(self.job, done, where, self.before, self.after, allow_leftovers)
        if not wrong and self.job.again:
            again = self.bench.run(self.job.again, where)
            wrong = f"then, without a fault, exit {again.returncode}: {again.stderr.strip()[-300:]}" if again.returncode \
                else missing_result(self.job, files_of(where), self.after)
        self.bench.verdict(f"{self.job.name}: {what}", wrong, done)

    def killed(self, what, wrapper):
        where, job = self.place(), self.job
        done = self.bench.run(job.command, where, wrapper)
        if done.returncode == job.code:
            with self.bench.lock:
                self.survivors += 1
        wrong = damage(job, where, self.before, self.after) if done.returncode in (-signal.SIGKILL, job.code) else \
            "neither killed nor done"
        if not wrong:
            done = self.bench.run(job.again or job.command, where)
            wrong = f"called again, exit {done.returncode}" if done.returncode != job.code else \
                missing_result(job, files_of(where), self.after) or \
                (None if job.code else other_files(job, where, self.whole))  # a refusal touches nothing
        self.bench.verdict(f"{job.name}: {what}", wrong, done)

    def all(self, kind, faults):
        with concurrent.futures.ThreadPoolExecutor(self.bench.workers) as pool:
            for trial in [pool.submit(kind, *fault) for fault in faults]:
                trial.result()


def count_allocations(bench, job, command, where, code):
    count = os.path.join(bench.folder, "count")
    bench.must(job, command, where, code, {"LD_PRELOAD": bench.shim, "MODA_FAULT_COUNT": count})
    with open(count) as f:
        return int(f.read())


def fail_allocations(trial, every):
    bench, job = trial.bench, trial.job
    where = os.path.join(bench.folder, "work")
    restore(trial.base, where)
    count = count_allocations(bench, job, job.command, where, job.code)
    tried = range(1, count + 1, every)
    trial.all(trial.once, ((f"allocation {n} of {count}", (), {"LD_PRELOAD": bench.shim, "MODA_FAULT_AT": str(n)}, False)
                           for n in tried))
    print(f"{job.name}: {len(tried)} of {count} allocations failed in turn", flush=True)


def calls_on_files(trial, calls):
    """[(call, how many of its kind up to it, strace's line)] of those of these calls that touch the job's folder, or the cache."""
    bench, job = trial.bench, trial.job
    where, log = trial.place(), os.path.join(bench.folder, "strace")
    done = bench.run(job.command, where, ("strace", "-qq", "-y", "-e", "trace=" + ",".join(calls), "-o", log))
    if done.returncode != job.code:
        sys.exit(f"faults: {job.name}: under strace: {done.stderr}")
    seen, hits = collections.Counter(), []
    inside = re.compile(re.escape(bench.folder) +
                        r"|AT_FDCWD<[^>]*>, \"[^/]|^(rename|mkdir|unlink|access|rmdir|readlink|symlink)\(\"[^/]")
    with open(log, errors="replace") as f:
        for line in f:
            call = line.split("(", 1)[0]
            if call not in calls:
                continue
            seen[call] += 1
            if inside.search(line):
                hits.append((call, seen[call], line))
    return hits


def inject(call, fault):
    return "strace", "-qq", "-e", f"trace={call}", "-e", f"inject={call}:{fault}", "-o", os.devnull


def fail_calls(trial, every):
    hits = calls_on_files(trial, CALLS)
    tried = hits[::every]
    trial.all(trial.once, ((f"{call} {n} ({CALLS[call]})", inject(call, f"error={CALLS[call]}:when={n}"), None,
                            call in ("unlink", "unlinkat", "rmdir", "close")) for call, n, _ in tried))
    print(f"{trial.job.name}: {len(tried)} of {len(hits)} calls on files failed in turn", flush=True)


def kill_at_changes(trial, every):
    hits = [x for x in calls_on_files(trial, CHANGES) if x[0] != "openat" or "O_CREAT" in x[2]]
    tried = hits[::every]
    trial.all(trial.killed, ((f"killed at {call} {n}", inject(call, f"signal=KILL:when={n}"))
                             for call, n, _ in tried))
    print(f"{trial.job.name}: killed at {len(tried) - trial.survivors} of {len(hits)} changes of files", flush=True)


KINDS = {"allocations": fail_allocations, "calls": fail_calls, "kills": kill_at_changes}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("moda")
    parser.add_argument("shim")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", default="")
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    o = parser.parse_args()
    known = {j.name: j for j in jobs()}
    wanted = o.only.split(",") if o.only else list(known)
    for name in set(wanted) - set(known):
        sys.exit(f"faults: there is no job {name}: there are {', '.join(known)}")
    kinds = o.kinds.split(",")
    for name in set(kinds) - set(KINDS):
        sys.exit(f"faults: there is no kind {name}: there are {', '.join(KINDS)}")
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="moda-faults-", dir=memory) as folder:
        bench = Bench(os.path.abspath(o.moda), os.path.abspath(o.shim), os.path.realpath(folder), o.workers)
        for name in wanted:
            trial = Trial(bench, known[name])
            for kind in kinds:
                if kind == "allocations" or can_trace():
                    KINDS[kind](trial, o.every)
                else:
                    print(f"{name}: strace may not trace here: {kind} were NOT tried", flush=True)
    print(f"{bench.passed} passed, {bench.failed} failed")
    return bench.failed > 0


if __name__ == "__main__":
    sys.exit(main())
