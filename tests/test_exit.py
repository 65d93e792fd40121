"""How workers end and what their manager is told: code, signal, memory, stop, node lost."""

import os
import signal

import pytest
from support import proc
from support.build import ERR, scaled
from support.manager import ALL, ANY, TW


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code(worker, code):
    """The exit code of a worker that leaves in the middle of a task; the task's outcome is unknown."""
    m, w = worker
    m.task(w, "exit", code)
    end = m.end(w)
    assert (end["cause"], end["code"], end["signal"]) == ("WORKER_EXITED", code, 0) and str(code) in end["text"]
    assert (end["lost"], end["unsure"]) == (0, 0)  # all that it had said is here, and that is certain
    assert end["memory"] > 100000
    error = m.take_error(w)
    assert error["task"] == 1 and error["code"] in (ERR["OUTCOME_UNKNOWN"], ERR["WORKER_EXITED"]) and error["text"]


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL, signal.SIGTERM, signal.SIGPIPE])
def test_signal(worker, number):
    """The signal that ended a worker, by number and in words."""
    m, w = worker
    m.task(w, "signal", int(number))
    end = m.end(w)
    assert (end["cause"], end["signal"]) == ("WORKER_SIGNALLED", number)
    assert (end["lost"], end["unsure"]) == (0, 0)
    assert str(int(number)) in end["text"] or number.name in end["text"]
    assert m.take_error(w)


def test_signal_from_outside(worker):
    """A worker killed by somebody else while it idles: told without anybody asking."""
    m, w = worker
    os.kill(m.worker_pid(w), signal.SIGKILL)
    end = m.end(w, timeout=5)
    assert (end["cause"], end["signal"]) == ("WORKER_SIGNALLED", 9)
    assert m.take_error(w) is None


@pytest.mark.plain
def test_no_memory(worker):
    """A worker that finds no memory ends in its own way, and its words say why."""
    m, w = worker
    m.task(w, "oom", 600)
    end = m.end(w)
    assert end["signal"] == signal.SIGABRT and end["memory"] > 100 << 20
    assert end["tail"].endswith(b"out of memory\n")


def test_stop(worker):
    """A stopped worker ends with that cause and code 0; what it ran is seen to its end."""
    m, w = worker
    m.check("stop", w)
    end = m.end(w)
    assert (end["cause"], end["code"]) == ("WORKER_STOPPED", 0)
    assert (end["lost"], end["unsure"]) == (0, 0)


def test_stop_busy(worker):
    """A stopped worker that is busy is asked by the flag; one that does not listen is ended after a second."""
    m, w = worker
    m.begin(w, "sleep")
    m.check("stop", w)
    assert m.end(w, timeout=5)["cause"] == "WORKER_STOPPED"
    w = m.start()
    m.begin(w, "deaf")
    m.check("stop", w)
    answer = m.until("dead", w, timeout=10)
    assert 500 < answer["ms"] < scaled(5000)
    assert m.end(w)["cause"] in ("WORKER_STOPPED", "WORKER_ABORTED")


def test_stop_twice_and_before_ready(manager):
    """Stopping at once after starting, and again, is fine."""
    m = manager
    w = m.start()
    m.check("stop", w)
    m.check("stop", w)
    m.end(w)
    m.check("stop", w)


def test_stop_all_and_any(manager):
    """ANY stops the first idle one, ALL everybody."""
    m = manager
    ids = m.start(count=4)
    m.until("ready", ALL)
    m.task(ids[0], "sleep", 60000)
    m.until("busy", ids[0])
    m.check("stop", ANY)
    m.until("dead", ids[1])
    assert m.state(ids[0])["alive"] and m.state(ids[0])["all_alive"] == 3
    m.check("stop", ALL)
    for w in ids:
        m.until("dead", w)


def test_no_task_after_stop(worker):
    """A stopped worker takes no task."""
    m, w = worker
    m.task(w, "sleep", 60000)
    m.task(w, "flood", 10, 10)
    m.check("stop", w)
    m.end(w)
    assert not m.receive(w)["got"]


def test_program_that_ends_at_once(manager):
    """A worker program that ends without a word: exit code, failure of the tasks that it had; starting it is no error."""
    m = manager
    w = m.start(TW, argv=["tw", "exit-at-once", "5"])
    m.command("task", w, "add")
    end = m.end(w)
    assert (end["cause"], end["code"]) == ("WORKER_EXITED", 5)


