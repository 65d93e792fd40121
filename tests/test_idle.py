"""What does nothing costs nothing."""

import time

import pytest
from support import proc

SPAN = 3


@pytest.mark.plain
def test_idle_costs_nothing(world):
    """An idle manager, worker, agent and keeper use at most one tick (10 ms) of CPU time each in three seconds."""
    m = world.manager()
    w = m.start()
    pids = {"worker": m.worker_pid(w), "manager": m.pid, "agent": world.one("agent").pid,
            "keeper": world.one("keeper").pid}
    assert m.call(w, "add", 1, 2) == 3
    before = {name: proc.ticks(pid) for name, pid in pids.items()}
    time.sleep(SPAN)
    used = {name: proc.ticks(pid) - before[name] for name, pid in pids.items()}
    assert all(ticks <= 1 for ticks in used.values()), used


@pytest.mark.plain
def test_a_waiting_manager_costs_nothing(world):
    """Likewise while the manager waits for a message that does not come and the worker waits in a task."""
    m = world.manager()
    w = m.start()
    pids = {"worker": m.worker_pid(w), "manager": m.pid}
    m.task(w, "wait_message", -1)
    m.until("busy", w)
    before = {name: proc.ticks(pid) for name, pid in pids.items()}
    m.wait_message(w, SPAN * 1000)
    used = {name: proc.ticks(pid) - before[name] for name, pid in pids.items()}
    assert all(ticks <= 1 for ticks in used.values()), used
