#!/usr/bin/env python3
"""Puts a fault into a job that runs in a cluster, again and again, and checks what is promised for it.

    tests/chaos_cluster.py --fault kill|nap|stop --victim manager|agent|keeper|worker|broker|machine --times 200 --seed 1

The job is that of chaos.py, spread over three nodes; the witness, with a key of its own, has a worker on the first of them. At a
random moment the victim gets SIGKILL, or SIGSTOP and SIGCONT after less (nap) or more (stop) than the manager time-out; a machine is a
node with all its processes. Then:

nap       of whomever: every result, message, line of output and exit code arrives, exactly once, and no worker is replaced
manager   killed or stopped: all its processes, on all nodes, are gone within its time-out + 1 s; stopped: it is told on waking
agent     work goes on, nothing is missing
keeper    its workers are gone (killed: 1 s; stopped: time-out, at least 5 s, + 1 s), managers are told;
          workers on other nodes go on; the node can be started again
worker    its manager is told, nobody else notices; stopped: within its time-out + 1 s
broker    killed: it is started again, and nothing is missing; stopped for longer than the time-out: all workers end within that + 1 s,
          their managers are told, and the cluster serves again when it is back
machine   managers are told of its workers; those that are left when it is back end within time-out + 1 s; other nodes' workers
          go on

and always: no orphan, no zombie, no report of a sanitizer. Every case can be repeated by its seed (--times 1 --seed N).
The random moment and the length of a stop are the only sleeps, and meant.
"""

import atexit
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import chaos  # noqa: E402
from chaos import Job, demand  # noqa: E402
from support import proc  # noqa: E402
from support.build import scaled  # noqa: E402
from support.cluster import Cluster  # noqa: E402
from support.world import World  # noqa: E402

FAULTS = ("kill", "nap", "stop")
VICTIMS = ("manager", "agent", "keeper", "worker", "broker", "machine")
NODES = ("one", "two", "three")
TIMEOUT = 3000
LOST = ("WORKER_NODE_LOST", "WORKER_LEASE", "WORKER_MANAGER_GONE", "WORKER_UNRESPONSIVE")

_joined = []


def joined():
    """(folder, address) of a cluster whose nodes and managers have joined: each case begins with a copy."""
    if not _joined:
        world = World()
        cluster = Cluster(world)
        broker = cluster.broker()
        for name in NODES:
            assert cluster.node(name).stop() == 0
        for name in ("manager", "witness"):
            cluster.manager_config(name)
        assert broker.stop() == 0
        folder = tempfile.mkdtemp(prefix="pt-", dir="/tmp")
        shutil.move(cluster.folder, folder)
        wrong = world.close()
        assert not wrong, wrong
        world.remove()
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        _joined.append((pathlib.Path(folder) / "cluster", cluster.address))
    return _joined[0]


