"""What of the runner asks the operating system; it needs Python alone: python -m unittest tests.test_system, in python/."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from fettle_runner import system


class Processes(unittest.TestCase):
    def test_a_process_is_alive_until_it_ends(self) -> None:
        self.assertTrue(system.is_alive(os.getpid()))
        child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
        self.assertTrue(system.is_alive(child.pid))
        child.communicate(b"\n")
        self.assertFalse(system.is_alive(child.pid))

    def test_another_users_process_is_alive(self) -> None:
        if sys.platform == "win32":
            self.skipTest("Windows says it in another way")
        with mock.patch("os.kill", side_effect=PermissionError):
            self.assertTrue(system.is_alive(1))

    @unittest.skipUnless(Path("/proc/self/status").exists(), "Linux says it itself")
    def test_the_peak_is_what_the_kernel_says(self) -> None:
        held = bytearray(64 << 20)
        kib = int(re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())[1])
        self.assertGreater(kib, len(held) // 1024)
        self.assertAlmostEqual(system.peak_rss_mib(), kib / 1024, delta=4)

    @unittest.skipIf(sys.platform == "win32", "there is no getrusage")
    def test_macos_counts_bytes(self) -> None:
        with mock.patch("resource.getrusage", return_value=mock.Mock(ru_maxrss=3 << 20)):
            with mock.patch("sys.platform", "darwin"):
                self.assertEqual(system.peak_rss_mib(), 3)
            with mock.patch("sys.platform", "linux"):
                self.assertEqual(system.peak_rss_mib(), 3 << 10)

    def test_processors_where_nobody_says_which(self) -> None:
        self.assertGreaterEqual(system.processors(), 1)
        with mock.patch.object(os, "sched_getaffinity", create=True):
            del os.sched_getaffinity
            self.assertEqual(system.processors(), os.cpu_count())


class Files(unittest.TestCase):
    def test_a_file_is_synced_and_moved_over_another(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "new").write_text("new")
            (folder / "old").write_text("old")
            system.sync(folder / "new")
            system.sync(folder)
            system.move(folder / "new", folder / "old")
            self.assertEqual((folder / "old").read_text(), "new")
            self.assertFalse((folder / "new").exists())

    def test_windows_is_asked_again_and_others_once(self) -> None:
        path = mock.Mock()
        path.replace.side_effect = [PermissionError, PermissionError, None]
        with mock.patch("sys.platform", "win32"):
            system.move(path, Path("to"))
        self.assertEqual(path.replace.call_count, 3)
        path.replace.side_effect = PermissionError
        with mock.patch("sys.platform", "linux"), self.assertRaises(PermissionError):
            system.move(path, Path("to"))
        self.assertEqual(path.replace.call_count, 4)


if __name__ == "__main__":
    unittest.main()
