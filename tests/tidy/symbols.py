#!/usr/bin/env python3
"""No core object calls clock, random, socket, file or thread outside its room; none holds a mutant.

    symbols.py rooms LIBRARY...    static libraries libvarve_<room>.a of the rooms below the programs
    symbols.py mutants FILE...     whatever is released: libraries, programs, plugins
"""

import re
import subprocess
import sys

LOG = "base/log.cc"  # spdlog asks the clock, locks, and writes to standard error

# what -> (undefined symbols as nm prints them, the objects that may have them)
TABLE = {
    "clock": (r"clock_\w+|gettimeofday|time|ftime|nanosleep|usleep|sleep|timerfd_\w+"
              r"|_ZNSt6chrono.*3nowEv|localtime\w*|gmtime\w*",
              ["runtime/system_clock.cc", LOG]),
    "random": (r"s?rand(om)?(_r)?|[dejlmn]rand48|getrandom|getentropy|arc4random\w*"
               r"|_ZNSt13random_device\w+|uuid_\w+",
               ["runtime/uring_loop.cc"]),
    "socket": (r"socket|socketpair|bind|connect|listen|accept4?|shutdown|send|sendto|sendmsg|recv"
               r"|recvfrom|recvmsg|[gs]etsockopt|getaddrinfo|gethostby\w+", []),
    "file": (r"(__)?(open|openat|creat|fopen|freopen)(64)?(_2)?|(__)?(read|pread|preadv2?)(64)?(_chk)?"
             r"|(write|writev|pwrite|pwritev2?)(64)?|fsync|fdatasync|sync|ftruncate(64)?|mmap(64)?"
             r"|l?stat(64|x)?|fstat(at)?(64)?|unlink|rename\w*|mkdir|opendir|ioctl|flock"
             r"|_ZNSt\d+basic_[io]?f(stream|ilebuf)\w+|_ZNSt12__basic_file\w+"
             r"|_ZNSt10filesystem\w+|_ZNSt14basic_[io]?fstream\w+",
             ["runtime/uring_loop.cc", "device/device_file.cc", "config/config_file.cc",
              "crypto/key_ring.cc", "crypto/secret.cc", LOG]),
    "thread": (r"pthread_(create|mutex|cond|rwlock|key|join|detach|spin|barrier|sigmask)\w*"
               r"|_ZNSt6thread\w+|_ZNSt18condition_variable\w+|v?fork|clone|sem_\w+|kill|raise"
               r"|sigaction|signal",
               ["runtime/uring_loop.cc", "embed/engine.cc", LOG]),
    "io_uring": (r"(__)?io_uring_\w+", ["runtime/uring_loop.cc"]),
    "environment": (r"(secure_)?getenv|setenv|environ", [LOG]),
    "exit": (r"abort|_?exit|quick_exit|_Exit", ["base/check.cc", LOG]),
    "shared object": (r"dl(open|sym|close|addr)\w*", ["plugin/plugin_library.cc"]),
}


def room_findings(listing):
    """Findings in the output of nm --undefined-only -A."""
    for line in listing.splitlines():
        match = re.match(r".*libvarve_(\w+)\.a:(.+)\.o:\s+[Uwv] ([^@\s]+)", line)
        if not match:
            continue
        origin = f"{match.group(1)}/{match.group(2)}"
        for what, (pattern, allowed) in TABLE.items():
            if origin not in allowed and re.fullmatch(pattern, match.group(3)):
                yield f"core/{origin}: {what}: calls {match.group(3)}; allowed: {allowed or 'nowhere'}"


def mutant_findings(listing):
    """Findings in the output of nm -A: the switch of core/base/mutant.h, or a use of it."""
    for line in listing.splitlines():
        if re.search(r"active_mutant|N5varve6MutantE", line):
            yield f"a planted bug is left in: {line}"


def nm(options, files):
    """What nm prints; an empty answer is an error, since nothing would then be checked."""
    result = subprocess.run(["nm", "-A", *options, *files], check=True, capture_output=True, text=True)
    if not result.stdout:
        sys.exit(f"symbols: nm printed nothing for {files}")
    return result.stdout


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("rooms", "mutants"):
        sys.exit(__doc__)
    kind, files = sys.argv[1], sys.argv[2:]
    if kind == "rooms":
        findings = list(room_findings(nm(["--undefined-only"], files)))
    else:
        findings = list(mutant_findings(nm([], files)))
    print("\n".join(findings + [f"symbols: {len(findings)} findings in {len(files)} files"]))
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
