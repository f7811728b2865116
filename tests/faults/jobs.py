"""tests/faults/jobs.py - the small jobs of moda that faults.py does again and again, and what is there before each."""

import json
import os
import struct
import zlib

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
FIGURE = "step.lenet5.standard.f32.planned"


class Job:
    """before: commands that are done without faults; one behind STOPPED is stopped in its middle. prepare(where): what
    else is there. results: files that are whole when the command says that it is done. code: its exit code without
    faults. again: the command that afterwards has to bring all results, whatever went wrong. grows: files of lines that
    only grow. varies: files whose bytes no two runs share. anew: patterns of those that are written again on the way. like: a command from nothing with the same results."""

    def __init__(self, name, before, command, results, prepare=None, code=0, again=None, grows=(), varies=(), anew=(),
                 like=None, taken=()):
        self.name, self.before, self.command, self.results = name, before, command, results
        self.prepare, self.code, self.again, self.like = prepare, code, again, like
        self.grows, self.varies, self.anew = grows, varies, anew
        self.taken = taken  # files of an earlier run that a new one may take away, as its documents say


STOPPED = "stopped"


def png(grey):
    """9 x 9 pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes((grey + 9 * y + x) % 256 for x in range(9)) for y in range(9))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def draw_pictures(where):
    for split in ("train", "test"):
        for c in range(3):
            folder = os.path.join(where, "pictures", split, str(c))
            os.makedirs(folder)
            for i in range(3):
                with open(os.path.join(folder, f"{i}.png"), "wb") as f:
                    f.write(png(60 * c + 7 * i))


def damage_newest(where):
    """One bit of the newest checkpoint."""
    folder = os.path.join(where, "run", "checkpoints")
    path = os.path.join(folder, max(os.listdir(folder)))
    with open(path, "r+b") as f:
        f.seek(-5, os.SEEK_END)
        byte = f.read(1)[0]
        f.seek(-5, os.SEEK_END)
        f.write(bytes([byte ^ 4]))


def call_regression(where):
    """Behind the one night of the history another one, which called its figure a regression."""
    path = os.path.join(where, "h.jsonl")
    with open(path) as f:
        night = json.loads(f.read())
    night["run"] += "-worse"
    night["figures"][FIGURE]["value"] += 1
    night["verdicts"] = {FIGURE: {"verdict": "regression", "from": night["run"]}}
    with open(path, "a") as f:
        f.write(json.dumps(night, separators=(",", ":")) + "\n")


def jobs():
    one = ["--threads", "1"]
    data = ["--data", DATA]
    train = ["train", "--model", "tiny.net", *data, "--epochs", "2", "--batch-size", "8", "--tune", "off", *one, "--out",
             "run"]
    decompose = ["decompose", "run/model.safetensors", *data, "--tau", "0.5", *one, "--out", "parts"]
    run = ["run/model.safetensors", "run/config.json"]
    folder = ["--image-size", "8", "--image-cache"]
    return [
        Job("train", [], train, run),
        Job("train-again", [train], train[:5] + ["--seed", "5"] + train[5:], run,
            taken=("run/model.safetensors", "run/metrics.jsonl", "run/config.json")),
        Job("folder", [], [x if x != DATA else "folder:pictures" for x in train] + folder + ["off"], run[:1],
            prepare=draw_pictures),
        Job("eval", [train], ["eval", *run[:1], *data, *one, "--json", "e.json", "--logits", "l.safetensors"],
            ["e.json", "l.safetensors"]),
        Job("decompose", [train], decompose, ["parts/decomposition.json", "parts/masks.safetensors",
                                              "parts/class-0.safetensors"]),
        Job("compose", [train, decompose], ["compose", "parts", "--classes", "0,2", *one, "--out", "two.safetensors"],
            ["two.safetensors"]),
        Job("reuse", [train, decompose], ["reuse", "parts", *data, *one, "--csv", "r.csv"], ["r.csv"]),
        *checkpoint_jobs(train, run),
        *module_jobs(train, decompose, data + one),
        *look_jobs(one),
        *other_jobs(train, decompose, data, one, folder),
    ]


def checkpoint_jobs(train, run):
    """A run that writes a checkpoint behind every step; such a one that was stopped, and goes on."""
    often = train + ["--checkpoint-steps", "1", "--log-steps"]
    resume = often + ["--resume"]
    results = run + ["run/metrics.jsonl", "run/steps.jsonl"]
    return [
        Job("checkpoint", [], often, results, again=resume),
        Job("resume", [STOPPED, often], resume, results, again=resume, like=often),
        Job("resume-damaged", [STOPPED, often], resume, results, again=resume, like=often, prepare=damage_newest,
            taken=("run/metrics.jsonl",)),  # lines behind the checkpoint before the damaged one come again
        Job("refused", [STOPPED, often], often, [], code=2),
    ]


def module_jobs(train, decompose, usual):
    """What is done with modules, and looks into them."""
    weak = [x if x != "run" else "weak" for x in train] + ["--classes", "0,1", "--relabel"]
    joined = ["--modules", "parts", "--class", "2", *usual, "--epochs", "1", "--batch-size", "8", "--out",
              "new.safetensors", "--json", "new.json"]
    results = ["new.safetensors", "new.json"]
    return [
        Job("replace", [train, decompose], ["replace", "--weak", "run/model.safetensors", *joined], results),
        Job("add-class", [train, decompose, weak], ["add-class", "--weak", "weak/model.safetensors", *joined], results),
        Job("inspect", [train, decompose], ["inspect", "parts", *usual, "--csv", "i.csv", "--json", "i.json"],
            ["i.csv", "i.json"]),
        Job("ablate", [train, decompose], ["ablate", "parts", *usual, "--neurons", "all", "--csv", "a.csv", "--json", "a.json"],
            ["a.csv", "a.json"]),
        Job("sweep", [train, decompose], ["sweep", "parts", *usual, "--tau", "0.3,0.5", "--csv", "s.csv"], ["s.csv"]),
        sweep_of_trainings(usual),
    ]


def sweep_of_trainings(usual):
    command = ["sweep", "--model", "tiny.net", *usual, "--alpha", "0.5,1", "--epochs", "1", "--tune", "off", "--tau",
               "0.5", "--sample", "1", "--out", "runs"]
    return Job("sweep-trainings", [], command, ["runs/sweep.csv"], again=command)


def look_jobs(one):
    """What shows a network, and where its memory lies."""
    return [
        Job("describe", [], ["describe", "tiny.net", "--input", "1x8x8", "--classes", "3", *one, "--json", "d.json"],
            ["d.json"]),
        Job("topo", [], ["topo", "--model", "tiny.net", "--batch-size", "8", "--verify", *one, "--json", "t.json"],
            ["t.json"]),
    ]


def other_jobs(train, decompose, data, one, folder):
    """Caches, and what collects figures."""
    cached = [x if x != DATA else "folder:pictures" for x in train] + folder + ["auto"]
    tuned = [x if x != "off" else "quick" for x in train] + ["--max-steps", "1"]
    night = ["nightly", "--only", FIGURE, "--rounds", "1", "--patience", "0.1", "--bind", "none", *one, "--history",
             "h.jsonl"]
    accept = ["nightly", "--accept", "all", "--bind", "none", *one, "--history", "h.jsonl"]
    study = ["experiment", "tau", *data, "--model", "tiny.net", "--epochs", "1", "--sample", "1", *one, "--out", "study"]
    return [
        Job("image-cache", [], cached, ["run/model.safetensors"], prepare=draw_pictures, again=cached,
            taken=("run/model.safetensors", "run/metrics.jsonl", "run/config.json")),
        Job("tune", [], tuned, ["run/config.json"], again=tuned + ["--json", "t.json"],
            varies=("run/model.safetensors", "run/config.json", "t.json")),
        Job("nightly", [night], night + ["--page", "p.html", "--json", "n.json"], ["h.jsonl", "p.html", "n.json"],
            grows=("h.jsonl",), varies=("p.html", "n.json")),
        Job("accept", [night], accept, ["h.jsonl"], prepare=call_regression, grows=("h.jsonl",)),
        # What cannot be read is left out of a report.
        Job("report", [train, decompose], ["report", ".", "--json", "r.json"], ["r.json"], varies=("r.json",)),
        # The first study leaves measured choices for the second one: without them other choices may be made, which
        # round differently.
        Job("study", [study[:-1] + ["first"]], study, ["study/tau.csv", "study/tau.json"], again=study,
            anew=("study/tau.*", "study/results/*.json", "study/results/*.safetensors", "study/runs/*.safetensors",
                  "study/runs/*/config.json")),
    ]
