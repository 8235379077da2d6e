#!/usr/bin/env python3
"""Each check finds what it is there for, and is silent about its opposite."""

import unittest

import checks
import cpp_source
import docs
import house

HEADER = "// What it is.\n#pragma once\n"


class Tidy(unittest.TestCase):
    def finds(self, check, files, *parts):
        findings = list(check(files))
        self.assertEqual(len(findings), 1, findings)
        for part in parts:
            self.assertIn(part, findings[0])

    def silent(self, check, files):
        self.assertEqual(list(check(files)), [])

    def test_file_length(self):
        self.silent(checks.length, {"core/map/a.cc": "int a;\n" * 600})
        self.finds(checks.length, {"core/map/a.cc": "int a;\n" * 601}, "601 lines")
        self.finds(checks.length, {"tests/a.py": "a = 1\n" * 601}, "601 lines")

    def test_function_length(self):
        def function(lines):
            return "Task<int> Map::find(int key) const {\n" + "  a();\n" * (lines - 2) + "}\n"
        self.silent(checks.length, {"core/map/a.cc": function(70)})
        self.finds(checks.length, {"core/map/a.cc": function(71)}, "Map::find", "71 lines")
        inside = "namespace varve {\nclass A {\n public:\n" + function(71) + "};\n}\n"
        self.finds(checks.length, {"core/map/a.h": inside}, "71 lines", ":4:")

    def test_columns(self):
        self.silent(checks.length, {"core/map/a.cc": "/" * 100 + "\n"})
        self.finds(checks.length, {"core/map/a.cc": "/" * 101 + "\n"}, "101 columns")

    def test_function_bodies(self):
        source = """
namespace varve {
constexpr int kTable[] = {1, 2, 3};
struct Point { int x = 0; int y{1}; };
Point::Point(int a) : x(a), y{a} {
  if (a) { y = '{'; }
  const char* text = "}}} /* no comment";
}
template <typename T>
Task<void> run(T body, int count = int{3}) {
  auto inner = [&] { return 1; };
}
#define LOOP(x) do { \\
    x; } while (false)
TEST_CASE("braces { in strings") {
  // and } in comments
}
bool operator==(Point a, Point b) { return a.x == b.x; }
Id next() noexcept
{
  return Id{1};
}
}  // namespace varve
"""
        names = [(name, last - first + 1) for first, last, name in cpp_source.functions(source)]
        self.assertEqual(names, [("Point::Point", 4), ("run", 4), ("TEST_CASE", 3),
                                 ("operator==", 1), ("next", 4)])

    def test_strip_keeps_places(self):
        source = 'int a; // open(\n/* rand(\n*/ char b = \'"\'; auto c = R"x(time()")x"; d("e");\n'
        stripped = cpp_source.strip(source)
        self.assertEqual(len(stripped), len(source))
        self.assertEqual(stripped.count("\n"), source.count("\n"))
        for gone in ("open", "rand", "time", "e\""):
            self.assertNotIn(gone, stripped)
        self.assertIn("int a;", stripped)
        self.assertIn("d(", stripped)

    def test_include_order(self):
        files = {"core/base/error.h": HEADER, "core/store/store.h": HEADER,
                 "plugins/abi/plugin.h": "", "plugins/sdk/buffer.h": HEADER,
                 "plugins/nbd/reply.h": HEADER, "core/log/log.h": HEADER}

        def including(path, header):
            return {**files, path: f'#include "{header}"\n'}
        for path, header in [("core/store/a.cc", "core/base/error.h"),
                             ("core/store/a.cc", "core/log/log.h"),
                             ("core/daemon/a.cc", "core/store/store.h"),
                             ("core/volume/a.cc", "plugins/abi/plugin.h"),
                             ("plugins/nbd/a.cc", "plugins/sdk/buffer.h"),
                             ("plugins/nbd/a.cc", "plugins/nbd/reply.h"),
                             ("plugins/sdk/a.h", "plugins/abi/plugin.h"),
                             ("tests/unit/a.cc", "core/store/store.h")]:
            self.silent(checks.include_order, including(path, header))
        for path, header in [("core/base/a.cc", "core/log/log.h"),
                             ("core/log/a.cc", "core/store/store.h"),
                             ("core/config/a.cc", "core/log/log.h"),
                             ("core/store/a.cc", "plugins/abi/plugin.h"),
                             ("plugins/nbd/a.cc", "core/base/error.h"),
                             ("plugins/ublk/a.cc", "plugins/nbd/reply.h"),
                             ("transports/tcp/a.cc", "core/base/error.h"),
                             ("plugins/abi/a.h", "plugins/sdk/buffer.h"),
                             ("core/log/a.cc", "log.h")]:
            self.finds(checks.include_order, including(path, header), path + ":1:", header)
        self.finds(checks.include_order, {"core/misc/a.cc": ""}, "no room")

    def test_every_room_sees_itself_and_no_circle(self):
        for room in house.CORE_ROOMS:
            self.assertIn(room, house.rooms_seen_from(room))
            for below in house.rooms_seen_from(room) - {room}:
                self.assertNotIn(room, house.rooms_seen_from(below))

    def test_heavy_headers(self):
        log = "#include <spdlog/spdlog.h>\n"
        self.silent(checks.heavy_headers, {"core/base/log.cc": log})
        self.silent(checks.heavy_headers, {"tests/unit/a.cc": "#include <nlohmann/json.hpp>\n"})
        self.finds(checks.heavy_headers, {"core/store/a.cc": log}, "core/base")
        self.finds(checks.heavy_headers, {"core/base/log.h": log}, ".cc file")
        self.finds(checks.heavy_headers, {"core/base/a.cc": log, "core/base/b.cc": log}, "2 files")
        json = "#include <nlohmann/json.hpp>\n"
        self.silent(checks.heavy_headers, {"core/cli/a.cc": json, "core/daemon/a.cc": json})

    def test_banned_in_core(self):
        for line, word in [("auto t = std::chrono::steady_clock::now();", "clock.h"),
                           ("clock_gettime(CLOCK_MONOTONIC, &t);", "clock.h"),
                           ("#include <chrono>", "clock.h"),
                           ("int r = rand();", "random.h"),
                           ("#include <random>", "random.h"),
                           ("int s = ::socket(AF_INET, 0, 0);", "service plugin"),
                           ("int f = ::open(path, O_RDWR);", "block_device.h"),
                           ("pwrite(fd, data, 1, 0);", "block_device.h"),
                           ("std::thread t;", "task_group.h"),
                           ("#include <mutex>", "task_group.h"),
                           ("getenv(name);", "TOML"),
                           ("std::abort();", "VARVE_CHECK")]:
            self.finds(checks.banned_in_core, {"core/map/a.cc": line + "\n"}, "a.cc:1:", word)
        for line in ["store.open(name);", "clock.time();", "// rand()", 'text("open(")',
                     "Task<void> timeout(int ms);", "random.below(3);", "map->random();",
                     "uint64_t lifetime(int a);"]:
            self.silent(checks.banned_in_core, {"core/map/a.cc": line + "\n"})
        self.silent(checks.banned_in_core, {"core/embed/a.cc": "#include <mutex>\n"})
        self.silent(checks.banned_in_core, {"core/runtime/system_clock.cc": "clock_gettime(a, b);\n"})
        self.silent(checks.banned_in_core, {"plugins/nbd/a.cc": "int s = socket(1, 2, 3);\n"})

    def test_banned_everywhere(self):
        for line in ["throw 1;", "assert(a);", "dynamic_cast<A*>(b);", "using namespace std;"]:
            self.finds(checks.banned_everywhere, {"plugins/nbd/a.cc": line + "\n"})
        for line in ["static_assert(a);", "// throw it away", "stream.exceptions(0);"]:
            self.silent(checks.banned_everywhere, {"plugins/nbd/a.cc": line + "\n"})
        self.silent(checks.banned_everywhere, {"examples/a.cc": "using namespace varve;\n"})
        sleep = {"tests/unit/a.cc": "std::this_thread::sleep_for(1s);\n"}
        self.finds(checks.banned_everywhere, sleep, "await")

    def test_leftovers(self):
        self.finds(checks.leftovers, {"a.md": "TO" + "DO: more\n"}, "a.md:1:")
        self.finds(checks.leftovers, {"a.cc": "// FIX" + "ME\n"})
        self.finds(checks.leftovers, {"a.cc": "\n" + "<" * 7 + " HEAD\n"}, "a.cc:2:", "conflict")
        self.silent(checks.leftovers, {"a.sh": "mktemp -d /tmp/a.XXXXXX\n"})
        self.silent(checks.leftovers, {"a.md": "Title\n====================\n"})

    def test_whitespace(self):
        self.silent(checks.whitespace, {"a.cc": "a\n\nb\n", "empty.cc": ""})
        self.finds(checks.whitespace, {"a.cc": "a \n"}, "end of the line")
        self.finds(checks.whitespace, {"a.cc": "\ta\n"}, "tab")
        self.finds(checks.whitespace, {"a.cc": "a\r\n"}, "end of the line")
        self.finds(checks.whitespace, {"a.cc": "a"}, "newline")

    def test_guards(self):
        self.silent(checks.guards, {"core/map/a.h": HEADER})
        self.finds(checks.guards, {"core/map/a.h": "// What it is.\n"}, "pragma once")
        self.finds(checks.guards, {"core/map/a.h": "#pragma once\n"}, "what it is")
        self.finds(checks.guards, {"plugins/abi/a.h": HEADER}, "include guard")
        abi = "/* What it is. */\n#ifndef VARVE_A_H\n#define VARVE_A_H\n#endif\n"
        self.silent(checks.guards, {"plugins/abi/a.h": abi, "core/embed/varve.h": abi})
        self.finds(checks.guards, {"core/embed/varve.h": HEADER}, "include guard")

    def test_dead_files(self):
        build = {"core/map/CMakeLists.txt": "varve_room(map SOURCES a.cc)\n"}
        self.silent(checks.dead_files, {**build, "core/map/a.cc": ""})
        self.finds(checks.dead_files, {**build, "core/map/b.cc": ""}, "b.cc", "builds")
        self.finds(checks.dead_files, {**build, "core/map/aa.cc": ""}, "aa.cc", "builds")
        loop = {"tests/fuzz/CMakeLists.txt": "foreach(x a b)\n f(fuzz_${x} ${x}_fuzz.cc)\n"}
        self.silent(checks.dead_files, {**loop, "tests/fuzz/a_fuzz.cc": ""})
        self.finds(checks.dead_files, {**loop, "tests/fuzz/a_test.cc": ""}, "a_test.cc")
        self.finds(checks.dead_files, {**build, "core/log/a.cc": ""}, "core/log/a.cc")
        self.finds(checks.dead_files, {"core/map/a.h": HEADER}, "includes")
        self.silent(checks.dead_files, {**build, "core/map/a.h": HEADER,
                                        "core/map/a.cc": '#include "core/map/a.h"\n'})
        self.finds(checks.dead_files, {"tests/lost.sh": ""}, "names it")
        self.silent(checks.dead_files, {"tests/a.sh": "", "README.md": "tests/a.sh\n"})

    def test_docs(self):
        page = "a\n```sh ci\ntrue\n```\n```sh\nfalse\n```\n`tests/none` `tests/tidy` `a/b`\n"
        page += "[a](README.md) [b](none.md#x) [c](#x) [d](http://none.example)\n"
        self.assertEqual(list(docs.blocks(page)), [(3, "true\n")])
        self.assertEqual(list(docs.missing_paths(page)), ["tests/none", "./none.md"])


if __name__ == "__main__":
    unittest.main(verbosity=0)
