"""The memory and descriptors that this process holds. It needs Linux, and glibc for the count of the heap."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from dataclasses import dataclass
from pathlib import Path

_NAMES = (
    "arena",
    "ordblks",
    "smblks",
    "hblks",
    "hblkhd",
    "usmblks",
    "fsmblks",
    "uordblks",
    "fordblks",
    "keepcost",
)


class _Mallinfo2(ctypes.Structure):
    """`struct mallinfo2` of malloc.h."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _NAMES)


@dataclass(frozen=True)
class Held:
    """What a process holds after garbage was collected and free memory given back."""

    resident: int
    """Bytes of memory."""
    heap: int | None
    """Bytes that were allocated and not freed; None if the C library does not count them."""
    blocks: int
    """Small objects of Python's own allocator."""
    descriptors: int


def resident() -> int:
    """Bytes of resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int:
    """How many descriptors are open, without the one that is needed to count them."""
    return len(os.listdir("/proc/self/fd")) - 1


def held() -> Held:
    """Collect garbage, give back free memory, and count the rest."""
    gc.collect()
    libc = ctypes.CDLL(None)
    heap = None
    if hasattr(libc, "malloc_trim") and hasattr(libc, "mallinfo2"):
        libc.malloc_trim(0)
        libc.mallinfo2.restype = _Mallinfo2
        found = libc.mallinfo2()
        heap = found.uordblks + found.hblkhd
    return Held(resident(), heap, sys.getallocatedblocks(), descriptors())
