"""The house as data: which room may use which, what each may call, how long things may get.

A room is a folder with one CMake target. ARCHITECTURE.md says what lives where and why.
"""

# Limits. They are met, not approached: a file near them wants a second noun.
FILE_LINES = 600
FUNCTION_LINES = 70
COLUMNS = 100

# room -> the rooms that it names itself; what those use, it may use too.
CORE_ROOMS = {
    "core/base": [],
    "core/runtime": ["core/base"],
    "core/config": ["core/base"],
    "core/format": ["core/base"],
    "core/wire": ["core/base"],
    "core/crypto": ["core/base"],
    "core/device": ["core/runtime", "core/format"],
    "core/log": ["core/device", "core/format"],
    "core/map": ["core/log"],
    "core/cleaning": ["core/map", "core/log"],
    "core/tiering": ["core/map", "core/log"],
    "core/store": ["core/cleaning", "core/tiering"],
    "core/embed": ["core/store"],
    "core/plugin": ["core/runtime", "core/config", "plugins/abi"],
    "core/net": ["core/plugin", "core/wire"],
    "core/cluster": ["core/net", "core/format"],
    "core/replication": ["core/store", "core/cluster"],
    "core/volume": ["core/store", "core/plugin", "core/replication", "core/crypto"],
    "core/daemon": ["core/volume", "plugins/tls"],
    "core/cli": ["core/daemon"],
}
OTHER_ROOMS = {
    "plugins/abi": [],
    "plugins/sdk": ["plugins/abi"],
    "plugins/tls": ["plugins/sdk"],
    "csi": ["plugins/sdk"],
}
# Every folder below these is a room of its own, which sees only the SDK and TLS.
PLUGIN_PARENTS = ["plugins", "transports"]
# These may include anything.
OPEN_ROOMS = ["tests", "examples"]
# Headers in C, read by any compiler: include guards, and C11 that compiles alone.
C_HEADERS = ["plugins/abi/", "core/embed/varve.h"]


def room_of(path):
    """The room that a source file belongs to, or None outside the house."""
    parts = path.split("/")
    if parts[0] in OPEN_ROOMS or parts[0] == "csi":
        return parts[0]
    return "/".join(parts[:2]) if len(parts) > 2 else None


def rooms_seen_from(room):
    """Every room whose headers `room` may include, itself included; None for an unknown room."""
    direct = {**CORE_ROOMS, **OTHER_ROOMS}
    if room not in direct:
        if room is None or room.split("/")[0] not in PLUGIN_PARENTS:
            return None
        return {room} | rooms_seen_from("plugins/tls")
    seen, waiting = set(), [room]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting += direct[name]
    return seen


# Headers that cost seconds to compile: each stays behind the .cc files that match the pattern, and
# behind one in each folder.
HEAVY_HEADERS = {
    r"spdlog/": r"core/base/",
    r"toml\+\+/|toml\.hpp": r"core/config/",
    r"httplib\.h": r"core/(daemon|cli)/",
    r"nlohmann/": r"core/(daemon|cli)/",
    r"CLI/": r"core/cli/",
    r"boost/asio": r"transports/tcp/",
    r"infiniband/|rdma/": r"transports/rdma/",
    r"sqlite3\.h": r"plugins/metadata_sqlite/",
    r"grpc|google/protobuf": r"(plugins/metadata_etcd|csi)/",
    r"liburing\.h": r"core/(runtime|device)/",
    r"openssl/": r"(core/crypto|plugins/tls)/",
}
# These may sit in several files of their folder.
MANY_FILES_ALLOWED = [r"boost/asio", r"infiniband/|rdma/", r"grpc|google/protobuf", r"liburing\.h",
                      r"openssl/"]


class Ban:
    """What only some files of core may include or call, and what the others use instead."""

    def __init__(self, what, headers, calls, allowed, instead):
        self.what, self.headers, self.calls = what, headers, calls
        self.allowed, self.instead = allowed, instead


# A call is a name at its beginning: not a member, not part of a longer name.
CALL = r"(?<![\w.>:])(?:::|std::)?"
# The two programs and what they say to the world are no part of the simulator.
PROGRAMS = r"core/(daemon|cli)/"
# Where threads of an embedding program hand requests to the engine's.
EMBED = r"core/embed/"

CORE_BANS = [
    Ban("clock", ["chrono", "ctime", "time.h", "sys/time.h"],
        rf"{CALL}(clock_gettime|gettimeofday|nanosleep|usleep|sleep|time)\s*\(|_clock::now",
        [r"core/runtime/system_clock\.cc", PROGRAMS], "core/runtime/clock.h"),
    Ban("random", ["random", "sys/random.h"],
        rf"{CALL}(rand|srand|random|getrandom|getentropy|arc4random)\s*\(|random_device|mt19937",
        [r"core/runtime/uring_loop\.cc"], "core/runtime/random.h"),
    Ban("socket", ["sys/socket.h", "sys/un.h", "netinet/in.h", "netinet/tcp.h", "arpa/inet.h",
                   "netdb.h"],
        rf"{CALL}(socket|accept4|recvmsg|sendmsg|getaddrinfo)\s*\(",
        [r"core/config/ip_network\.cc", PROGRAMS], "a service plugin"),
    Ban("file", ["fstream", "filesystem", "fcntl.h", "sys/stat.h", "sys/mman.h", "sys/file.h",
                 "cstdio", "stdio.h", "iostream"],
        rf"(?<![\w>])::open\s*\(|{CALL}(openat|fopen|pread|pwrite|preadv2?|pwritev2?|fsync|fdatasync|mmap)\s*\(",
        [r"core/device/", r"core/config/config_file\.cc", r"core/base/(check|log)\.cc",
         r"core/crypto/(key_ring|secret)\.cc", r"core/plugin/plugin_host\.cc", PROGRAMS],
        "core/device/block_device.h"),
    Ban("thread", ["thread", "mutex", "shared_mutex", "condition_variable", "future", "atomic",
                   "pthread.h", "semaphore", "barrier", "latch"],
        rf"std::j?thread\b|{CALL}(pthread_\w+|fork|vfork)\s*\(",
        [r"core/runtime/uring_loop\.cc", EMBED, PROGRAMS], "a task of core/runtime/task_group.h"),
    Ban("environment", [], rf"{CALL}(getenv|secure_getenv|setenv)\s*\(",
        [PROGRAMS], "the node's TOML"),
    Ban("exit", [], rf"{CALL}(abort|exit|_exit|quick_exit)\s*\(",
        [r"core/base/check\.cc", PROGRAMS], "a Status, or VARVE_CHECK"),
]

# In every C++ file: pattern -> what to use instead.
BANNED_EVERYWHERE = {
    r"\bthrow\b(?!\s*\(\s*\))": "a Status (core/base/error.h)",
    r"(?<![\w.])assert\s*\(": "VARVE_CHECK, which is always on",
    r"\bdynamic_cast\b|\btypeid\s*\(": "a virtual function",
}
# Outside tests and examples, which use the project as its users do.
BANNED_IN_PRODUCT = {
    r"\busing\s+namespace\b": "the name with its namespace",
}
# In C++ tests besides.
BANNED_IN_TESTS = {
    r"\bsleep_for\b|\bsleep_until\b|\busleep\s*\(|\bnanosleep\s*\(": "an event to await",
}
