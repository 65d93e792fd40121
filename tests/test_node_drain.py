"""Aim: a node that is asked to end (SIGTERM) takes no new worker, loses nothing of those that it has, and is gone with the last one; what
waits meanwhile finds another node, or the same one when it is back. So nodes can be taken away and replaced under load."""

import json
import re
import signal
import threading
import time
import urllib.request

import pytest
from support import cluster, proc
from support.build import SANITIZER, TW, scaled

pytestmark = pytest.mark.skipif(not cluster.built(), reason="promp-broker, promp-auth and promp are needed")


@pytest.fixture
def c(world):
    made = cluster.Cluster(world)
    yield made
    made.remove()


@pytest.fixture
def broker(c):
    """One that is long there: a start that no node can serve is refused, not kept as nodes may be on their way."""
    return c.broker("--gather", "0", "--metrics", "127.0.0.1:0")


@pytest.fixture
def manager(c, broker):
    """A manager with a node of two places."""
    c.first = c.node("node", "--places", "2")
    return c.manager()


def status(c):
    config = c.config("watch")
    if not (config / "observer.broker").exists():
        c.run(cluster.PROMP, "join", "--config", config, "-", stdin=c.token("observer"))
    return json.loads(c.run(cluster.PROMP, "status", "--json", config=config))


def until_status(c, **wanted):
    def is_so():
        now = status(c)
        return all(now[name] == value for name, value in wanted.items())
    proc.wait_until(is_so, 10, lambda: f"{wanted}: {status(c)}")


def runs_on(m, w, program):
    """Whether a worker was started by this node."""
    return proc.find(m.worker_pid(w)).parent == program.pid


def drains(program):
    program.process.terminate()
    proc.wait_until(lambda: "the node drains" in program.said(), 10, program.said)


# --- what becomes of workers


def test_drain(c, manager):
    """Aim: no new worker is taken, the last one may end, and then the node does, with 0."""
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    drains(c.first)
    until_status(c, nodes_draining=1)
    assert c.first.process.poll() is None
    assert manager.call(w, "add", 3, 4) == 7
    manager.check("stop", w)
    manager.until("dead", w)
    assert c.first.process.wait(scaled(10)) == 0


def test_results_are_delivered(c, manager):
    """Aim: tasks that were given before, and during the drain, are all done, in their order, large results included; the stop that
    follows is an end in good order."""
    workers = [manager.start(), manager.start()]
    for w in workers:
        manager.begin(w, "sleep", 500)
        for i in range(20):
            manager.task(w, "add", i, 100)
        manager.task(w, "big", 3000000)
    drains(c.first)
    for w in workers:
        manager.task(w, "add", 1000, 1)
    manager.until("idle")
    for w in workers:
        found = [manager.take_result(w) for _ in range(23)]
        assert [value for got, value in found if got and isinstance(value, int) and value >= 100] == [*range(100, 120), 1001]
        assert (True, (3000000, 3000000)) in found and manager.take_error(w) is None
        manager.check("stop", w)
        assert manager.end(w)["code"] == 0
    assert c.first.process.wait(scaled(10)) == 0


def test_over_the_death_of_an_agent(c, manager):
    """Aim: an agent that dies while the node drains: the next one drains too, and the last worker's end is the node's."""
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    drains(c.first)
    proc.kill(c.world.one("agent").pid)
    assert manager.call(w, "add", 3, 4) == 7
    manager.check("stop", w)
    manager.until("dead", w)
    assert c.first.process.wait(scaled(10)) == 0


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_cut_short(c, manager, second):
    """Aim: a second signal ends workers and node, and managers are told why."""
    w = manager.start()
    manager.begin(w, "sleep")
    drains(c.first)
    assert c.first.process.poll() is None
    c.first.process.send_signal(second)
    assert c.first.process.wait(scaled(10)) == 0
    assert manager.end(w)["cause"] == "WORKER_NODE_LOST"
    assert not c.world.workers()


def test_time_out(c, broker):
    """Aim: workers that do not end in --drain-timeout are ended then, not before, and their managers told why; those that are done by then
    end in good order."""
    c.first = c.node("node", "--places", "2", "--drain-timeout", str(int(scaled(2000))))
    m = c.manager()
    slow, quick = m.start(), m.start()
    m.begin(slow, "sleep")
    m.until("ready", quick)
    begin = time.monotonic()
    drains(c.first)
    m.check("stop", quick)
    assert m.end(quick)["code"] == 0
    assert c.first.process.wait(scaled(10)) == 0
    assert time.monotonic() - begin >= scaled(2)
    assert m.end(slow)["cause"] == "WORKER_NODE_LOST"
    assert "workers are left, and are ended" in c.first.said()


# --- what becomes of starts


def test_starts_go_elsewhere(c, manager):
    """Aim: while one node drains, starts are for the others, though it has free places."""
    w = manager.start()
    drains(c.first)
    second = c.node("second", "--places", "4")
    others = [manager.start() for _ in range(4)]
    assert runs_on(manager, w, c.first) and all(runs_on(manager, o, second) for o in others)
    manager.check("stop", w)
    manager.until("dead", w)
    assert c.first.process.wait(scaled(10)) == 0
    assert manager.call(others[0], "add", 1, 2) == 3


