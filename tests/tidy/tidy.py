#!/usr/bin/env python3
"""Checks the whole tree against the house rules: tests/tidy/tidy.py [root]. Exit 0: clean."""

import pathlib
import subprocess
import sys

import checks


def load(root):
    """path -> text of every file that git knows or would add."""
    listed = subprocess.run(
        ["git", "-C", root, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        check=True, capture_output=True).stdout.decode().split("\0")
    files = {}
    for path in sorted(set(listed) - {""}):
        full = pathlib.Path(root, path)
        if path.startswith("tests/fuzz/corpus/"):
            continue  # arbitrary bytes on purpose
        if path.endswith(checks.TEXT) and full.is_file():
            files[path] = full.read_text(encoding="utf-8")
    return files


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else str(pathlib.Path(__file__).parents[2])
    files = load(root)
    findings = [finding for check in checks.ALL for finding in check(files)]
    print("\n".join(findings + [f"tidy: {len(findings)} findings in {len(files)} files"]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
