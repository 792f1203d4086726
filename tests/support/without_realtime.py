"""
Run a Python program whose EPICS threads cannot ask for real-time scheduling.

Started by root, EPICS threads run SCHED_FIFO and starve everything else on a small machine. This
program gives up CAP_SYS_NICE, for itself and for whatever it starts, before the EPICS libraries
are loaded. It stands alone: it is started by its path and imports nothing of the tests.

Usage: ``python without_realtime.py FILE [ARGUMENT ...]`` or ``... -c SOURCE [ARGUMENT ...]``
"""

from __future__ import annotations

import ctypes
import runpy
import sys

CAP_SYS_NICE = 23
PR_CAPBSET_DROP = 24
CAPABILITY_VERSION_3 = 0x2008_0522


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Data(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop_sys_nice() -> None:
    """Give up the right to real-time scheduling (Linux; elsewhere there is nothing to do)."""
    if sys.platform != "linux":
        return
    import resource

    libc = ctypes.CDLL(None, use_errno=True)
    resource.setrlimit(resource.RLIMIT_RTPRIO, (0, 0))
    libc.prctl(PR_CAPBSET_DROP, CAP_SYS_NICE, 0, 0, 0)  # refused when not root: nothing to drop
    header = _Header(CAPABILITY_VERSION_3, 0)
    data = (_Data * 2)()
    if libc.capget(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), "capget failed")
    keep = ~(1 << CAP_SYS_NICE) & 0xFFFF_FFFF
    data[0].effective &= keep
    data[0].permitted &= keep
    data[0].inheritable &= keep
    if libc.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), "capset failed")


def main() -> None:
    drop_sys_nice()
    if sys.argv[1] == "-c":
        source = sys.argv[2]
        sys.argv = ["-c", *sys.argv[3:]]
        exec(compile(source, "<client program>", "exec"), {"__name__": "__main__"})
    else:
        sys.argv = sys.argv[1:]
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
