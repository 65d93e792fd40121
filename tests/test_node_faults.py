"""The node, its manager and its workers killed and frozen: who notices, and who carries on."""

import os
import signal
import time

from support import proc
from support.build import scaled
from support.manager import TW

def test_agent_replaced(world, worker):
    """After kill -9 of the agent a running task goes on, its result comes, new workers start."""
    m, w = worker
    m.task(w, "sleep", 700)
    m.until("busy", w)
    agent, keeper = world.one("agent").pid, world.one("keeper").pid
    proc.kill(agent)
    m.until("idle")
    assert m.take_result(w) == (True, 0) and m.take_error() is None
    assert world.one("agent").pid != agent and world.one("keeper").pid == keeper
    assert m.call(m.start(), "add", 1, 2) == 3


def test_exit_code_while_the_agent_is_dead(world, worker):
    """A worker that ends while there is no agent: its exit code is told by the next one."""
    m, w = worker
    m.task(w, "exit", 42)
    proc.kill(world.one("agent").pid)
    end = m.end(w)
    assert (end["cause"], end["code"]) == ("WORKER_EXITED", 42)


def test_keeper_killed(world, worker):
    """After kill -9 of the keeper workers end, the agent ends, the manager is told in words."""
    m, w = worker
    pid, agent = m.worker_pid(w), world.one("agent").pid
    m.begin(w, "sleep")
    proc.kill(world.one("keeper").pid)
    assert world.wait_gone([pid], 5) < scaled(1)
    assert m.end(w)["cause"] == "WORKER_NODE_LOST"
    world.wait_gone([agent], 5)


def test_manager_killed(world, worker):
    """After kill -9 of a manager its workers are gone within a second."""
    m, w = worker
    pid = m.worker_pid(w)
    m.call(w, "family", "setsid", "double")
    m.begin(w, "deaf")
    m.kill()
    assert world.wait_gone([pid], 5) < scaled(1)


def test_manager_frozen(world):
    """A manager that is frozen for its time-out loses its workers by then plus a second, and is told on waking."""
    m = world.manager()
    m.check("set", timeout=1000)
    w = m.start()
    pid = m.worker_pid(w)
    m.kill(signal.SIGSTOP)
    begin = time.monotonic()
    world.wait_gone([pid], 5)
    took = time.monotonic() - begin
    assert 0.5 < took < 1 + scaled(1), took
    m.kill(signal.SIGCONT)
    end = m.end(w)
    assert end["cause"] == "WORKER_LEASE" and end["text"]
    assert m.call(m.start(), "add", 1, 2) == 3


def test_worker_frozen(world):
    """A worker that is frozen for the time-out is ended and reported as unresponsive."""
    m = world.manager()
    m.check("set", timeout=1000)
    w = m.start()
    os.kill(m.worker_pid(w), signal.SIGSTOP)
    end = m.end(w, timeout=6)
    assert end["cause"] == "WORKER_UNRESPONSIVE"


def test_worker_that_waits_to_be_set_up(world):
    """A worker whose manager lives but does not speak to it yet is not taken for a frozen one."""
    from support.wire import Client, message, start_message
    world.node()
    c = Client(world.socket())
    c.welcome()
    session = os.urandom(16)
    c.send(start_message(session, TW, lease=600, env=[f"{k}={v}" for k, v in world.environment.items()]))
    pid = c.expect("STARTED")["pid"]
    end = time.monotonic() + 1.5  # more than two leases
    while time.monotonic() < end:
        c.send(message("BEAT", lease_ms=600))
        time.sleep(0.05)
    assert proc.alive(pid)
    c.send(message("BYE"))
    world.wait_gone([pid], 2)
    c.close()


def test_short_freeze_is_forgiven(world):
    """A manager or worker frozen for half its time-out goes on as if nothing had been."""
    m = world.manager()
    m.check("set", timeout=4000)
    w = m.start()
    pid = m.worker_pid(w)
    for victim in (pid, m.pid, world.one("agent").pid, world.one("keeper").pid):
        os.kill(victim, signal.SIGSTOP)
        time.sleep(1.2)
        os.kill(victim, signal.SIGCONT)
        assert m.call(w, "add", 1, 2) == 3, victim


def test_agent_frozen(world):
    """A frozen agent is replaced and work goes on."""
    m = world.manager()
    m.check("set", timeout=2000)
    w = m.start()
    m.until("ready", w)
    agent = world.one("agent").pid
    os.kill(agent, signal.SIGSTOP)
    assert m.call(w, "add", 1, 2, timeout=10) == 3
    world.wait_gone([agent], 5)


def test_keeper_frozen(world):
    """A frozen keeper is killed by the agent after 5 s; workers end, managers are told."""
    m = world.manager()
    m.check("set", timeout=1000)
    w = m.start()
    pid, keeper = m.worker_pid(w), world.one("keeper").pid
    os.kill(keeper, signal.SIGSTOP)
    assert world.wait_gone([pid, keeper], 10) > 4
    assert m.end(w)["cause"] == "WORKER_NODE_LOST"


def test_number_of_a_dead_manager(world):
    """A manager that comes while another ends, all seen by the agent at once, is not taken for the dead one."""
    from support.wire import Client
    world.node()

    def child(work):
        go, done = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = work(lambda: os.read(go[0], 1), lambda: os.write(done[1], b"x"))
            finally:
                os._exit(code)
        return pid, (lambda: os.write(go[1], b"x")), (lambda: os.read(done[0], 1))

    def old(wait, tell):
        c = Client(world.socket())
        c.welcome()
        tell()
        wait()
        c.close()
        tell()
        wait()  # and then ends
        return 0

    def new(wait, tell):
        wait()
        c = Client(world.socket())
        tell()
        c.welcome()
        return 0

    agent = world.one("agent").pid
    first, go_first, first_did = child(old)
    second, go_second, second_did = child(new)
    first_did()
    os.kill(agent, signal.SIGSTOP)
    go_first(), first_did()  # its link ends,
    go_second(), second_did()  # somebody connects,
    go_first(), os.waitpid(first, 0)  # its process ends
    os.kill(agent, signal.SIGCONT)
    assert os.waitpid(second, 0)[1] == 0
    assert world.one("agent").pid == agent


def test_keeper_held_up(world):
    """A keeper that is held up for longer than the smallest time-out of one manager costs no worker of anybody."""
    ms = [world.manager() for _ in range(2)]
    ms[1].check("set", timeout=500)
    ws = [m.start() for m in ms]
    keeper = world.one("keeper").pid
    os.kill(keeper, signal.SIGSTOP)
    time.sleep(2)  # four time-outs
    os.kill(keeper, signal.SIGCONT)
    for m, w in zip(ms, ws):
        assert m.call(w, "add", 1, 2) == 3
    assert world.one("keeper").pid == keeper