def test_program_that_is_no_worker(manager):
    """A program that never speaks: stays alive and not ready, can be stopped; its end is told."""
    m = manager
    w = m.start("/bin/sleep", argv=["sleep", "1000"])
    m.until("time", timeout=0.3, check=False)
    state = m.state(w)
    assert state["alive"] and not state["ready"]
    m.check("stop", w)
    m.end(w, timeout=10)


def test_never_ready(manager):
    """A worker program that takes the link and says nothing: abort 0 ends it."""
    m = manager
    w = m.start(TW, argv=["tw", "never-ready"])
    m.command("task", w, "add")
    m.check("abort", w, 0)
    assert m.end(w)["cause"] == "WORKER_ABORTED"


def test_shell_script(manager, tmp_path):
    """A script with an interpreter line is a program, too."""
    script = tmp_path / "worker"
    script.write_text(f'#!/bin/sh\nexec "{TW}"\n')
    script.chmod(0o755)
    assert manager.call(manager.start(str(script)), "add", 1, 2) == 3


def test_node_lost(world, worker):
    """When keeper and agent both die, managers are told so, soon, and the workers' processes end."""
    m, w = worker
    pid = m.worker_pid(w)
    m.begin(w, "sleep")
    for p in world.of_role("keeper") + world.of_role("agent"):
        proc.kill(p.pid)
    world.wait_gone([pid], 2)
    end = m.end(w, timeout=10)
    assert end["cause"] == "WORKER_NODE_LOST" and end["text"]
    assert end["unsure"]  # nobody is left who would know
    assert m.take_error(w)
    answer = m.command("start", TW)
    assert answer["err"] in (0, ERR["NODE_GONE"])


def test_new_manager_after_node_lost(world, worker):
    """After a node's violent death the next manager starts a new node on what it left behind."""
    m, w = worker
    for p in world.of_role("keeper") + world.of_role("agent"):
        proc.kill(p.pid)
    m.end(w)
    fresh = world.manager()
    assert fresh.call(fresh.start(), "add", 1, 2) == 3


@pytest.mark.parametrize("mode", ["plain", "stubborn", "setsid", "double", "exec", "forker"])
def test_family(world, worker, mode):
    """Whatever a worker leaves behind ends with it: children, sessions of their own, daemons that hold everything."""
    m, w = worker
    before = {p.pid for p in world.living()}
    assert m.call(w, "family", mode, mode, mode) == 3
    proc.wait_until(lambda: len({p.pid for p in world.living()} - before) >= 1, 10, "children")
    m.task(w, "exit", 9)
    assert m.end(w, timeout=5)["code"] == 9
    left = {p.pid for p in world.living()} - before
    assert not left, world.living()


def family(world, m, w, *modes):
    """Lets a worker leave children of these kinds behind; their pids."""
    before = {p.pid for p in world.living()}
    assert m.call(w, "family", *modes) == len(modes)
    new = lambda: {p.pid for p in world.living()} - before
    proc.wait_until(lambda: len(new()) == len(modes), 10, "the family")
    return new()


def test_family_of_the_killed(world, worker):
    """Likewise after SIGKILL of the worker, and the other worker's family is not touched."""
    m, a = worker
    b = m.start()
    m.until("ready", b)
    pid_a, pid_b = m.worker_pid(a), m.worker_pid(b)
    family_a = family(world, m, a, "setsid", "double")
    family_b = family(world, m, b, "setsid", "double", "stubborn")
    os.kill(pid_b, signal.SIGKILL)
    m.end(b)
    world.wait_gone(family_b | {pid_b}, 5)
    assert family_a | {pid_a} <= {p.pid for p in world.living()}
    assert m.call(a, "add", 1, 2) == 3


def test_daemon_with_a_clean_environment(world, worker):
    """A daemon that a worker made and that has shed environment, session and parent is gone with the node at the latest."""
    m, w = worker
    m.call(w, "family", "clean")
    m.check("stop", w)
    m.end(w)


def test_closed_descriptors(world, worker):
    """Processes of a worker that hold its output pipes do not delay the report of its end."""
    m, w = worker
    m.call(w, "family", "double")
    os.kill(m.worker_pid(w), signal.SIGKILL)
    answer = m.until("dead", w, timeout=5)
    assert answer["ms"] < scaled(2000)