class ClusterCase(chaos.Case):
    """One fault in one job in one cluster."""

    spread = {"spread": 1}

    def __init__(self, fault, victim, seed, timeout):
        folder, address = joined()
        super().__init__(fault, victim, seed, timeout)
        self.cluster = Cluster(self.world)
        shutil.copytree(folder, self.cluster.folder, dirs_exist_ok=True)
        self.cluster.address = address
        patience = max(timeout, 5000) if victim == "keeper" else timeout
        self.grace = patience / 1000 + scaled(1)
        if fault == "kill" and victim in ("keeper", "worker"):
            self.grace = scaled(1)

    # --- what is there

    def _prepare(self):
        # Two nodes must have room for all where the third is lost; else a level may have to go to another node.
        lost = self.victim in ("keeper", "machine") and self.fault != "nap"
        self.places = 4 if lost else 3
        self.broker = self.cluster.broker()
        self.nodes = {name: self._node(name, ready=False) for name in NODES}
        for program in self.nodes.values():
            program.line(r"ready .*", 20)
        self._watch(self.cluster.manager("witness"), on=NODES[0])
        self.name = self.dice.choice(NODES[1:] if lost else NODES)  # a lost node is none of the witness's
        self.node = self.nodes[self.name]
        self.keeper, self.agent = self.node.pid, self._part(self.name, "agent")
        return Job(self.cluster.manager())

    def _node(self, name, **options):
        return self.cluster.node(name, "--places", str(self.places), **options)

    def _part(self, name, role):
        return next(p.pid for p in proc.descendants(self.nodes[name].pid) if proc.role(p) == role)

    def _on(self, name):
        """Workers that a node has."""
        return {p.pid for p in proc.descendants(self.nodes[name].pid) if p.name == "tw" and not p.zombie}

    def _machine_processes(self):
        return [self.node.pid, *(p.pid for p in proc.descendants(self.node.pid) if not p.zombie)]

    def spared(self):
        return not (self.fault == "stop" and self.victim == "broker")

    def _log(self):
        logs = sorted(self.cluster.folder.glob("*.log"), key=lambda p: p.stat().st_mtime)
        return "\n".join(f"{p.name}: {p.read_text(errors='replace')[-1500:]}" for p in logs)

    def run(self):
        self.stopped = []
        return super().run()

    def _run(self):
        try:
            return super()._run()
        finally:
            self._wake()

    # --- the fault

    def _sleep(self, pids):
        for pid in pids:
            proc.kill(pid, signal.SIGSTOP)
            self.stopped.append(pid)

    def _wake(self):
        while self.stopped:
            proc.kill(self.stopped.pop(), signal.SIGCONT)

    def _nap(self, job, pids):
        self._sleep(pids)
        time.sleep(self.dice.uniform(0.1, 0.5) * self.timeout / 1000)
        self._wake()
        job.finish()
        job.check_all()

    def _manager(self, job):
        if self.fault == "nap":
            return self._nap(job, [job.m.pid])
        return super()._manager(job)

    def _agent(self, job):
        if self.fault != "nap":
            return self._agent_replaced(job)
        return self._nap(job, [self.agent])

    def _agent_replaced(self, job):
        since = time.monotonic()
        proc.kill(self.agent, self.signal)
        job.finish()
        job.check_all()
        while proc.alive(self.agent):
            demand(time.monotonic() < since + self.grace + 0.05, "the agent that was hit is still there")
            time.sleep(0.01)
        demand(self.node.process.poll() is None, "the keeper was replaced, too")

    def _worker(self, job):
        if self.fault != "nap":
            return super()._worker(job)
        mine = self._workers()
        if not mine:
            return "missed"
        return self._nap(job, [self.dice.choice(sorted(mine))])

    def _keeper(self, job):
        if self.fault == "nap":
            return self._nap(job, [self.keeper])
        others = self._elsewhere()
        had = self._on(self.name) | {self.keeper}
        since = time.monotonic()
        proc.kill(self.keeper, self.signal)
        while left := [p for p in had if proc.alive(p)]:
            demand(time.monotonic() < since + self.grace + 0.05, f"still there: {[proc.find(p) for p in left]}")
            time.sleep(0.01)
        self.world.wait_gone([self.agent], 3)
        self._check_lost(job, others, since)
        return self._serves_again()

    def _broker(self, job):
        if self.fault == "nap":
            return self._nap(job, [self.broker.pid])
        if self.fault == "kill":
            self.broker.kill()
            time.sleep(self.dice.uniform(0, 0.3))
            self.broker = self.cluster.broker()
            job.finish()
            return job.check_all()
        since = time.monotonic()
        self._sleep([self.broker.pid])
        self.witness_pid, witness = None, self.witness_pid
        self._gone([witness], since)
        self._wake()
        self._check_lost(job, set(), since)
        self.witness.until("dead", self.own)
        self._serves("the broker")

    def _machine(self, job):
        if self.fault == "nap":
            return self._nap(job, self._machine_asleep())
        others = self._elsewhere()
        since = time.monotonic()
        pids = self._machine_asleep()
        if self.fault == "kill":
            for pid in reversed(pids):
                proc.kill(pid)
            self.stopped.clear()
            self.node.process.wait()
            self.world.wait_gone(pids, 3)
            self._check_lost(job, others, since)
            return self._serves_again()
        time.sleep(self.dice.uniform(1.4, 2) * self.timeout / 1000)
        self._wake()
        woken = time.monotonic()
        self._check_lost(job, others, since)
        alive = {pid for w, pid in job.numbers().items() if job.m.command("state", w)["alive"]}
        while left := self._on(self.name) - alive:
            demand(time.monotonic() < woken + self.grace + 0.05, f"still there after waking: {list(map(proc.find, left))}")
            time.sleep(0.01)
        return self._serves("the node", on=self.name)

    def _machine_asleep(self):
        """Stops all of a node: the keeper first, so that nothing new comes, then what it has."""
        self._sleep([self.node.pid])
        while more := [p for p in self._machine_processes() if p not in self.stopped]:
            self._sleep(more)
        return list(self.stopped)

    # --- what follows

    def _elsewhere(self):
        """The job's workers that the fault must not touch."""
        return {p for name in NODES if name != self.name for p in self._on(name)} - {self.witness_pid}

    def _check_lost(self, job, others, since):
        """Workers elsewhere have done all; any other one has, too, or its manager was told that it is lost."""
        job.finish()
        took = time.monotonic() - since
        demand(took < self.grace + scaled(12), f"the manager was told after {took:.1f} s: {job.slow}")
        start = job.answers["start"]
        demand(start["err"] == 0 or start["text"], f"start: {start}")
        numbers = job.numbers()
        for worker in start["workers"]:
            end = job.m.command("exit", worker)
            name = chaos.ERROR_NAMES.get(end.get("cause"), end.get("cause"))
            if worker != 5 and end["ended"] or worker == 5 and name in LOST:
                end = job.ended(worker)
                demand(name in LOST, f"cause of worker {worker}: {end}")
                demand(numbers[worker] not in others, f"worker {worker} was elsewhere, and ended: {end}")
                job.check_remains(worker)
            elif worker == 4:
                values = job.results(4)
                demand(len(values) == 1, f"results of worker 4: {values}, {job.m.command('error', 4)}")
            else:
                job.check_worker(worker)

    def _serves(self, who, **options):
        fresh = self.cluster.manager()
        fresh.check("set", timeout=self.timeout)
        demand(fresh.call(fresh.start(**options), "add", 1, 2) == 3, f"{who} does not serve any more")

    def _serves_again(self):
        self.nodes[self.name] = again = self._node(self.name)
        self._serves("the node", on=self.name)
        demand(again.process.poll() is None, "the node ended")




if __name__ == "__main__":
    sys.exit(chaos.main(__doc__, FAULTS, VICTIMS, TIMEOUT, ClusterCase))
