"""Processes, seen through /proc.

The test program makes itself the subreaper of all it starts: whatever detaches itself (the node does) stays below it. So
"every process of this test" is exactly "every descendant of ours", whatever it did to its environment.
"""

import ctypes
import os
import pathlib
import signal
import time

from .build import scaled

TICK = os.sysconf("SC_CLK_TCK")
_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper():
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Process:
    """One line of the process table at one moment."""

    def __init__(self, pid):
        text = pathlib.Path(f"/proc/{pid}/stat").read_text()
        end = text.rindex(")")
        fields = text[end + 2:].split()
        self.pid = pid
        self.name = text[text.index("(") + 1:end]
        self.state = fields[0]
        self.parent, self.group, self.session = int(fields[1]), int(fields[2]), int(fields[3])
        self.ticks = int(fields[11]) + int(fields[12])
        self.threads = int(fields[17])
        self.start = int(fields[19])

    @property
    def zombie(self):
        return self.state in "ZX"

    @property
    def args(self):
        try:
            return pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
        except OSError:
            return []

    @property
    def environ(self):
        try:
            data = pathlib.Path(f"/proc/{self.pid}/environ").read_bytes()
        except OSError:
            return {}
        return dict(v.split("=", 1) for v in data.decode(errors="surrogateescape").split("\0") if "=" in v)

    def __repr__(self):
        return f"<{self.pid} {self.name} {self.state} parent {self.parent} {' '.join(self.args)}>"


def table():
    """{pid: Process} of the machine."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                found[int(entry)] = Process(int(entry))
            except (OSError, ValueError):
                pass  # gone while we looked
    return found


def _children(pid):
    """Numbers of pid's children; the kernel lists them by the thread that made them."""
    found = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as f:
                found += map(int, f.read().split())
    except FileNotFoundError:
        if not _LISTED:
            return [p.pid for p in table().values() if p.parent == pid]
    except ProcessLookupError:
        pass
    return found


_LISTED = os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def descendants(root=None):
    """All processes below root (ours), zombies included."""
    found, todo = [], [root or os.getpid()]
    while todo:
        for pid in _children(todo.pop()):
            p = find(pid)
            if p:
                found.append(p)
                todo.append(pid)
    return found


def find(pid):
    try:
        return Process(pid)
    except (OSError, ValueError):
        return None


def alive(pid):
    p = find(pid)
    return p is not None and not p.zombie


def role(p):
    """What a process is: node programs by their arguments, the agent being the one with --agent."""
    if p.name.startswith("promp-node"):
        return "agent" if "--agent" in p.args else "keeper"
    return p.name


def reap(keep=()):
    """Waits for orphans that came to us and have ended; children in keep belong to somebody who waits himself."""
    for p in descendants():
        if p.zombie and p.parent == os.getpid() and p.pid not in keep:
            try:
                os.waitpid(p.pid, os.WNOHANG)
            except ChildProcessError:
                pass


def wait_until(condition, timeout=10, what="condition", step=0.005):
    """Asks until the answer is true, and returns it; AssertionError when the time is over. timeout in (unscaled) seconds."""
    deadline = time.monotonic() + scaled(timeout)
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {scaled(timeout):g} s: {what() if callable(what) else what}")
        time.sleep(step)


def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def ticks(pid):
    return Process(pid).ticks


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def links(pid):
    """What its descriptors are; those that it closes meanwhile are left out."""
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            found.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            pass
    return found


def resident(pid):
    """Resident memory in bytes."""
    return int(pathlib.Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
