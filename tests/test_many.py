"""Many of everything: workers, managers, threads; and one that reads nothing."""

import os
import signal

import pytest
from support import proc
from support.build import LIMIT, SANITIZER, TW, scaled
from support.manager import ALL, ANY


def test_64_workers_at_once(world, manager):
    """64 workers start in parallel, all work, all end."""
    m = manager
    ids = m.start(count=64)
    assert len(set(ids)) == 64
    m.check("task", ALL, "info")
    m.until("idle", timeout=60)
    seen = [m.take_result(w)[1] for w in ids]
    assert [s["id"] for s in seen] == ids and len({s["pid"] for s in seen}) == 64
    pids = [s["pid"] for s in seen]
    assert m.destroy()["ms"] < scaled(3000)
    assert not [p for p in pids if proc.alive(p)]


def test_many_tasks_on_many_workers(manager):
    """5,000 tasks for ANY of 8 workers are all done, once each."""
    m = manager
    m.start(count=8)
    m.task(ANY, "add", 20, 22, many=5000)
    m.until("idle", timeout=60)
    for _ in range(5000):
        assert m.result(ANY)["value"] == "i42"
    assert not m.result(ANY)["got"]


@pytest.mark.idle_ms(20000)
def test_managers_one_after_the_other(world):
    """200 managers come and go in one process; the node keeps nothing of them: no descriptor, no process, no memory to speak of."""
    lives = 200 if not SANITIZER else 60
    m = world.manager(new=False)
    m.check("lives", 10, TW, 3, patience=120)
    keeper, agent = world.one("keeper"), world.one("agent")

    def held():
        return [proc.descriptors(keeper.pid), proc.descriptors(agent.pid), m.host()["fds"], m.host()["threads"]]

    before, memory = held(), proc.resident(agent.pid) + proc.resident(keeper.pid)
    answer = m.check("lives", lives - 10, TW, 3, patience=300)
    assert answer["done"] == lives - 10
    # Before, the node may still have held a manager that had just left.
    proc.wait_until(lambda: all(map(int.__le__, held(), before)), 5, lambda: f"descriptors {held()}, before {before}")
    assert proc.resident(agent.pid) + proc.resident(keeper.pid) < memory + (3 << 20) * (8 if SANITIZER else 1)
    assert {p.pid for p in world.living()} == {m.pid, keeper.pid, agent.pid}
    assert not world.foreign_zombies()
    os.kill(keeper.pid, signal.SIGTERM)  # the agent ends with it


@pytest.mark.idle_ms(5000)
def test_processes_one_after_the_other(world):
    """20 processes, each with a manager that is destroyed, or not, by its end; the node stays the same."""
    pids = set()
    for i in range(20):
        m = world.manager()
        assert m.call(m.start(), "add", i, 1) == i + 1
        pids.add(world.one("keeper").pid)
        if i % 2:
            m.send_command("die")
            m.process_.wait(10)
            m.forget()
        else:
            m.quit()
    assert len(pids) == 1
    proc.wait_until(lambda: not world.workers(), 5, "no worker left")


def test_many_managers_in_one_process(world):
    """30 managers of one thread, with a worker each; ids count from 1 in each."""
    m = world.manager(new=False)
    for i in range(30):
        m.use(i)
        assert m.new()["made"]
        assert m.start() == 1
    for i in range(30):
        m.use(i)
        assert m.call(1, "add", i, 1) == i + 1
    m.use(3)
    m.destroy()
    m.use(4)
    assert m.call(1, "add", 1, 1) == 2


def test_managers_in_threads(world):
    """8 threads, each with managers of its own one after the other, at once."""
    m = world.manager(new=False)
    m.check("threads", 8, TW, 4, 20, patience=120)


def test_workers_of_many_processes(world):
    """10 processes with managers at once share one node."""
    ms = [world.manager() for _ in range(10)]
    ids = [m.start() for m in ms]
    for m, w in zip(ms, ids):
        m.task(w, "info")
    for m, w in zip(ms, ids):
        m.until("idle")
        assert m.take_result(w)[1]["id"] == w
    assert len(world.of_role("keeper")) == len(world.of_role("agent")) == 1


def test_one_that_reads_nothing(world):
    """A manager that takes nothing (and one that is stopped) stops no other and loses nothing."""
    idle, honest = world.manager(), world.manager()
    idle.check("set", options=1, timeout=60000)
    idle.check("output", "count")
    a, b = idle.start(count=2)
    idle.task(a, "lines", 150000, 0, 400)  # beyond what the manager keeps unprocessed: 64 MiB
    idle.task(b, "flood", 20000, 1000)
    w = honest.start()
    for i in range(200):
        assert honest.call(w, "add", i, 1) == i + 1
    idle.kill(signal.SIGSTOP)
    for i in range(200):
        assert honest.call(w, "add", i, 1) == i + 1
    idle.kill(signal.SIGCONT)
    idle.until("idle", timeout=60)
    counted = idle.counted()
    assert (counted["records"], counted["wrong"]) == (150000, 0)
    answer = idle.check("drain", b, 20000, 10000)
    assert (answer["count"], answer["wrong"]) == (20000, 0)


def test_node_memory_stays_bounded(world):
    """Managers that are frozen while their workers flood cost the node their share only, not what was sent."""
    m = world.manager()
    m.check("set", timeout=60000)
    ids = m.start(count=4)
    for w in ids:
        m.task(w, "flood", 1000000, 10000)
    m.until("message", ANY)
    agent = world.one("agent").pid
    m.kill(signal.SIGSTOP)
    bound = (4 * 2 * LIMIT["LIMIT_RELAY_SESSION"] + 2 * LIMIT["LIMIT_LINK_WINDOW"] + (32 << 20)) * (4 if SANITIZER else 1)
    before = -1
    for _ in range(200):  # until it has stopped growing
        now = proc.resident(agent)
        assert now < bound
        if now == before:
            break
        before = now
        os.sched_yield()
    m.kill(signal.SIGCONT)
    m.check("abort", ALL, 0)


@pytest.mark.slow
def test_500_workers(world, manager):
    """500 workers of one manager."""
    m = manager
    ids = m.start(count=500, patience=200)
    m.check("task", ALL, "add", tail=" : i1 i2")
    m.until("idle", timeout=200)
    assert sum(m.result(ANY)["got"] for _ in ids) == 500
