"""Aim: libpromp behind a broker: workers on nodes of a cluster, and what becomes of them when links, brokers and nodes end."""

import os
import signal
import time

import pytest

from support import cluster as clusters
from support import proc
from support.build import ERROR_NAMES, scaled

pytestmark = pytest.mark.skipif(not clusters.built(), reason="promp-broker and its tools are not built")


@pytest.fixture
def cluster(world):
    c = clusters.Cluster(world)
    yield c
    c.remove()


def end_at_once(program):
    """A node that still has workers, or reports for managers that are gone, would wait for them."""
    program.kill(signal.SIGINT)
    program.process.wait(scaled(20))


@pytest.fixture
def there(cluster):
    """A broker, a node, a manager; and a worker that is ready."""
    cluster.first = cluster.broker()
    cluster.only = cluster.node("node", "--places", "4")
    m = cluster.manager()
    w = m.start()
    m.until("ready", w)
    return cluster, m, w


def error_name(answer):
    return ERROR_NAMES.get(answer.get("err") or answer.get("code"), answer)


def test_call_and_end(there):
    """A worker starts on a node, works, knows where it is, and ends when it is stopped."""
    cluster, m, w = there
    assert m.call(w, "echo", 1) == 1
    info = dict(m.call(w, "info", "PROMP_CONFIG"))
    assert info["address"] == cluster.address.encode()
    assert info["level"] == 1
    assert info["env"] != str(cluster.config("manager")).encode()
    assert info["folder"] != os.getcwd().encode()
    assert m.set()["level"] == 0
    m.stop(w)
    assert m.end(w)["cause"] == "WORKER_STOPPED"
    assert m.quit() == 0


def test_much(there):
    """Values far larger than any window go there and come back whole; small calls beside them."""
    _, m, w = there
    m.task(w, "check", size=30 << 20)
    m.until("idle")
    assert m.take_result(w) == (True, (30 << 20, None)) or m.take_error(w) is None
    m.call(w, "big", 10 << 20)
    for i in range(200):
        assert m.call(w, "echo", i) == i


def test_output(there):
    """What workers print comes to the manager that wants it."""
    _, m, _ = there
    m.check("set", options=1)
    m.check("output", "show")
    w = m.start()
    m.call(w, "print", 1, "hello from far away")
    proc.wait_until(lambda: (m.process(), m.events)[1], 10, "output")
    assert b"hello from far away" in b"".join(t for _, t in m.output())


def test_many_workers(cluster):
    """Several workers on two nodes, in parallel."""
    cluster.broker()
    cluster.node("a", "--places", "3")
    cluster.node("b", "--places", "3")
    m = cluster.manager()
    answer = m.start(count=6, check=False, spread=1)
    assert answer["err"] == 0 and answer["started"] == 6
    for w in answer["workers"]:
        m.task(w, "echo", w)
    m.until("idle", "all")
    assert sorted(m.take_result(w)[1] for w in answer["workers"]) == answer["workers"]


def test_queue(cluster):
    """Without a free place a start is accepted and waits: it lives, is not ready, and runs what it was given when there is one."""
    cluster.broker()
    cluster.node("node", "--places", "1")
    m = cluster.manager()
    first, second, third = m.start(), m.start(), m.start()
    m.until("ready", first)
    state = m.state(second)
    assert state["alive"] and not state["ready"] and state["pid"] == 0
    m.task(second, "echo", 5)
    m.stop(third)
    assert m.end(third)["cause"] == "WORKER_STOPPED"
    m.stop(first)
    m.until("idle", second)
    assert m.take_result(second) == (True, 5)
    assert m.quit() == 0


def test_refused(there):
    """What no node can serve is refused with its number: at once, where nobody may still come."""
    cluster, m, _ = there
    answer = m.start("no-such-program-anywhere", check=False)
    assert error_name(answer) == "PROGRAM_MISSING"
    assert error_name(m.start("./here", check=False)) == "ARGUMENT"
    assert error_name(m.start(folder="here", check=False)) == "ARGUMENT"


def test_broker_restarts(there):
    """The broker is killed and started anew while a task runs: nothing is lost, nothing comes twice."""
    cluster, m, w = there
    pid = m.worker_pid(w)
    for i in range(3):
        m.task(w, "sleep", 800)
        m.task(w, "echo", i)
        cluster.first.kill()
        cluster.first = cluster.broker()
        m.until("idle", w, 30)
        results = [m.take_result(w) for _ in range(2)]
        assert results[-1] == (True, i)
        assert m.take_result(w) == (False, None)
    assert m.worker_pid(w) == pid
    assert m.take_error() is None


def test_broker_leaves(there):
    """A broker that ends in good order: its peers come back to the next one."""
    cluster, m, w = there
    assert cluster.first.stop() == 0
    m.task(w, "echo", 9)
    cluster.broker()
    m.until("idle", w, 30)
    assert m.take_result(w) == (True, 9)


def test_broker_stays_away(there):
    """No broker for a whole manager time-out: the worker is given up here, and ends there."""
    cluster, m, _ = there
    m.set(timeout=2000)
    w = m.start()
    pid = m.worker_pid(w)
    cluster.first.kill()
    begin = time.monotonic()
    assert m.end(w, 20)["cause"] == "WORKER_NODE_LOST"
    assert time.monotonic() - begin < scaled(10)
    cluster.world.wait_gone([pid], 10)
    answer = m.start(check=False)
    assert error_name(answer) == "BROKER_ABSENT"
    assert answer["ms"] < 1000 * scaled(7)
    end_at_once(cluster.only)


