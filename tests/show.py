#!/usr/bin/env python3
"""Reads `ctest -V` and prints it short: one line a test, and below it what it said, if it failed or was
skipped or is worth reading when it passes. The closing lines stay as ctest wrote them."""

import re
import sys

WORTH_READING = r"crash_oracle|cluster_(sim|mutants)|asan_cluster_sim|model_check|overwrite_run|fuzz_|real_(cluster_)?(kill_rounds|kill_etcd|flush_count)"
NOISE = (r"UpdateCTestConfiguration|Constructing|Done constructing|Updating|Added 0 tests|Checking test"
         r"|test \d+$|\s+Start\s+\d+: |\d+: (Test (command|timeout computed)|Working Directory)"
         r"|The following tests passed:|\t\S+$")


def short(lines):
    said = {}  # number of a test -> what it has said so far
    closing = False
    for line in lines:
        closing = closing or re.match(r"\d+% tests passed", line) is not None
        if re.match(NOISE, line) or (not line.strip() and not closing):
            continue
        words = re.match(r"(\d+): ?(.*)", line, re.DOTALL)
        if words:
            said.setdefault(words.group(1), []).append("    " + words.group(2))
            continue
        yield line
        ended = re.match(r"\s*\d+/\d+ Test\s+#(\d+): (\S+) [ .]*(.*)", line)
        if ended:
            number, name, result = ended.groups()
            if not result.startswith("Passed") or re.match(WORTH_READING, name):
                yield from said.get(number, [])
            said.pop(number, None)


if __name__ == "__main__":
    for shown in short(sys.stdin):
        print(shown, end="", flush=True)
