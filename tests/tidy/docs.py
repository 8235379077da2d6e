#!/usr/bin/env python3
"""Runs each ```sh ci block of a page, in the root of the repository: docs.py PAGE..."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def blocks(text):
    """(line number, script) of each fenced block tagged `sh ci`."""
    for match in re.finditer(r"^```sh ci\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start()) + 2, match.group(1)


def missing_paths(text):
    """Files of the repository that the page names in code quotes and that are not there."""
    for name in re.findall(r"`((?:tests|docs|examples|conf|core|plugins)/[\w./-]+)`", text):
        if not (ROOT / name).exists():
            yield name


def main():
    failed = False
    for page in sys.argv[1:]:
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in missing_paths(text):
            print(f"{page}: names {name}, which does not exist")
            failed = True
        for line, script in blocks(text):
            result = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=ROOT, text=True,
                                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
            if result.returncode != 0:
                print(f"{page}:{line}: exit {result.returncode}\n{script}{result.stdout}")
                failed = True
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
