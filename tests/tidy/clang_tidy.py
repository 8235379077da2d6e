"""clang-tidy with the rules of .clang-tidy: clang_tidy.py BUILD_FOLDER [FILE...]

Needs BUILD_FOLDER configured. The sources of a folder are checked as one translation unit: most of
the time goes into the headers that they share. So their unnamed namespaces must not clash, and
each header must have its guard.
"""
import collections
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def flags_of(build, folder, sources):
    """Include paths, definitions and the standard: all that any source of the folder is given."""
    flags = []
    with open(os.path.join(build, 'compile_commands.json')) as database:
        for entry in json.load(database):
            if os.path.relpath(entry['file'], ROOT) not in sources:
                continue
            words = shlex.split(entry['command'])
            for word, following in zip(words, words[1:] + ['']):
                wanted = (word, following) if word == '-isystem' else (word,)
                if word.startswith(('-I', '-D', '-std', '-isystem')) and wanted not in flags:
                    flags.append(wanted)
    if not flags:
        sys.exit(f'{folder}: not in {build}/compile_commands.json')
    return [word for wanted in flags for word in wanted]


def check(build, folder, sources):
    unit = os.path.join(build, 'clang_tidy', folder.replace('/', '_') + '.cc')
    os.makedirs(os.path.dirname(unit), exist_ok=True)
    with open(unit, 'w') as file:
        file.writelines(f'#include "{source}"\n' for source in sources)
    command = ['clang-tidy-19', '--quiet', '--config-file=' + os.path.join(ROOT, '.clang-tidy'),
               unit, '--', '-I' + ROOT, '-Wno-deprecated-declarations']
    command += flags_of(build, folder, sources)
    done = subprocess.run(command, capture_output=True, text=True)
    return done.returncode, done.stdout + (done.stderr if 'error:' in done.stderr else '')


def main():
    build = os.path.abspath(sys.argv[1])
    sources = sys.argv[2:] or subprocess.check_output(
        ['git', '-C', ROOT, 'ls-files', 'core/*.cc', 'plugins/*.cc', 'transports/*.cc'],
        text=True).split()
    folders = collections.defaultdict(list)
    for source in sources:
        folders[os.path.dirname(source)].append(source)
    failed = False
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        largest_first = sorted(folders.items(), key=lambda item: -len(item[1]))
        for code, output in pool.map(lambda item: check(build, *item), largest_first):
            failed = failed or code != 0
            if code != 0:
                print(output)
    sys.exit(failed)


main()
