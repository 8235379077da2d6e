#!/usr/bin/env python3
"""The measurements of tests/bench/steady.sh."""

import argparse
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

import bench

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "real"))
from node import BIN  # noqa: E402

MIB = 1 << 20
CASES = ["disk", "cleaning", "scrub", "snapshot", "hdd"]
WITH_HDD = {"hdd": 3, "drain": 6, "room-hdd": 3}  # times the SSD

# Of the drawing, in its own units.
WIDTH, ROW, LEFT, TOP = 960, 130, 70, 30


def make_file(path, size):
    """Written once: what a disk makes of blocks that were never written says nothing."""
    piece = os.urandom(8 * MIB)
    with open(path, "wb") as file:
        for _ in range(size // len(piece)):
            file.write(piece)
        os.fsync(file.fileno())


@contextlib.contextmanager
def block_device(path, as_loop):
    """The file, or a loop device of it if there is anything in it."""
    if not as_loop or os.path.getsize(path) == 0:
        yield path
        return
    device = subprocess.run(["losetup", "--find", "--show", path], check=True, text=True,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.strip()
    try:
        yield device
    finally:
        subprocess.run(["losetup", "--detach", device], check=True)


def run_case(case, options, ssd, hdd):
    words = [BIN / "steady_bench", "--ssd", ssd, "--case", case,
             "--seconds", str(options.seconds), "--segment-mib", str(options.segment_mib)]
    if case in WITH_HDD:
        words += ["--hdd", hdd]
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, words))}: {done.stderr}{done.stdout}")
    series = []
    for line in done.stdout.splitlines():
        cells = line.split()
        if cells[0] == case and len(cells) == 3:
            series.append(int(cells[2]))
        else:
            print(line.replace("FAILED: over a limit", "over a limit").rstrip(), flush=True)
    return series


def draw(path, title, all_series):
    """One row for each case: writes by the second, from zero."""
    height = TOP + ROW * len(all_series) + 10
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
             f'<text x="{LEFT}" y="18">{title}</text>']
    for row, (case, series) in enumerate(all_series.items()):
        top, floor = TOP + ROW * row + 20, TOP + ROW * (row + 1) - 10
        most = max([*series, 1])
        step = (WIDTH - LEFT - 10) / max(len(series) - 1, 1)
        points = " ".join(f"{LEFT + i * step:.1f},{floor - value / most * (floor - top):.1f}"
                          for i, value in enumerate(series))
        parts += [f'<text x="{LEFT}" y="{top - 6}">{case}, {len(series)} s</text>',
                  f'<text x="{LEFT - 6}" y="{top + 4}" text-anchor="end">{most}</text>',
                  f'<text x="{LEFT - 6}" y="{floor + 4}" text-anchor="end">0</text>',
                  f'<path d="M{LEFT} {top}V{floor}H{WIDTH - 10}" fill="none" stroke="#888"/>',
                  f'<polyline points="{points}" fill="none" stroke="#06c"/>']
    path.write_text("\n".join([*parts, "</svg>"]) + "\n")


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/steady.sh")
    parser.add_argument("--seconds", type=int, default=900)
    parser.add_argument("--ssd-gib", type=float, default=4)
    parser.add_argument("--cases", default=",".join(CASES))
    parser.add_argument("--svg", type=pathlib.Path)
    parser.add_argument("--dir", default="/var/tmp")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # loop devices are given back
    options.segment_mib = 16
    if options.smoke:
        options.seconds, options.ssd_gib, options.segment_mib = 2, 0.125, 1
    if options.memory:
        options.dir = "/dev/shm"
    cases = options.cases.split(",")
    bench.describe_machine(options.dir)
    print(f"4 KiB at random, 32 on the way, an SSD of {options.ssd_gib:g} GiB, {options.seconds} s each")
    all_series = {}
    with tempfile.TemporaryDirectory(prefix="varve.", dir=options.dir) as work:
        ssd_bytes = int(options.ssd_gib * 1024) * MIB
        hdd_bytes = ssd_bytes * max([WITH_HDD.get(case, 0) for case in cases])
        make_file(f"{work}/ssd", ssd_bytes)
        make_file(f"{work}/hdd", hdd_bytes)
        with block_device(f"{work}/ssd", options.memory) as ssd, \
                block_device(f"{work}/hdd", options.memory) as hdd:
            for case in cases:
                all_series[case] = run_case(case, options, ssd, hdd)
                if options.svg:
                    title = f"Writes of 4 KiB by the second; commit {bench.commit()}"
                    draw(options.svg, title, all_series)


if __name__ == "__main__":
    main()
