"""Where a secret of a program could be seen by others: command line, environment, memory, a core file."""

import os
import pathlib
import resource
import signal
import subprocess

from . import proc


def told(pids):
    """What command lines and environments of these processes tell everybody, or their own user."""
    return "".join(pathlib.Path(f"/proc/{pid}/{name}").read_text(errors="replace") for pid in pids for name in ("cmdline", "environ"))


def crash(pid):
    """Ends a process in a way that makes a core file wherever one may be made, however small its limit was where we may raise it."""
    try:
        resource.prlimit(pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    except PermissionError:  # the hard limit is 0, and not for us to change
        pass
    os.kill(pid, signal.SIGABRT)


def dumped(process):
    """Waits for a child that crashes: whether the kernel wrote a core file of it."""
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == -signal.SIGABRT, process.returncode
    return os.WCOREDUMP(status)


def cores_are_made(folder):
    """Whether this system writes core files at all: into the folder where a process is."""
    process = subprocess.Popen(["/bin/sleep", "60"], cwd=folder)
    proc.wait_until(lambda: proc.find(process.pid).name == "sleep", 5, "sleep to run")
    crash(process.pid)
    made = dumped(process)
    for path in cores(folder):
        path.unlink()
    return made


def cores(folder):
    return list(pathlib.Path(folder).rglob("core*"))
