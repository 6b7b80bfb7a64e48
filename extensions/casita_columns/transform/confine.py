"""Limits that this process puts on itself before it sees anybody's code; it can't take them back.

They hold with bubblewrap's walls around them and without.
"""

from __future__ import annotations

import ctypes
import math
import os
import resource
import signal
import time

PR_SET_PDEATHSIG = 1
PR_SET_NO_NEW_PRIVS = 38
CLONE_THREAD = 0x00010000
EPERM, ENOSYS = 1, 38
FILES = 256
GRACE_SECONDS = 5
REFUSED = (
    *("fork", "vfork", "execve", "execveat"),
    *("connect", "bind", "listen", "accept", "accept4"),
    *("ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd", "pidfd_open"),
    *("mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "move_mount", "open_tree"),
    *(
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "keyctl",
        "add_key",
        "request_key",
    ),
    *("init_module", "finit_module", "delete_module", "kexec_load", "reboot", "swapon", "quotactl"),
    *("creat", "truncate", "memfd_create", "memfd_secret"),
    *("kill", "tkill", "setpriority", "sched_setscheduler", "shmget", "mq_open"),
)
"""System calls that reading and computing never make."""


def confine(memory: int, cpu: int, output: int, processes: int = 0) -> None:
    """Give up what users' code does not need.

    Parameters
    ----------
    memory
        Bytes of address space.
    cpu
        Seconds of CPU time for one file; see :func:`allow`.
    output
        Bytes of the largest file that may be written.
    processes
        Of this user, with threads, where no other program is counted; 0: any number.
    """
    limits = {
        resource.RLIMIT_AS: memory,
        # A file may have its own, whatever those before it took: as much again.
        resource.RLIMIT_CPU: _used() + 2 * cpu + GRACE_SECONDS,
        resource.RLIMIT_FSIZE: output,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_CORE: 0,
    }
    if processes:
        limits[resource.RLIMIT_NPROC] = processes
    for kind, value in limits.items():
        most = _lower(value, resource.getrlimit(kind)[1])
        resource.setrlimit(kind, (most, most))
    allow(cpu)
    libc = ctypes.CDLL(None, use_errno=True)
    # What is left over when a worker is killed goes with it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _filter()


def allow(cpu: int) -> None:
    """Let this process have so many seconds of CPU time from now on.

    A signal tells that they are over; who ignores that may use what it may have at all.
    """
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (_lower(_used() + cpu, most), most))


def _used() -> int:
    return math.ceil(time.process_time())


def _lower(value: int, most: int) -> int:
    return value if most == resource.RLIM_INFINITY else min(value, most)


def _filter() -> None:
    """Refuse system calls, by libseccomp where that is installed (seccomp(2)).

    A process may start threads and no others; whatever program or address it names, it gets EPERM.
    """
    try:
        import pyseccomp as seccomp
    except (ImportError, RuntimeError, OSError):
        return
    rules = seccomp.SyscallFilter(defaction=seccomp.ALLOW)
    for name in REFUSED:
        try:
            rules.add_rule(seccomp.ERRNO(EPERM), name)
        except (ValueError, OSError, RuntimeError):
            continue  # this machine has no such call
    # Its flags lie in memory, where no filter can see them: C libraries go back to clone().
    rules.add_rule(seccomp.ERRNO(ENOSYS), "clone3")
    # Nothing is opened to write: an open file could be opened again, by /proc/self/fd.
    for name, argument in (("open", 1), ("openat", 2)):
        for mode in (os.O_WRONLY, os.O_RDWR):
            writing = seccomp.Arg(argument, seccomp.MASKED_EQ, os.O_ACCMODE, mode)
            rules.add_rule(seccomp.ERRNO(EPERM), name, writing)
    rules.add_rule(seccomp.ERRNO(ENOSYS), "openat2")
    thread = seccomp.Arg(0, seccomp.MASKED_EQ, CLONE_THREAD, 0)
    rules.add_rule(seccomp.ERRNO(EPERM), "clone", thread)
    rules.load()
