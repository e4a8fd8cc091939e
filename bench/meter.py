"""CPU time and memory of other processes, as the kernel counts them."""

import os
import time
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return what a process has used in all its threads.

    Its CPU clock (see clock_getcpuclockid) is utime + stime of /proc/<pid>/stat, in nanoseconds
    instead of ticks of ten milliseconds.
    """
    return time.clock_gettime(~pid << 3 | 2)


def tree_cpu_seconds(pid: int) -> float:
    """Return what a process and its children have used, those that have ended included."""
    spent = cpu_seconds(pid) + _reaped_seconds(pid)
    for child in (_PROC / f"{pid}/task/{pid}/children").read_text().split():
        try:
            spent += cpu_seconds(int(child))
        except OSError:  # It ended in this moment: from now on it counts among the reaped.
            continue
    return spent


def resident_mib(pid: int) -> float:
    """Return the memory that a process holds."""
    pages = int((_PROC / f"{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _reaped_seconds(pid: int) -> float:
    """Read cutime and cstime, the 16th and 17th field; a name may hold spaces and brackets."""
    fields = (_PROC / f"{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS
