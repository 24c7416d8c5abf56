"""The vision process's cage: read frames from one pipe, write counts to another, nothing else.

Built after everything is loaded and warmed up: a filter set too early makes libraries fail in
silence and the street look empty. What isn't listed kills the process at once (SIGSYS), for a
refused call that is merely an error may go unnoticed. Namespaces are added where the host allows.
"""

import ctypes
import os
import resource
from pathlib import Path

import pyseccomp as seccomp

from edge.errors import SensorError

PR_SET_DUMPABLE = 4
PR_SET_NO_NEW_PRIVS = 38
CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
PROT_EXEC = 4

# Memory, time, waiting, leaving. No call here opens, connects, starts or names anything.
PLAIN_CALLS = (
    *("brk", "munmap", "mremap", "madvise"),
    *("futex", "sched_yield", "restart_syscall", "rt_sigreturn", "rt_sigprocmask", "sigaltstack"),
    *("clock_gettime", "clock_getres", "clock_nanosleep", "nanosleep", "gettimeofday", "time"),
    *("poll", "ppoll", "close", "getpid", "gettid", "getrandom", "sched_getaffinity"),
    *("exit", "exit_group"),
)


class NoSandbox(SensorError):
    """The cage can't be built here, so nothing is counted."""

    state = "no_sandbox"


def lock_down(frames_fd: int, reports_fd: int, *, leaks: tuple[str, ...] = ()) -> bool:
    """Close the cage for good; returns whether the host allowed namespaces as well.

    Args:
        frames_fd: The only descriptor that may still be read.
        reports_fd: The only one that may still be written.
        leaks: Calls allowed on top, for `privacy-check` to prove that it would notice.
    """
    isolated = leave_network()
    limit_resources()
    close_others({frames_fd, reports_fd})
    set_filter(frames_fd, reports_fd, leaks)
    return isolated


def leave_network() -> bool:
    """Enter empty network, IPC and user namespaces; False where the host forbids it."""
    libc = ctypes.CDLL(None, use_errno=True)
    spaces = CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWIPC
    return int(libc.unshare(spaces)) == 0


def limit_resources() -> None:
    """No core dump (it would hold frames), no file of any size, no new privileges."""
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(limit, (0, 0))
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_DUMPABLE, 0), (PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0):
            raise NoSandbox(f"prctl {option} failed with errno {ctypes.get_errno()}")


def close_others(kept: set[int]) -> None:
    """Close every descriptor but the two pipes; standard output and error lead nowhere."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for fd in {0, 1, 2} - kept:
        os.dup2(nowhere, fd)
    for entry in list(Path("/proc/self/fd").iterdir()):
        fd = int(entry.name)
        if fd > 2 and fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue  # the listing's own descriptor


def set_filter(frames_fd: int, reports_fd: int, leaks: tuple[str, ...] = ()) -> None:
    """Kill the process on any system call that isn't allowed here."""
    try:
        cage = seccomp.SyscallFilter(seccomp.KILL_PROCESS)
        add_rules(cage, frames_fd, reports_fd, leaks)
        cage.load()
    except (OSError, RuntimeError) as error:
        raise NoSandbox(f"seccomp filter can't be set: {error}; is libseccomp2 there?") from error


def add_rules(
    cage: seccomp.SyscallFilter, frames_fd: int, reports_fd: int, leaks: tuple[str, ...] = ()
) -> None:
    """What is allowed, by name: the library finds the numbers, which differ between processors.

    A call that a processor doesn't have (`time` and `poll` on arm64) adds nothing there.
    """
    for name in (*PLAIN_CALLS, *leaks):
        cage.add_rule(seccomp.ALLOW, name)
    for name in ("read", "readv"):
        cage.add_rule(seccomp.ALLOW, name, seccomp.Arg(0, seccomp.EQ, frames_fd))
    cage.add_rule(seccomp.ALLOW, "write", seccomp.Arg(0, seccomp.EQ, reports_fd))
    # Memory, but never memory that can be run: code can't be brought in by a picture.
    for name in ("mmap", "mprotect"):
        no_code = seccomp.Arg(2, seccomp.MASKED_EQ, PROT_EXEC, 0)
        cage.add_rule(seccomp.ALLOW, name, no_code)
