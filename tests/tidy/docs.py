#!/usr/bin/env python3
"""Every page names and links to files that exist, and its ```sh ci blocks work."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def blocks(text):
    """(line number, script) of each fenced block tagged `sh ci`."""
    for match in re.finditer(r"^```sh ci\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        yield text.count("\n", 0, match.start()) + 2, match.group(1)


def missing_paths(text, folder="."):
    """Files of the repository that the page names in code quotes, or links to, and that lack."""
    named = re.findall(r"`((?:tests|docs|examples|conf)/[\w./-]+)`", text)
    linked = [f"{folder}/{path}" for path in re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", text)]
    for name in named + linked:
        if not (ROOT / name).exists():
            yield name


def main():
    failed = False
    for page in subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, check=True, text=True,
                               stdout=subprocess.PIPE).stdout.split():
        text = (ROOT / page).read_text(encoding="utf-8")
        for name in missing_paths(text, str(pathlib.Path(page).parent)):
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
