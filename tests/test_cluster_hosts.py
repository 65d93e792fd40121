"""Aim: a cluster on hosts of its own (network namespaces): work over several nodes, cables that are pulled, connections that
are treated badly, brokers and agents that are killed under load. Every result comes exactly once and in order."""

import collections
import json
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest
from support import build, hosts, proc
from support.cluster import PROMP, Cluster, built

pytestmark = [pytest.mark.skipif(not built(), reason="the programs of a cluster are not built"), pytest.mark.root]
if hosts.possible():
    pytestmark.append(pytest.mark.skip(reason=hosts.possible()))

PROXY = str(pathlib.Path(__file__).parent / "support" / "proxy.py")
SURVEY = str(build.ROOT / "examples" / "survey" / "survey.py")
TW = build.TW
NODES = ("one", "two", "three")


class Hosts:
    """A broker and three nodes on hosts of their own, and two hosts for managers."""

    def __init__(self, world):
        self.world = world
        self.network = hosts.Network("broker", *NODES, "red", "blue")
        self.cluster = Cluster(world)
        self.nodes = {}
        self.proxy = None

    def begin(self, proxy_seed=None, places=4):
        """With a seed everybody reaches the broker through a proxy."""
        address = self.network["broker"].address
        self.broker = self.cluster.broker(listen=f"tcp://{address}:0", host=self.network["broker"])
        self.near = self.cluster.address
        if proxy_seed is not None:
            self.proxy = self.world.popen(
                self.network["broker"].command([sys.executable, PROXY, f"{address}:0", self.near[6:], proxy_seed]),
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self.near = f"tcp://{address}:{int(self.proxy.stdout.readline().split()[1])}"
        for name in NODES:
            self.node(name, places)
        return self

    def node(self, name, places=4):
        self.nodes[name] = self.cluster.node(name, "--places", str(places), host=self.network[name], address=self.near)

    def treat(self, *words):
        """Tells the proxy how to treat connections."""
        self.proxy.stdin.write(" ".join(map(str, words)) + "\n")
        self.proxy.stdin.flush()
        assert self.proxy.stdout.readline() == "done\n"

    def broker_again(self):
        self.broker.kill()
        self.broker = self.cluster.broker(host=self.network["broker"])

    def agent_of(self, name):
        return next(p for p in proc.descendants(self.nodes[name].pid) if proc.role(p) == "agent")

    def manager(self, name, **options):
        return self.cluster.manager(name, host=self.network[name], address=self.near, **options)


@pytest.fixture
def there(world):
    h = Hosts(world)
    yield h
    for program in [*h.nodes.values()]:
        program.process.terminate()
    h.network.close()


class Work:
    """Echoes, messages and output of several workers that go on while something happens; then nothing may be missing."""

    def __init__(self, manager, workers, timeout=10000):
        self.m = manager
        manager.check("set", options=1, timeout=timeout)
        manager.check("output", "show")
        self.ids = manager.start(count=workers, spread=1)
        manager.until("ready", "all", 30)
        self.wanted = {w: collections.deque() for w in self.ids}  # values of results that have not come; None: any
        self.number = 0
        self.lines = 0

    def give(self, count=10):
        for _ in range(count):
            self.number += 1
            for w in self.ids:
                self.m.task(w, "echo", self.number)
                self.wanted[w].append(self.number)
        for w in self.ids:
            self.m.task(w, "lines", 20, 1, 40)
            self.wanted[w].append(None)
        self.lines += 20

    def take(self):
        """Takes what has come; checks that it is what comes next."""
        for w in self.ids:
            while (result := self.m.take_result(w))[0]:
                wanted = self.wanted[w].popleft()
                assert wanted in (None, result[1]), f"worker {w}: {result[1]} in place of {wanted}"

    def finish(self, timeout=60):
        self.m.until("idle", "all", timeout)
        self.take()
        assert not any(self.wanted.values())
        for w in self.ids:
            text = b"".join(t for _, t in self.m.output(w))
            assert len(text.splitlines()) == self.lines, f"output of worker {w}"
        for w in self.ids:
            state = self.m.command("state", w)
            assert state["alive"], state


def tree_of(folder):
    dice = random.Random(3)
    for i in range(300):
        path = folder / f"d{i % 7}" / f"f{i}"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(dice.randbytes(dice.randrange(20, 60000)) if i % 3 else b"some words\n" * i)
    return folder


@pytest.mark.plain
def test_survey_over_three_nodes(there, tmp_path):
    """Two managers at the same time survey files of theirs with workers on three other hosts; the report is that of a local one."""
    there.begin()
    folder = tree_of(tmp_path / "tree")
    args = ["--json", "--quiet", "--workers", "6", str(folder)]
    local = there.cluster.run(PROMP, "-r", SURVEY, *args, timeout=60)
    runs = []
    for name in ("red", "blue"):
        config = there.cluster.manager_config(name, host=there.network[name])
        runs.append(there.world.popen(there.network[name].command([PROMP, "-r", SURVEY, *args]), stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True, env={"PROMP_CONFIG": str(config)}))
    seen = set()
    while any(r.poll() is None for r in runs):
        seen |= {n for n in NODES if any("worker" in p.name or "python" in p.name
                                         for p in proc.descendants(there.nodes[n].pid))}
        time.sleep(0.02)
    for run in runs:
        out, err = run.communicate()
        assert run.returncode == 0, err
        assert json.loads(out)["kinds"] == json.loads(local)["kinds"]
        assert json.loads(out)["duplicates"] == json.loads(local)["duplicates"]
    assert seen == set(NODES)


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.slow), pytest.param(4, marks=pytest.mark.slow)])
def test_rough_connections(there, seed):
    """Connections that are delayed, stalled, narrowed, cut in one direction, reset and refused: all results, once, in order."""
    there.begin(proxy_seed=seed)
    red, blue = Work(there.manager("red"), 4), Work(there.manager("blue"), 4)
    there.treat("rough", 300)
    for _ in range(15):
        for work in (red, blue):
            work.give()
            work.take()
        time.sleep(0.2)  # so long the accidents go on
    there.treat("fair")
    red.finish()
    blue.finish()


