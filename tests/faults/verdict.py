"""tests/faults/verdict.py - what is wrong after a run in which one thing was made to fail."""

import filecmp
import fnmatch
import json
import os
import struct
import zlib


def files_of(folder):
    found = {}
    for path, _, names in os.walk(folder):
        for name in names:
            full = os.path.join(path, name)
            found[os.path.relpath(full, folder)] = full
    return found


# ---- whether two files say the same ----

# Only whether they are there: what moda thinks of a decomposition may lack the judgement that could not be had, and
# a buffer that does not begin with a page touches one more.
VARIES = ("diagnosis", "pages", "right", "found")


def timeless(value):
    """Without times."""
    if isinstance(value, list):
        return [timeless(x) for x in value]
    if not isinstance(value, dict):
        return value
    return {k: bool(x) if k in VARIES else timeless(x) for k, x in value.items()
            if "second" not in k and k != "data_share"}


def read_json(path):
    """A JSON file, or one of JSON lines; None: it is neither."""
    try:
        with open(path) as f:
            return [json.loads(x) for x in f] if path.endswith(".jsonl") else json.load(f)
    except ValueError:
        return None


def same(path, other):
    """Byte by byte, or but for times."""
    if filecmp.cmp(path, other, shallow=False):
        return True
    if not path.endswith((".json", ".jsonl")):
        return False
    ours = read_json(path)
    return ours is not None and timeless(ours) == timeless(read_json(other))


# ---- whether a file is whole ----

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


def tensors_of(path):
    """(metadata, [(name, bytes)] by place), None: not a whole safetensors file."""
    with open(path, "rb") as f:
        data = f.read()
    try:
        length, = struct.unpack_from("<Q", data)
        header = json.loads(data[8:8 + length])
    except (struct.error, ValueError):
        return None
    metadata = header.pop("__metadata__", {})
    body, places = data[8 + length:], sorted((x["data_offsets"], name) for name, x in header.items())
    if (places[-1][0][1] if places else 0) != len(body):
        return None
    return metadata, [(name, body[begin:end]) for (begin, end), name in places]


def is_checkpoint(path):
    """By its checksum, docs/formats.md."""
    found = tensors_of(path)
    if not found or "moda.checkpoint" not in found[0]:
        return False
    total = zlib.crc32(found[0]["moda.checkpoint"].encode() + b"\0")
    for name, data in found[1]:
        total = zlib.crc32(data, zlib.crc32(name.encode() + b"\0", total))
    return f"{total:08x}" == found[0]["moda.checksum"]


def is_whole(path):
    if path.endswith((".json", ".jsonl")):
        return read_json(path) is not None
    if path.endswith(".safetensors"):
        return tensors_of(path) is not None
    with open(path, "rb") as f:
        return f.read().endswith(b"</html>\n" if path.endswith(".html") else b"\n")


# ---- checkpoints ----

def newest_step(files):
    """Of those that are whole; -1: there is none."""
    steps = [int(os.path.basename(name)[5:-12]) for name, path in files.items()
             if is_step(name) and is_checkpoint(path)]
    return max(steps, default=-1)


def is_step(name):
    return name.startswith("run/checkpoints/step-") and name.endswith(".safetensors")


def lost_checkpoint(here, before, after):
    """None, if the run is done or could go on from where it was, give or take the step in which it failed."""
    model = "run/model.safetensors"
    if model in here and model in after and same(here[model], after[model]):
        return None
    had, has = newest_step(before), newest_step(here)
    if has < had:
        return f"the last whole checkpoint is of step {has}, there was one of step {had}"
    steps = here.get("run/steps.jsonl")
    with open(steps or os.devnull) as f:
        done = sum(1 for _ in f)
    if max(has, 0) + 1 >= done:  # the line of a step comes before its checkpoint
        return None
    return f"{done} steps were done, the last whole checkpoint is of step {has}"


# ---- a run ----

