"""Direct ways: on one host the frames of a session go straight from manager to worker, and over the node when they cannot."""

import os
import signal
import time

import pytest

from support import proc

MIB = 1 << 20


def ticks_in(pid, seconds):
    """Processor time that a process uses in that time, in ticks of 10 ms."""
    before = proc.ticks(pid)
    time.sleep(seconds)
    return proc.ticks(pid) - before


def test_past_the_node(world):
    """A call needs no agent: it works while the agent is frozen."""
    m = world.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    m.until("time", timeout=0.3, check=False)  # the worker changes its way when all that it sent is acknowledged
    agent = world.one("agent").pid
    os.kill(agent, signal.SIGSTOP)
    try:
        for i in range(20):
            assert m.call(w, "add", i, 2, timeout=2) == i + 2
    finally:
        os.kill(agent, signal.SIGCONT)


def test_over_the_node(world):
    """PROMP_PATH=relay: no call while the agent is frozen, and it is answered afterwards."""
    world.environment["PROMP_PATH"] = "relay"
    m = world.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    agent = world.one("agent").pid
    os.kill(agent, signal.SIGSTOP)
    try:
        m.task(w, "add", 3, 4)
        assert not m.until("idle", timeout=0.3, check=False)["reached"]
    finally:
        os.kill(agent, signal.SIGCONT)
    m.until("idle")
    assert m.take_result(w) == (True, 7)


@pytest.mark.parametrize("path", ["direct", "relay"])
def test_a_way_that_breaks(world, path):
    """Output and results are complete and in order on every way, and when it is cut again and again in the middle."""
    world.environment["PROMP_PATH"] = path
    m = world.manager()
    m.check("set", options=1)
    m.check("output", "show")
    w = m.start()
    cut = 0
    for i in range(20):
        m.task(w, "lines", 400, 1, 200)
        m.task(w, "shut")
        m.task(w, "lines", 400, 1, 200)
        m.task(w, "add", i, 1)
        m.until("idle")
        results = [m.take_result(w)[1] for _ in range(4)]
        assert results[3] == i + 1
        cut += results[1]
    assert (cut > 0) == (path == "direct")
    m.until("idle")
    text = b"".join(text for _, text in m.output())
    assert [int(line.split()[1]) for line in text.splitlines()] == list(range(400)) * 40


@pytest.mark.parametrize("victim", ["agent", "manager"])
def test_killed_in_a_transfer(world, victim):
    """The agent killed while much is on its direct way: nothing is lost; the manager killed: the worker ends."""
    m = world.manager()
    w = m.start()
    pid = m.worker_pid(w)
    m.task(w, "big", 300 * MIB)
    if victim == "manager":
        proc.kill(m.pid)
        world.wait_gone([pid], 10)
        return
    proc.kill(world.one("agent").pid)
    m.until("idle", timeout=60)
    got, value = m.take_result(w)
    assert got and value[0] == 300 * MIB
    assert m.call(w, "add", 1, 2) == 3


def test_no_descriptors_for_it(world):
    """A manager or a worker without descriptors for a direct way does without."""
    m = world.manager()
    m.check("limit", "nofile", len(os.listdir(f"/proc/{m.pid}/fd")) + 1)
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3


def test_leaves_descriptors(world):
    """With more workers than half of the manager's descriptors some go over the node, and the others' descriptors stay free."""
    m = world.manager()
    m.check("limit", "nofile", 60)
    ids = m.start(count=40)
    m.until("ready", "all")
    for w in ids:
        assert m.call(w, "add", w, 2) == w + 2
    assert 20 < proc.descriptors(m.pid) <= 30


@pytest.mark.plain
def test_frozen_manager(world):
    """A worker that floods a manager that does not read waits, and burns nothing meanwhile; then all arrives."""
    m = world.manager()
    m.check("set", options=1)
    m.check("output", "show")
    w = m.start()
    pid, agent = m.worker_pid(w), world.one("agent").pid
    m.task(w, "lines", 2000, 1, 8000)
    os.kill(m.pid, signal.SIGSTOP)
    try:
        for who in (pid, agent):
            proc.wait_until(lambda who=who: ticks_in(who, 0.3) <= 1, 10, "it to wait")
            assert ticks_in(who, 1) <= 3
    finally:
        os.kill(m.pid, signal.SIGCONT)
    m.until("idle", timeout=30)
    assert m.take_result(w)[0]
    m.until("idle")
    text = b"".join(text for _, text in m.output())
    assert [int(line.split()[1]) for line in text.splitlines()] == list(range(2000))
