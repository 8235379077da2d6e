"""What the checks need to know of a C or C++ file without compiling it."""

import re

_TOKENS = re.compile(
    r"""(?P<raw>R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)")
      | (?P<line>//[^\n]*)
      | (?P<block>/\*.*?\*/)
      | (?P<string>"(?:\\.|[^"\\\n])*")
      | (?P<char>(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+')""",
    re.VERBOSE | re.DOTALL)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def strip(text):
    """`text` with comments, and what strings hold, blanked; lines and columns keep their place."""
    def replace(match):
        whole = match.group(0)
        if match.lastgroup in ("line", "block"):
            return _blank(whole)
        return whole[0] + _blank(whole[1:-1]) + whole[-1]
    return _TOKENS.sub(replace, text)


def without_preprocessor(stripped):
    """Stripped text with directives, and the lines that continue them, blanked."""
    return re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: _blank(m.group(0)), stripped,
                  flags=re.MULTILINE)


def includes(text):
    """(line number, header, is it quoted) of each #include."""
    for number, line in enumerate(text.splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*(?:"([^"]+)"|<([^>]+)>)', line)
        if match:
            yield number, match.group(1) or match.group(2), match.group(1) is not None


# Opens a scope whose members are declarations, not statements.
_SCOPE = re.compile(r"\b(namespace|class|struct|union|enum|concept)\b")
_BODY_END = re.compile(
    r"(\)|\bconst|\bnoexcept|\boverride|\bfinal|\bmutable|\btry|->\s*[\w:<>,\s*&]+|\brequires\b.*"
    r"|\}|&&?)\s*$", re.DOTALL)


def _opens_function(head):
    if "(" not in head or not _BODY_END.search(head):
        return False
    before_arguments = head[:head.index("(")]
    return not _SCOPE.search(re.sub(r"template\s*<[^{]*?>", "", before_arguments)) \
        and "=" not in re.sub(r"operator\s*\S+", "", before_arguments)


def functions(text):
    """(first line, last line, name) of each function body outside other functions."""
    source = without_preprocessor(strip(text))
    depth_inside = 0  # braces open inside a function or an initializer
    current = None    # (first line, name) of the open function
    head_begin = 0
    line = 1
    for position, char in enumerate(source):
        if char == "\n":
            line += 1
        elif depth_inside:
            depth_inside += {"{": 1, "}": -1}.get(char, 0)
            if depth_inside == 0 and current:
                yield current[0], line, current[1]
                current = None
                head_begin = position + 1
        elif char == "{":
            head = source[head_begin:position]
            if _opens_function(head):
                begin = head_begin + len(head) - len(head.lstrip())
                name = re.search(r"([~\w:]+|operator\s*\S+)\s*\(", head)
                current = (source.count("\n", 0, begin) + 1, name.group(1) if name else "?")
                depth_inside = 1
            elif _SCOPE.search(head) or not head.strip():
                head_begin = position + 1
            else:
                depth_inside = 1  # an initializer; the head goes on behind it
        elif char in ";}":
            head_begin = position + 1
        elif char == ":" and re.search(r"\b(public|private|protected)\s*$",
                                       source[head_begin:position]):
            head_begin = position + 1