def wrong_file(job, name, path, before, after, allow_leftovers):
    references = [x[name] for x in (before, after) if name in x]
    any_content = name in job.varies or any(fnmatch.fnmatch(name, x) for x in job.anew)
    if name.startswith("cache/") or any_content or (is_step(name) and job.again):
        if ".tmp" in name and not allow_leftovers:
            return "was left behind"
        good = is_checkpoint(path) or any(same(path, x) for x in references) if is_step(name) else \
            not name.endswith((".json", ".safetensors")) or is_whole(path)
        return None if good or ".tmp" in name else "is not whole"
    if name.endswith(".jsonl"):
        return half_lines(path)
    if name.startswith("run/previous") and not references:
        return None
    if not references:
        return None if allow_leftovers or name.endswith(".lock") else "was left behind"
    return None if any(same(path, x) for x in references) else "is neither the old nor the new one"


def grows(path, before):
    with open(path, "rb") as f, open(before, "rb") as g:
        return f.read().startswith(g.read())


def missing_result(job, here, after):
    for name in job.results:
        good = name in here and (is_whole(here[name]) if name in job.varies or name in job.grows
                                 else same(here[name], after[name]))
        if not good:
            return f"exit 0, but {name} is not what it should be"
    return None


def damage(job, where, before, after):
    """What being killed has damaged, or None."""
    here = files_of(where)
    for name, path in here.items():
        temporary = name.endswith((".tmp", ".lock"))
        wrong = None if temporary else half_killed(job, name, path, before, after)
        if wrong:
            return f"{name}: {wrong}"
    return lost_file(job, here, before) or lost_checkpoint(here, before, after)


def half_killed(job, name, path, before, after):
    # The line that was being written may be cut anywhere.
    return None if name.endswith(".jsonl") else wrong_file(job, name, path, before, after, True)


def lost_file(job, here, before):
    model, aside = "run/model.safetensors", "run/previous.safetensors"
    if model in before and model not in here and not (aside in here and same(here[aside], before[model])):
        return f"{model} is neither there nor set aside"
    for name in before:
        if name not in here and name not in job.taken and not is_step(name):
            return f"{name} is lost"
    for name in job.grows:
        if name in before and not grows(here[name], before[name]):
            return f"{name} has lost lines"
    return None


def names_of(folder):
    """Of files and folders, but for the cache, which has rules of its own, and locks: one that a process left which is
    no more locks nothing."""
    found = {os.path.relpath(os.path.join(path, name), folder) for path, folders, files in os.walk(folder)
             for name in folders + files if name != ".lock"}
    return {name for name in found if name.split(os.sep)[0] != "cache"}


def other_files(job, where, whole):
    """Whether a folder has other files than that of a job to which nothing happened, or other content in them."""
    here, there = names_of(where), names_of(whole)
    for name in sorted((here ^ there).difference(job.varies)):
        return f"{name} {'is left over' if name in here else 'is missing'}"
    for name in sorted(here & there):
        path, other = os.path.join(where, name), os.path.join(whole, name)
        if not os.path.isdir(path) and name not in job.varies + job.grows and not same(path, other):
            return f"{name} differs"
    return None


def complaint(job, done, where, before, after, allow_leftovers):
    """What is wrong after a run with a fault, or None."""
    if done.returncode not in (0, 1, 2) or (done.returncode == 0 and job.code != 0):
        return "did not end by itself" if done.returncode else "did what it should have refused"
    lines = [x for x in done.stderr.splitlines() if x.startswith("moda: ") and "warning" not in x]
    if done.returncode and len(lines) != 1:
        return f"{len(lines)} lines say what failed"
    here = files_of(where)
    for name, path in here.items():
        wrong = wrong_file(job, name, path, before, after, allow_leftovers)
        if wrong:
            return f"{name}: {wrong}"
    return lost_file(job, here, before) or lost_checkpoint(here, before, after) or (None if done.returncode or job.code
                                                    else missing_result(job, here, after))