@pytest.mark.parametrize("how", ["deaf", "mute", "cable of a node", "cable of the manager", "cable of the broker"])
def test_a_cut(there, how):
    """A cut in one direction, or a cable that is out for a part of the time-out: work goes on behind it, nothing is lost."""
    there.begin(proxy_seed=1)
    work = Work(there.manager("red"), 6)
    host = {"cable of a node": "two", "cable of the manager": "red", "cable of the broker": "broker"}.get(how)
    work.give()
    if host:
        there.network[host].plug(False)
    else:
        there.treat(how)
    work.give(3)
    time.sleep(3)  # how long the cut lasts
    if host:
        there.network[host].plug(True)
    else:
        there.treat("fair")
    work.finish()


def test_a_node_is_lost(there):
    """A node whose cable stays out for longer than the time-out: its workers are told lost, by their reason; others go on."""
    there.begin()
    m = there.manager("red")
    m.check("set", options=1, timeout=2000)
    ids = m.start(count=3, spread=1)
    m.until("ready", "all", 30)
    there.network["two"].plug(False)
    dead = proc.wait_until(lambda: [w for w in ids if m.command("exit", w)["ended"]], 15, "a worker to be told lost")
    assert len(dead) == 1
    end = m.command("exit", dead[0])
    assert build.ERROR_NAMES[end["cause"]] in ("WORKER_NODE_LOST", "WORKER_LEASE") and end["text"]
    # Behind the cut the node ends what nobody hears.
    proc.wait_until(lambda: not [p for p in proc.descendants(there.nodes["two"].pid) if p.name == "tw"], 15, "its worker to end")
    there.network["two"].plug(True)
    for w in ids:
        if w not in dead:
            assert m.call(w, "add", 1, 2) == 3
    again = proc.wait_until(lambda: m.start(check=False, on="two").get("worker"), 30, "the node to be back", step=0.2)
    assert m.call(again, "add", 2, 2, timeout=30) == 4


@pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.slow)])
def test_broker_killed_under_load(there, times):
    """The broker is killed and started again, without memory, in the middle of work, and agents too: all results, once, in order."""
    there.begin()
    red, blue = Work(there.manager("red"), 4), Work(there.manager("blue"), 4)
    dice = random.Random(times)
    for i in range(times):
        for work in (red, blue):
            work.give()
        if i % 2:
            proc.kill(there.agent_of(dice.choice(NODES)).pid, signal.SIGKILL)
        there.broker_again()
        for work in (red, blue):
            work.take()
    red.finish()
    blue.finish()
    again = red.m.start()
    assert red.m.call(again, "add", 1, 2, timeout=30) == 3
