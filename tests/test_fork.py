"""Host programs that fork."""

import os
import signal

import pytest
from support import proc
from support.build import ERR, SANITIZER, TW, scaled


def test_the_child_is_told(worker):
    """In a forked child every call gives FORKED, destroy only closes, and the parent notices nothing."""
    m, w = worker
    m.task(w, "sleep", 200)
    answer = m.fork_calls()
    assert answer["said"] == [ERR["FORKED"]] * 8 and answer["status"] == 0
    m.until("idle")
    assert m.take_result(w) == (True, 0)
    assert m.call(w, "add", 1, 2) == 3


@pytest.mark.skipif(SANITIZER == "thread", reason="the thread sanitizer knows no threads after a fork")
def test_the_child_makes_its_own(worker):
    """A forked child may make a manager of its own, beside its parent's."""
    m, w = worker
    assert m.fork_new(TW)["status"] == 0
    assert m.call(w, "add", 1, 2) == 3


def test_a_child_that_holds_the_socket(world, worker):
    """A forked child that keeps the manager's socket open does not hide the manager's death."""
    m, w = worker
    pid = m.worker_pid(w)
    child = m.fork_hold()["pid"]
    m.begin(w, "deaf")
    os.kill(m.pid, signal.SIGKILL)
    try:
        took = world.wait_gone([pid], 5)
        assert took < scaled(1) and proc.alive(child)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_child_that_holds_the_socket_of_a_destroyed_manager(world, worker):
    """Nor does it keep a destroyed manager, or its node, alive."""
    m, w = worker
    child = m.fork_hold()["pid"]
    try:
        m.quit()
        proc.wait_until(lambda: not world.of_role("keeper"), 10, "the node to end")
    finally:
        os.kill(child, signal.SIGKILL)


def test_many_forks(worker):
    """Forks in quick succession while work goes on."""
    m, w = worker
    for i in range(20):
        m.task(w, "echo", i)
        assert m.fork_calls()["status"] == 0
    m.until("idle")
    assert [m.take_result(w)[1] for _ in range(20)] == list(range(20))
