"""Limits that this process puts on itself before it sees anybody's code; it can't take them back.

They hold with bubblewrap's walls around them and without.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal

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


def confine(memory: int, cpu: int, output: int) -> None:
    """Give up what users' code does not need.

    Parameters
    ----------
    memory
        Bytes of address space.
    cpu
        Seconds of CPU time.
    output
        Bytes of the largest file that may be written.
    """
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_FSIZE: output,
        resource.RLIMIT_NOFILE: FILES,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        _, most = resource.getrlimit(kind)
        value = value if most == resource.RLIM_INFINITY else min(value, most)
        # The soft one of CPU time is told by a signal; who ignores that has a little more.
        hard = value + GRACE_SECONDS if kind == resource.RLIMIT_CPU else value
        resource.setrlimit(
            kind, (value, hard if most == resource.RLIM_INFINITY else min(hard, most))
        )
    libc = ctypes.CDLL(None, use_errno=True)
    # What is left over when a worker is killed goes with it.
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _filter()


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
