#!/usr/bin/env python3
"""The symbol check finds each kind of call, in its room and outside."""

import unittest

import symbols


def listing(room, member, symbol):
    return f"build/lib/libvarve_{room}.a:{member}.o:                 U {symbol}\n"


class Symbols(unittest.TestCase):
    def test_outside_its_room(self):
        for symbol in ["clock_gettime@GLIBC_2.17", "_ZNSt6chrono3_V212steady_clock3nowEv", "rand",
                       "_ZNSt13random_device9_M_getvalEv", "socket", "recvmsg", "open64", "__open_2",
                       "pwritev2", "fdatasync", "mmap64", "_ZNSt13basic_filebufIcE4openEPKc",
                       "_ZNSt14basic_ifstreamIcSt11char_traitsIcEEC1EPKc", "pthread_create",
                       "_ZNSt6thread15_M_start_threadESt10unique_ptr", "fork", "io_uring_submit",
                       "getenv", "abort", "dlopen"]:
            findings = list(symbols.room_findings(listing("store", "store.cc", symbol)))
            self.assertEqual(len(findings), 1, symbol)
            self.assertIn("core/store/store.cc", findings[0])

    def test_inside_its_room(self):
        for room, member, symbol in [("runtime", "system_clock.cc", "clock_gettime"),
                                     ("device", "device_file.cc", "open64"),
                                     ("runtime", "uring_loop.cc", "io_uring_submit"),
                                     ("plugin", "plugin_library.cc", "dlopen"),
                                     ("embed", "engine.cc", "pthread_mutex_lock"),
                                     ("base", "check.cc", "abort")]:
            self.assertEqual(list(symbols.room_findings(listing(room, member, symbol))), [])

    def test_harmless(self):
        for symbol in ["memcpy", "_Znwm", "_ZN5varve5Store4openEv", "__stack_chk_fail", "strtime",
                       "_ZN5varve6Random4nextEv", "aligned_alloc"]:
            self.assertEqual(list(symbols.room_findings(listing("store", "store.cc", symbol))), [])

    def test_mutants(self):
        self.assertEqual(len(list(symbols.mutant_findings("a.o: U _ZN5varve13active_mutantE\n"))), 1)
        self.assertEqual(list(symbols.mutant_findings("a.o: T _ZN5varve5Store4openEv\n")), [])


if __name__ == "__main__":
    unittest.main(verbosity=0)
