"""Free memory of this machine, work that is refused because it would not fit, and kept pages."""

import ctypes
import os
from pathlib import Path

from semanir.errors import InputError


def free_memory() -> int:
    """Bytes that a process can still take; no more than a container or job may have."""
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    for line in _read("/proc/meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            free = 1024 * int(line.split()[1])
    group = Path("/sys/fs/cgroup")
    limit, used = (_read(group / f"memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        free = min(free, int(limit) - int(used))
    return max(free, 0)


def check_memory(needed: float, pixels: int, what: str) -> None:
    """Raise InputError that tells both if `what`, of so many pixels, needs more than is free."""
    free = free_memory()
    if needed > free:
        raise InputError(
            f"{what} of {pixels / 1e6:.1f} megapixels needs {needed / 1e6:.0f} MB of memory, "
            f"{free / 1e6:.0f} MB are free; free some, or cut the picture into parts"
        )


def keep_freed_memory() -> None:
    """Have glibc keep what is freed, for a process that allocates the same again and again.

    By default it asks the system for each large array anew, zeroed: half the time of restoring
    where pages are slow to come, as in a virtual machine. Other C libraries are left as they are.
    """
    mmap_threshold, trim_threshold = -3, -1  # of malloc.h
    if library := glibc():
        # versions before 2.35 take no more than the second
        any(library.mallopt(mmap_threshold, 1 << bits) for bits in (30, 25))
        library.mallopt(trim_threshold, (1 << 31) - 1)


def give_back_freed_memory() -> None:
    """Have glibc return what is freed to the system, so that the process holds what it uses."""
    if library := glibc():
        library.malloc_trim(0)


def glibc() -> ctypes.CDLL | None:
    """The C library of this process, None where it is another one: musl, those of other systems."""
    library = ctypes.CDLL(None) if os.name == "posix" else None
    return library if hasattr(library, "gnu_get_libc_version") else None


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
