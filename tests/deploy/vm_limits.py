"""Runs in the machine: a manager in Python that does to limits of workers what test_vm_limits.py asks for, and prints what came of it
as JSON. Arguments: which, and the node."""

import json
import sys
import time

from Pro.MP import ProManager, ProWorker_All

PATIENCE = 300
MEMORY = 96 << 20

GROUP = """
import pathlib
def group(): return "/sys/fs/cgroup" + pathlib.Path("/proc/self/cgroup").read_text().strip().split(":")[2]
def figure(name): return pathlib.Path(group(), name).read_text().strip()
"""
LIMITS = GROUP + """
def f():
    names = ("memory.max", "memory.swap.max", "memory.oom.group", "cpu.weight", "cpu.max", "pids.max")
    return {"group": group(), **{name: figure(name) for name in names}}
"""
HOG = """
def f():
    print("last words", flush=True)
    kept = []
    while True:
        kept.append(b"x" * (1 << 20))
"""
# Each of them has far less than the limit, all together have more.
TREE = """
import subprocess, sys, time
def f():
    for i in range(4):
        subprocess.Popen([sys.executable, "-c", "x = bytearray(b'1') * (30 << 20)\\nimport time; time.sleep(1000)  # of a tree"])
    time.sleep(1000)
"""
BOMB = """
import os, time
def f():
    for n in range(1000):
        try:
            if os.fork() == 0:
                time.sleep(1000)
        except OSError as why:
            return [n, why.errno]
    return [n, 0]
"""
# Groups of its own, and somebody in the deepest.
BELOW = GROUP + """
import os, subprocess
def f():
    os.makedirs(group() + "/a/b")
    child = subprocess.Popen(["sleep", "1000"])
    pathlib.Path(group(), "a/b/cgroup.procs").write_text(str(child.pid))
    return pathlib.Path(f"/proc/{child.pid}/cgroup").read_text().strip().split(":")[2]
"""
FORK = "import subprocess\ndef f(): return subprocess.run(['true']).returncode"
# On one processor, and both for the same seconds.
BUSY = GROUP + """
import os, time
def f(begin, seconds):
    os.sched_setaffinity(0, {0})
    used = lambda: int(figure("cpu.stat").split()[1])
    while time.time() < begin: pass
    before = used()
    while time.time() < begin + seconds: pass
    return used() - before
"""


class Manager(ProManager):
    def start(self, **what):
        worker = self.startWorker(**what)
        assert worker, self.lastError()
        return worker

    def go(self, worker, source, *args):
        self.evalPythonFunction(worker, source, "f", list(args), True)

    def until_idle(self):
        end = time.monotonic() + PATIENCE
        while self.isBusy():
            assert time.monotonic() < end, "busy for too long"
            self.wait(100)
            self.processMessages()

    def call(self, worker, source, *args):
        self.go(worker, source, *args)
        self.until_idle()
        return self.takeResult(worker)

    def end_of(self, worker):
        end = self.workerExit(worker)
        return {"number": end.number, "signal": end.signal, "cause": end.cause}


def limits(m, on):
    asked = {}, {"memory": MEMORY, "cpus": 2.5}, {"cpus": 1}
    return [m.call(m.start(node=on, **what), LIMITS) for what in asked]


def memory(m, on):
    hog, sibling, free = [m.start(node=on, **what) for what in ({"memory": MEMORY}, {"memory": MEMORY}, {})]
    before = m.call(sibling, FORK)
    m.go(hog, HOG)
    m.until_idle()
    return {"end": m.end_of(hog), "errors": sum(m.takeError(ProWorker_All) is not None for _ in range(3)),
            "siblings": [before, m.call(sibling, FORK), m.call(free, FORK)], "alive": m.workersAlive()}


def tree(m, on):
    parent, sibling = m.start(node=on, memory=MEMORY), m.start(node=on)
    m.go(parent, TREE)
    m.until_idle()
    return {"end": m.end_of(parent), "sibling": m.call(sibling, FORK)}


def bomb(m, on):
    one, sibling = m.start(node=on), m.start(node=on)
    made, errno = m.call(one, BOMB)
    return {"made": made, "errno": errno, "sibling": m.call(sibling, FORK)}


def below(m, on):
    return m.call(m.start(node=on), BELOW)


def shares(m, on):
    workers = [m.start(node=on, cpus=cpus) for cpus in (1, 3)]
    for worker in workers:
        m.call(worker, FORK)
    begin = time.time() + 3
    for worker in workers:
        m.go(worker, BUSY, begin, 8)
    m.until_idle()
    return [m.takeResult(worker) for worker in workers]


def serves(m, on):
    worker = m.start(node=on, memory=MEMORY, cpus=2)
    return [m.call(worker, FORK), m.call(worker, LIMITS)]


with Manager() as manager:
    print(json.dumps(globals()[sys.argv[1]](manager, sys.argv[2])))
