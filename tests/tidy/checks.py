"""The checks of the tidy test. Each yields findings "path:line: sentence"; none means clean."""

import re

import cpp_source
import house

CPP = (".h", ".cc", ".c")
CODE = CPP + (".py", ".sh", ".cmake", "CMakeLists.txt")
TEXT = CODE + (".md", ".toml", ".json", ".yaml", ".yml", ".txt", ".clang-format", ".clang-tidy")


def is_cpp(path):
    return path.endswith(CPP)


def in_core(path):
    return path.startswith("core/")


def matches_any(patterns, path):
    return any(re.match(pattern, path) for pattern in patterns)


def lines_matching(pattern, text):
    for number, line in enumerate(text.splitlines(), 1):
        match = re.search(pattern, line)
        if match:
            yield number, match.group(0).strip()


def length(files):
    """Files, functions and lines within the limits."""
    for path, text in files.items():
        count = len(text.splitlines())
        if path.endswith(CODE) and count > house.FILE_LINES:
            yield f"{path}:1: {count} lines, {house.FILE_LINES} are allowed: split it by nouns"
        if not is_cpp(path):
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if len(line) > house.COLUMNS:
                yield f"{path}:{number}: {len(line)} columns, {house.COLUMNS} are allowed"
        for first, last, name in cpp_source.functions(text):
            if last - first + 1 > house.FUNCTION_LINES:
                yield (f"{path}:{first}: function {name} has {last - first + 1} lines, "
                       f"{house.FUNCTION_LINES} are allowed")


def include_order(files):
    """A room includes only what the house lets it see."""
    for path, text in files.items():
        room = house.room_of(path)
        if not is_cpp(path) or room in house.OPEN_ROOMS:
            continue
        seen = house.rooms_seen_from(room)
        if seen is None:
            yield f"{path}:1: no room of the house (tests/tidy/house.py)"
            continue
        for number, header, quoted in cpp_source.includes(text):
            if not quoted:
                continue
            if header not in files:
                yield f"{path}:{number}: {header}: name headers from the root of the repository"
            elif house.room_of(header) not in seen:
                yield f"{path}:{number}: {room} may not include {header}"


def heavy_headers(files):
    """What is slow to compile stays behind one .cc file of its folder."""
    for pattern, folder in house.HEAVY_HEADERS.items():
        users = {}
        for path, text in files.items():
            if not is_cpp(path) or path.startswith(("tests/", "examples/")):
                continue
            for number, header, _ in cpp_source.includes(text):
                if not re.match(pattern, header):
                    continue
                where = path.rsplit("/", 1)[0]
                users.setdefault(where, set()).add(path)
                if not re.match(folder, path):
                    yield f"{path}:{number}: <{header}> belongs to {folder}"
                elif path.endswith(".h"):
                    yield f"{path}:{number}: <{header}> belongs to a .cc file"
        if pattern in house.MANY_FILES_ALLOWED:
            continue
        for where, paths in users.items():
            if len(paths) > 1:
                yield f"{where}: {pattern} is included by {len(paths)} files: {sorted(paths)}"


def banned_in_core(files):
    """Clock, random, sockets, files, threads only in their rooms."""
    for path, text in files.items():
        if not is_cpp(path) or not in_core(path):
            continue
        code = cpp_source.strip(text)
        for ban in house.CORE_BANS:
            if matches_any(ban.allowed, path):
                continue
            for number, header, quoted in cpp_source.includes(text):
                if not quoted and header in ban.headers:
                    yield f"{path}:{number}: {ban.what}: <{header}>: use {ban.instead}"
            for number, call in lines_matching(ban.calls, code):
                yield f"{path}:{number}: {ban.what}: {call}: use {ban.instead}"


def banned_everywhere(files):
    for path, text in files.items():
        if not is_cpp(path):
            continue
        table = dict(house.BANNED_EVERYWHERE)
        if not path.startswith(tuple(house.OPEN_ROOMS)):
            table.update(house.BANNED_IN_PRODUCT)
        if path.startswith("tests/"):
            table.update(house.BANNED_IN_TESTS)
        code = cpp_source.strip(text)
        for pattern, instead in table.items():
            for number, found in lines_matching(pattern, code):
                yield f"{path}:{number}: {found}: use {instead}"


def leftovers(files):
    """Nothing unfinished, no conflict markers."""
    unfinished = r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3, "HA" + "CK"]) + r")\b"
    for path, text in files.items():
        for number, word in lines_matching(unfinished, text):
            yield f"{path}:{number}: {word}: finish it, or file an issue"
        for number, _ in lines_matching(r"^(<{7}|>{7}|={7})( |$)", text):
            yield f"{path}:{number}: conflict marker"


def whitespace(files):
    for path, text in files.items():
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                yield f"{path}:{number}: white space at the end of the line"
            if "\t" in line:
                yield f"{path}:{number}: tab"
        if text and not text.endswith("\n"):
            yield f"{path}:{len(text.splitlines())}: no newline at the end"


def guards(files):
    """#pragma once; what is in C, which any compiler must read, has include guards."""
    for path, text in files.items():
        if not path.endswith(".h"):
            continue
        if path.startswith(tuple(house.C_HEADERS)):
            guard = "VARVE_" + re.sub(r"\W", "_", path).upper()
            if not re.search(rf"#ifndef (\w+_H_?)\n#define \1\b", text):
                yield f"{path}:1: no include guard, such as {guard}"
        elif not re.search(r"^#pragma once$", text, re.MULTILINE):
            yield f"{path}:1: no #pragma once"
        elif not text.startswith(("//", "/*")):
            yield f"{path}:1: a header opens with what it is"


def builds(text, name):
    """Does a CMakeLists.txt name this source, variables standing for anything?"""
    for source in re.findall(r"[\w.${}/-]+\.cc?\b", text):
        pattern = re.sub(r"\\\$\\\{\w+\\\}", ".+", re.escape(source.rsplit("/", 1)[-1]))
        if re.fullmatch(pattern, name):
            return True
    return False


def dead_files(files):
    """Every source is built, every header included, every script named by another file."""
    build = {path: text for path, text in files.items() if path.endswith("CMakeLists.txt")}
    included = {header for path, text in files.items() if is_cpp(path)
                for _, header, quoted in cpp_source.includes(text) if quoted}
    for path in files:
        name = path.rsplit("/", 1)[-1]
        if path.endswith((".cc", ".c")):
            if not any(path.startswith(where[:-len("CMakeLists.txt")])
                       and builds(text, name)
                       for where, text in build.items()):
                yield f"{path}:1: no CMakeLists.txt builds it"
        elif path.endswith(".h") and path not in included:
            yield f"{path}:1: nothing includes it"
        elif path.endswith((".py", ".sh")):
            stem = name[:-3] if path.endswith(".py") else name
            if not any(re.search(rf"\b{re.escape(stem)}\b", text)
                       for other, text in files.items() if other != path):
                yield f"{path}:1: no other file names it"


ALL = [length, include_order, heavy_headers, banned_in_core, banned_everywhere, leftovers, whitespace,
       guards, dead_files]
