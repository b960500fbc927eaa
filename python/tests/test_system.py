"""What of the runner asks the operating system; it needs Python alone: python -m unittest tests.test_system, in python/."""

from __future__ import annotations

import os
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

    @unittest.skipIf(sys.platform == "win32", "it needs a fork")
    def test_the_peak_is_the_process_own(self) -> None:
        held = bytearray(200 << 20)
        # Of which the process that is started would have all, by getrusage of Linux.
        asked = [sys.executable, "-c", "from fettle_runner import system; print(system.peak_rss_mib())"]
        theirs = float(subprocess.run(asked, capture_output=True, check=True, text=True).stdout)
        self.assertGreater(system.peak_rss_mib(), len(held) >> 20)
        self.assertTrue(2 < theirs < 150, theirs)

    @unittest.skipIf(sys.platform == "win32", "there is no getrusage")
    def test_macos_counts_bytes_and_others_kib(self) -> None:
        with mock.patch("resource.getrusage", return_value=mock.Mock(ru_maxrss=3 << 20)):
            with mock.patch.object(Path, "exists", return_value=False):
                with mock.patch("sys.platform", "darwin"):
                    self.assertEqual(system.peak_rss_mib(), 3)
                with mock.patch("sys.platform", "freebsd"):
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
