"""Step down to an account, tie the program's life to our caller's, and become the program.

Run as `python -I -S launcher.py PARENT UID GID SIGNAL PROGRAM ARGUMENTS...` and never imported. A
process of its own instead of `preexec_fn`, which is unsafe (and warned about) among threads. It
steps down itself because the kernel forgets the death signal when the user changes.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
FAILED = 127


def main() -> None:
    """Become the program, or say on stderr why not."""
    parent, uid, gid, death_signal = (int(number) for number in sys.argv[1:5])
    libc = ctypes.CDLL(None)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    libc.prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0)
    if os.getppid() != parent:  # It died before we asked to be told.
        sys.exit(FAILED)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    try:
        os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 - the point: no shell
    except OSError as error:
        sys.exit(f"cannot run {sys.argv[5]}: {error}")


if __name__ == "__main__":
    main()