def test_agent_killed(there):
    """The node's agent is killed: its next one carries on, the session goes on."""
    cluster, m, w = there
    assert m.call(w, "echo", 1) == 1
    agent, = (p for p in proc.descendants(cluster.only.pid) if proc.role(p) == "agent")
    proc.kill(agent.pid, signal.SIGKILL)
    assert m.call(w, "echo", 2, timeout=30) == 2


def test_node_killed(there):
    """The whole node is killed: its workers are gone, which the manager hears."""
    cluster, m, _ = there
    m.set(timeout=2000)
    w = m.start()
    pid = m.worker_pid(w)
    cluster.only.kill()
    cluster.world.wait_gone([pid], 10)
    assert m.end(w, 20)["cause"] in ("WORKER_NODE_LOST", "WORKER_LEASE")


def test_manager_killed(there):
    """A manager that is killed: its workers end within their time-out."""
    cluster, m, _ = there
    m.set(timeout=2000)
    w = m.start()
    pid = m.worker_pid(w)
    proc.kill(m.pid, signal.SIGKILL)
    cluster.world.wait_gone([pid], 15)
    end_at_once(cluster.only)


def test_abort_and_kill(there):
    """Aborts go over the broker; who is deaf is ended."""
    _, m, w = there
    m.begin(w, "sleep")
    m.abort(w, 2000)
    m.until("idle", w)
    assert m.state(w)["alive"]
    m.begin(w, "deaf")
    m.abort(w, 500)
    assert m.end(w)["cause"] == "WORKER_ABORTED"


def test_death(there):
    """How a worker ended is told as on one host: exit code, last words."""
    _, m, w = there
    m.task(w, "exit", 7)
    end = m.end(w)
    assert (end["cause"], end["code"]) == ("WORKER_EXITED", 7)


def test_levels(there):
    """Workers that are managers: their workers are placed by the broker too."""
    _, m, w = there
    value = m.call(w, "nest", 2, "", timeout=40)
    levels = []
    while value is not None:
        levels.append(value[0])
        value = value[2]
    assert levels == [1, 2, 3]


@pytest.mark.parametrize("what", ["nobody", "unknown key", "no folder", "open folder", "not joined", "no libzmq"])
def test_no_broker(cluster, what):
    """Each reason for which the cluster cannot be reached has its number, within 5 s and a little; none falls back to this host."""
    broker = cluster.broker()
    config = cluster.manager_config()
    env = {"PROMP_CONFIG": str(config)}
    expected = {"nobody": "BROKER_ABSENT", "unknown key": "KEY_REFUSED", "no folder": "NO_BROKER", "open folder": "KEY_FOLDER",
                "not joined": "NO_BROKER", "no libzmq": "ZMQ_MISSING"}[what]
    if what == "nobody":
        broker.kill()
    elif what == "unknown key":
        cluster.run(clusters.AUTH, "revoke", "manager")
    elif what == "no folder":
        env = {"PROMP_CONFIG": str(cluster.folder / "nowhere"), "PROMP_BROKER": cluster.address}
    elif what == "open folder":
        config.chmod(0o777)
    elif what == "not joined":
        env = {"PROMP_CONFIG": str(cluster.config("empty")), "PROMP_BROKER": cluster.address}
    else:
        (cluster.folder / "libzmq.so.5").write_text("no library")
        env["LD_LIBRARY_PATH"] = str(cluster.folder)
    m = cluster.world.manager(env={**cluster.environment, **env}, new=False)
    answer = m.new()
    while what == "unknown key" and answer["made"]:  # the broker looks at its store each second
        m.destroy()
        answer = m.new()
    assert not answer["made"]
    assert error_name(answer) == expected
    assert answer["ms"] < 1000 * scaled(6)


def test_local_when_asked(cluster):
    """PROMP_BROKER=local: this host's node, whatever the folder says; and so without any folder."""
    broker = cluster.broker()
    config = cluster.manager_config()
    broker.kill()
    for env in ({"PROMP_CONFIG": str(config), "PROMP_BROKER": "local"}, {"PROMP_CONFIG": str(cluster.folder / "nowhere")}):
        m = cluster.world.manager(env=env)
        assert m.call(m.start(), "echo", 3) == 3


def test_address_given(there):
    """PROMP_BROKER with an address goes before the one in the folder."""
    cluster, _, _ = there
    config = cluster.manager_config()
    text = (config / "manager.broker").read_text()
    assert cluster.address in text
    (config / "manager.broker").write_text(text.replace(cluster.address, "tcp://127.0.0.1:1"))
    m = cluster.world.manager(env={"PROMP_CONFIG": str(config), "PROMP_BROKER": cluster.address})
    assert m.call(m.start(), "echo", 4) == 4


def test_revoked_live(there):
    """A key that is revoked: its workers end, the manager hears why, and so does a new start."""
    cluster, m, w = there
    pid = m.worker_pid(w)
    cluster.run(clusters.AUTH, "revoke", "manager")
    assert "1807" in m.end(w, 20)["text"]
    cluster.world.wait_gone([pid], 15)
    assert error_name(m.start(check=False)) == "KEY_REFUSED"
    end_at_once(cluster.only)
