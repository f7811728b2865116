#!/usr/bin/python3
"""Runs the commands that pages of the documentation show, and puts what they print in their place.

    docs/blocks.py --moda build/moda docs/benchmarks.md docs/scaling.md

A command is an indented line `    $ moda ...` (with its continuation lines, if it ends in a
backslash); what it prints follows, up to the next such line or the end of the indentation. Of
`    $ cat FILE` what follows is FILE's content, which later commands find. Commands run one after
the other in a folder of their own (--folder; else one that is removed again), which also holds
`pictures`, 500 made-up PNG files. A page is written after each command that ended well. stderr is
not shown. Measure on a quiet machine; text around the blocks stays as it is: read it again.
"""
import argparse
import os
import random
import struct
import subprocess
import sys
import tempfile
import zlib

PICTURES, SIDE, CLASSES = 500, 96, 10


def png(pixels, side):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(
            ">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + pixels[y * 3 * side:(y + 1) * 3 * side] for y in range(side))
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def make_pictures(folder):
    """Blurred noise: it compresses about as photographs do."""
    rng = random.Random(1)
    for i in range(PICTURES):
        split, name = ("train", "test")[i // CLASSES % 5 == 4], f"class{i % CLASSES}"
        path = os.path.join(folder, split, name)
        os.makedirs(path, exist_ok=True)
        level, pixels = 128, bytearray()
        for _ in range(3 * SIDE * SIDE):
            level = min(255, max(0, level + rng.randint(-6, 6)))
            pixels.append(level)
        with open(os.path.join(path, f"{i}.png"), "wb") as f:
            f.write(png(bytes(pixels), SIDE))


def pieces(lines):
    """The page as (command or None, lines): a command with the lines that it shows, other text."""
    i, text = 0, []
    while i < len(lines):
        if not lines[i].startswith("    $ "):
            text.append(lines[i])
            i += 1
            continue
        yield None, text
        head = [lines[i]]
        while head[-1].endswith("\\") and i + len(head) < len(lines):
            head.append(lines[i + len(head)])
        begin = end = i = i + len(head)
        while i < len(lines) and not lines[i].startswith("    $ ") and (
                not lines[i] or lines[i].startswith("    ")):
            i += 1
            if lines[i - 1]:
                end = i
        yield head, lines[begin:end]
        text = lines[end:i]  # blank lines behind belong to the text
    yield None, text


def run(head, folder, moda):
    command = "\n".join(line[4:] for line in head)[2:]
    print(command, file=sys.stderr)
    path = os.path.dirname(os.path.abspath(moda)) + os.pathsep + os.environ["PATH"]
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], cwd=folder,
                          stdout=subprocess.PIPE, env=dict(os.environ, PATH=path), check=False)
    if done.returncode:
        sys.exit(f"blocks.py: exit code {done.returncode} of: {command}")
    return [("    " + line).rstrip() for line in done.stdout.decode().rstrip("\n").split("\n")]


def write(page, parts):
    with open(page + ".new", "w") as f:
        f.writelines(line + "\n" for head, shown in parts for line in (head or []) + shown)
    os.replace(page + ".new", page)


def remake(page, folder, moda, only):
    with open(page) as f:
        parts = list(pieces(f.read().rstrip("\n").split("\n")))
    for i, (head, shown) in enumerate(parts):
        if head and head[0].startswith("    $ cat "):
            with open(os.path.join(folder, head[0][10:]), "w") as f:
                f.writelines(line[4:] + "\n" for line in shown)
        elif head and head[0].startswith("    $ moda ") and only in head[0]:
            if "folder:pictures" in head[0]:
                make_pictures(os.path.join(folder, "pictures"))
            parts[i] = head, run(head, folder, moda)
            write(page, parts)


def main():
    p = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    p.add_argument("--moda", default="build/moda", metavar="PROGRAM")
    p.add_argument("--folder", metavar="DIR", help="where commands run; stays")
    p.add_argument("--only", default="", metavar="TEXT", help="commands that hold this text")
    p.add_argument("pages", nargs="+", metavar="PAGE")
    a = p.parse_args()
    with tempfile.TemporaryDirectory(prefix="moda-docs-") as temporary:
        folder = a.folder or temporary
        os.makedirs(folder, exist_ok=True)
        for page in a.pages:
            remake(page, folder, a.moda, a.only)


if __name__ == "__main__":
    main()
