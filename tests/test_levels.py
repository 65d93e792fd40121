"""Workers that are managers: levels, output and failures across them, and what ends when the middle dies."""

import os
import signal

from support import proc
from support.build import ERR, scaled


def chain(value):
    """[(level, pid), ...] of a nested result."""
    found = []
    while value is not None:
        assert isinstance(value, list), f"a level failed: {value!r}"
        found.append((value[0], value[1]))
        value = value[2]
    return found


def test_five_levels(worker):
    """Five processes, one below the other, each with its own level, and the lowest result comes up."""
    m, w = worker
    assert m.set()["level"] == 0
    found = chain(m.call(w, "nest", 4, "", timeout=30))
    assert [level for level, _ in found] == [1, 2, 3, 4, 5]
    assert len({pid for _, pid in found}) == 5


def test_levels_end_with_their_manager(world, worker):
    """After the task only the first worker is left; each level's manager ended its own."""
    m, w = worker
    found = chain(m.call(w, "nest", 3, "", timeout=30))
    world.wait_gone([pid for _, pid in found[1:]], 2)
    assert proc.alive(found[0][1])


def test_output_is_forwarded(noisy):
    """What the lowest level prints, or writes natively, comes up level by level, once."""
    m = noisy
    w = m.start()
    for how in ("forward", "own"):
        m.call(w, "nest", 3, "print", how, timeout=30)
        proc.wait_until(lambda: (m.process(), m.events)[1], 10, "output of the bottom")
        assert b"".join(t for _, t in m.output()) == b"from the bottom\n"
        m.call(w, "nest", 3, "native", how, timeout=30)
        proc.wait_until(lambda: (m.process(), m.events)[1], 10, "native output of the bottom")
        assert b"".join(t for _, t in m.output()) == b"native from the bottom\n"


def test_death_at_the_bottom(worker):
    """The end of the lowest worker is told to its manager only, in words."""
    m, w = worker
    value = m.call(w, "nest", 2, "exit", timeout=30)
    words = value[2][2]
    assert isinstance(words, str) and "77" in words
    assert m.state(w)["alive"]


def deep_sleep(world, m, w):
    """A chain of four that sleeps; pids by level."""
    m.task(w, "nest", 3, "sleep")
    proc.wait_until(lambda: len(world.workers()) == 4, 20, lambda: f"four workers: {world.living()}")
    return sorted(p.pid for p in world.workers())


def test_death_of_the_middle(world, worker):
    """When a worker in the middle is killed everything below it ends, above it one failure is reported."""
    m, w = worker
    pids = deep_sleep(world, m, w)
    os.kill(pids[1], signal.SIGKILL)
    took = world.wait_gone(pids[1:], 5)
    assert took < scaled(1), took
    m.until("idle")
    got, value = m.take_result(w)
    assert got and "9" in value[2], value
    assert proc.alive(pids[0])


def test_death_of_the_first(world, worker):
    """When the first worker is killed the whole chain ends."""
    m, w = worker
    pids = deep_sleep(world, m, w)
    os.kill(pids[0], signal.SIGKILL)
    assert world.wait_gone(pids, 5) < scaled(1)
    assert m.end(w)["signal"] == 9
    assert m.take_error(w)["code"] in (ERR["OUTCOME_UNKNOWN"], ERR["WORKER_SIGNALLED"])


def test_death_of_the_root(world, worker):
    """When the root manager is killed all levels end within a second."""
    m, w = worker
    pids = deep_sleep(world, m, w)
    m.kill()
    assert world.wait_gone(pids, 5) < scaled(1)


def test_stop_of_a_nested_task(world, worker):
    """Stop of the first worker ends the chain in good order."""
    m, w = worker
    pids = deep_sleep(world, m, w)
    m.check("stop", w)
    m.end(w, timeout=10)
    world.wait_gone(pids, 5)


def test_two_chains(manager):
    """Two workers with chains of their own do not mix."""
    m = manager
    ids = m.start(count=2)
    for w in ids:
        m.task(w, "nest", 2, "")
    m.until("idle", timeout=30)
    results = [chain(m.take_result(w)[1]) for w in ids]
    assert [len(r) for r in results] == [3, 3]
    assert len({pid for r in results for _, pid in r}) == 6
