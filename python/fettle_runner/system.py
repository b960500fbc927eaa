"""What operating systems have different words for: processes, their memory, processors, files. It imports no torch."""

from __future__ import annotations

import ctypes
import os
import re
import sys
import time
from pathlib import Path

# Of Windows' headers.
SYNCHRONIZE, WAIT_TIMEOUT, ERROR_ACCESS_DENIED = 0x00100000, 0x102, 5


def is_alive(pid: int) -> bool:
    """Whether there is such a process on this machine."""
    if sys.platform == "win32":
        return _is_alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # Another user's.
        return True
    return True


def _is_alive_on_windows(pid: int) -> bool:
    # Not os.kill(pid, 0): there 0 is Ctrl-C, sent to all that share the console.
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.OpenProcess.restype = ctypes.c_void_p
    kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    handle = kernel.OpenProcess(SYNCHRONIZE, False, pid)
    if not handle:
        return ctypes.get_last_error() == ERROR_ACCESS_DENIED
    try:
        # A process that has ended is there as long as somebody has a handle of it.
        return kernel.WaitForSingleObject(handle, 0) == WAIT_TIMEOUT
    finally:
        kernel.CloseHandle(handle)


def peak_rss_mib() -> float:
    """The most memory that this process had at once."""
    if sys.platform == "win32":
        return _peak_on_windows() / 2**20
    # Linux' getrusage counts what the process had whose place this one took: Node's, which started it.
    status = Path("/proc/self/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) / 1024
    import resource

    # Bytes on macOS, KiB elsewhere.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


class _MemoryCounters(ctypes.Structure):
    """PROCESS_MEMORY_COUNTERS."""

    _fields_ = [("cb", ctypes.c_uint32), ("page_faults", ctypes.c_uint32), ("peak_working_set", ctypes.c_size_t),
                *((f"other_{i}", ctypes.c_size_t) for i in range(7))]


def _peak_on_windows() -> int:
    kernel = ctypes.WinDLL("kernel32")
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.K32GetProcessMemoryInfo.argtypes = [ctypes.c_void_p, ctypes.POINTER(_MemoryCounters), ctypes.c_uint32]
    counters = _MemoryCounters(cb=ctypes.sizeof(_MemoryCounters))
    if not kernel.K32GetProcessMemoryInfo(kernel.GetCurrentProcess(), ctypes.byref(counters), counters.cb):
        return 0
    return int(counters.peak_working_set)


def processors() -> int:
    """Those that this process may use; Windows and macOS do not say which, but how many there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def sync(path: Path) -> None:
    """Waits until a file or a folder is on its disk. Windows syncs files only, and those only that may be written."""
    if sys.platform != "win32":
        descriptor = os.open(path, os.O_RDONLY)
    elif path.is_dir():
        return
    else:
        descriptor = os.open(path, os.O_RDWR | os.O_BINARY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def move(path: Path, to: Path) -> None:
    """Renames, also over a file. Windows refuses that as long as another program has the one or the other open: for five seconds it is tried again."""
    until = time.monotonic() + 5
    while True:
        try:
            path.replace(to)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() > until:
                raise
            time.sleep(0.05)