@pytest.mark.parametrize("next_one", ["node", "other"])
def test_starts_wait_for_the_next_node(c, manager, next_one):
    """Aim: where the node that drains is the only one, starts wait: while it drains, and when it has left; the next node gets them, be it
    the same one again."""
    w = manager.start()
    manager.until("ready", w)
    drains(c.first)
    until_status(c, nodes_draining=1)
    waiting = [manager.start()]
    until_status(c, waiting=1)
    manager.check("stop", w)
    manager.until("dead", w)
    assert c.first.process.wait(scaled(10)) == 0
    until_status(c, nodes=0)
    waiting.append(manager.start())
    until_status(c, waiting=2)
    node = c.node(next_one, "--places", "2")
    assert all(runs_on(manager, o, node) for o in waiting)
    assert manager.call(waiting[1], "add", 1, 2) == 3


def test_a_start_that_is_on_its_way(c, manager):
    """Aim: a start that was given to a node which begins to drain at that moment runs there or elsewhere, and is never refused."""
    agent = c.world.one("agent").pid
    w = manager.start()
    manager.until("ready", w)
    proc.kill(agent, signal.SIGSTOP)
    manager.send_command("start", TW)
    until_status(c, asked=1)
    c.first.process.terminate()
    proc.wait_until(lambda: "the node drains" in c.first.said(), 10, c.first.said)
    proc.kill(agent, signal.SIGCONT)
    second = c.node("second", "--places", "2")
    on_its_way = manager.answer()["worker"]
    manager.until("ready", on_its_way)
    assert runs_on(manager, on_its_way, second) or runs_on(manager, on_its_way, c.first)
    assert manager.call(on_its_way, "add", 1, 2) == 3
    for each in (w, on_its_way):
        manager.check("stop", each)
        manager.until("dead", each)
    assert c.first.process.wait(scaled(10)) == 0


def test_it_shows(c, broker):
    """Aim: `promp status` and the metrics have a node that drains as such, and without its places."""
    where = broker.line(r"metrics (\S+)").group(1)
    nodes = [c.node("one", "--places", "2"), c.node("two", "--places", "3")]
    m = c.manager()
    w = m.start(node="one")
    m.until("ready", w)
    drains(nodes[0])
    until_status(c, nodes_draining=1, nodes_ready=1, nodes=2, places=3)
    with urllib.request.urlopen(where, timeout=10) as answer:
        text = answer.read().decode()
    found = dict(re.findall(r"^(\w+(?:\{.*\})?) (\S+)$", text, re.M))
    assert (found['promp_nodes{state="draining"}'], found['promp_nodes{state="ready"}'], found["promp_places"]) == ("1", "1", "3")
    m.check("stop", w)
    m.until("dead", w)
    assert nodes[0].process.wait(scaled(10)) == 0
    until_status(c, nodes_draining=0, nodes_ready=1, nodes_away=0, nodes=1)


# --- under load


class Load(threading.Thread):
    """A manager that starts short-lived workers, one after the other, gives each three tasks, and takes their results."""

    def __init__(self, manager, rounds):
        super().__init__(daemon=True)
        self.manager, self.rounds, self.done, self.wrong = manager, rounds, 0, None
        self.start()

    def run(self):
        try:
            for number in range(self.rounds):
                self._round(number)
                self.done += 1
        except Exception as why:  # told where it is waited for
            self.wrong = why

    def _round(self, number):
        m = self.manager
        w = m.start()
        for i in range(3):
            m.task(w, "add", number, 1000 * i)
        m.until("idle", timeout=30)
        assert [m.take_result(w) for _ in range(3)] == [(True, number + 1000 * i) for i in range(3)], m.notes()
        m.check("stop", w)
        end = m.end(w)
        assert (end["cause"], end["code"]) == ("WORKER_STOPPED", 0), end

    def reach(self, number):
        proc.wait_until(lambda: self.wrong or self.done >= number, 60, lambda: f"round {number}, not {self.done}")
        assert not self.wrong, self.wrong


MANAGERS, ROUNDS = 5, 10 if SANITIZER else 40


def test_scale_down_and_up(c, broker):
    """Aim: three nodes are drained one after the other, and another one comes, while managers start hundreds of workers: no start fails, no result
    is lost, and each node ends with 0."""
    nodes = [c.node(name, "--places", "2") for name in ("one", "two", "three")]
    loads = [Load(c.manager(f"m{i}"), ROUNDS) for i in range(MANAGERS)]
    for number, node in enumerate(nodes[:], 1):
        for load in loads:
            load.reach(number * ROUNDS // 5)
        node.process.terminate()
        if number == 2:
            nodes.append(c.node("four", "--places", "2"))
        assert node.process.wait(scaled(30)) == 0, node.said()
    for load in loads:
        load.reach(ROUNDS)
    assert nodes[3].stop() == 0


def test_the_only_node_is_renewed(c, broker):
    """Aim: the only node is drained and started again, three times, while managers start hundreds of workers: starts wait for it, and none
    fails."""
    node = c.node("only", "--places", "2")
    loads = [Load(c.manager(f"m{i}"), ROUNDS) for i in range(MANAGERS)]
    for number in range(1, 4):
        for load in loads:
            load.reach(number * ROUNDS // 5)
        node.process.terminate()
        assert node.process.wait(scaled(30)) == 0, node.said()
        node = c.node("only", "--places", "2")
    for load in loads:
        load.reach(ROUNDS)
    assert node.stop() == 0
