#!/usr/bin/env python3
"""Puts a fault into a running job, again and again, and checks what is promised for it.

    tests/chaos.py --fault kill|stop --victim manager|agent|keeper|worker --times 200 --seed 1

A job is one manager with five workers (calls; output; messages; a manager of its own, two levels deep; one that exits
with a code), beside it a witness: another manager with a worker on the same node, which must not be disturbed. At a random moment, from before
the first worker until after the last call, the victim gets SIGKILL or SIGSTOP. Then:

manager   killed: all its processes are gone within 1 s; frozen: within its time-out + 1 s, and it is told on waking
agent     work goes on: every result, message, line of output and exit code arrives, exactly once
keeper    all workers are gone (killed: 1 s; frozen: time-out, at least 5 s, + 1 s), managers are told, the next manager gets a new node
worker    its manager is told, nobody else notices; frozen: within its time-out + 1 s

and always: no orphan, no zombie, no report of a sanitizer. Every case can be repeated by its seed (--times 1 --seed N).
The random moment is the one sleep that is meant.
"""

import argparse
import os
import pathlib
import random
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from support import build, proc  # noqa: E402
from support.build import ERROR_NAMES, scaled  # noqa: E402
from support.manager import TW, Manager, ManagerDied  # noqa: E402
from support.values import from_words, words  # noqa: E402
from support.world import World  # noqa: E402

VICTIMS = ("manager", "agent", "keeper", "worker")
CALLS, LINES, MESSAGES, LEVELS = 40, 400, 200, 2
WORKERS = (1, 2, 3, 4, 5)
JOB = 0.3  # seconds in which the fault comes


class Violation(Exception):
    pass


def demand(condition, text):
    if not condition:
        raise Violation(text)


class Job:
    """The job's commands, sent all at once, and later their answers."""

    def __init__(self, manager):
        self.m = manager
        self.names = []
        self.answers = {}
        self.slow = []  # what took seconds

    def send(self, key, name, *args, values=None, **options):
        tail = " : " + " ".join(map(words, values)) if values is not None else ""
        self.m.send_command(name, *args, tail=tail, **options)
        self.names.append(key)

    def begin(self, timeout, **options):
        self.send("set", "set", options=1, timeout=timeout)
        self.send("output", "output", "count")
        self.send("start", "start", TW, count=len(WORKERS), **options)
        self.send("nap", "task", 5, "sleep", values=[120], result=0)
        self.send("leave", "task", 5, "exit", values=[42])
        self.send("flood-task", "task", 3, "messages", values=[MESSAGES])
        self.send("flood", "flood", 3, 9, MESSAGES, 100)
        self.send("lines", "task", 2, "lines", result=0, values=[LINES, 0, 60])
        self.send("nest", "task", 4, "nest", values=[LEVELS, ""])
        for i in range(CALLS):
            self.send(f"call {i}", "task", 1, "echo", values=[i])
            if i % 4 == 0:
                self.send(f"sleep {i}", "task", 1, "sleep", values=[8], result=0)
        self.send("drain", "drain", 3, MESSAGES, int(scaled(20) * 1000))
        self.send("idle", "until", "idle", "any", int(scaled(20) * 1000))

    def finish(self):
        for key in self.names:
            since = time.monotonic()
            self.answers[key] = self.m.answer(60)
            if time.monotonic() - since > 5:
                self.slow.append((key, self.answers[key]))
        self.names = []

    def numbers(self):
        """{number: process} of the workers that it started by itself; 0 when it does not know."""
        return {w: self.m.command("state", w)["pid"] for w in self.answers["start"]["workers"]}

    def results(self, worker):
        values = []
        while True:
            answer = self.m.command("result", worker)
            if not answer["got"]:
                return values
            values.append(from_words(answer["value"]))

    def ended(self, worker, timeout=10):
        """The exit of a worker, cause as a name; Violation when it is not told, or not in words."""
        answer = self.m.command("until", "dead", worker, int(scaled(timeout) * 1000))
        demand(answer["reached"], f"the manager was not told that worker {worker} is gone: {answer}")
        end = self.m.command("exit", worker)
        demand(end["ended"] and end["text"], f"the end of worker {worker} is not told in words: {end}")
        end["cause"] = ERROR_NAMES.get(end["cause"], end["cause"])
        return end

    # --- what each worker of the job must have done

    def check_started(self):
        start = self.answers["start"]
        demand(start["err"] == 0 and start["started"] == len(WORKERS), f"start: {start}")

    def check_all(self):
        """Nothing of the job is missing, and nothing came twice."""
        self.check_started()
        demand(self.answers["idle"]["reached"], f"not idle: {self.answers['idle']}")
        for worker in WORKERS:
            self.check_worker(worker)

    def check_worker(self, worker):
        (self._calls, self._lines, self._messages, self._nest, self._leave)[worker - 1]()

    def _calls(self):
        values = self.results(1)
        demand(values == list(range(CALLS)), f"results of worker 1: {values}")

    def _leave(self):
        end = self.ended(5)
        demand((end["cause"], end["code"]) == ("WORKER_EXITED", 42), f"exit code 42 is not reported: {end}")

    def _lines(self):
        counted = self.m.command("counted")
        demand((counted["records"], counted["wrong"]) == (LINES, 0), f"output of worker 2: {counted}")

    def _messages(self):
        drain = self.answers["drain"]
        demand((drain["count"], drain["wrong"]) == (MESSAGES, 0), f"messages of worker 3: {drain}")
        values = self.results(3)
        demand(values == [MESSAGES], f"result of worker 3: {values}")

    def _nest(self):
        values = self.results(4)
        demand(len(values) == 1, f"results of worker 4: {values}, {self.m.command('error', 4)}")
        value, depth = values[0], 0
        while isinstance(value, list):
            value, depth = value[2], depth + 1
        demand((value, depth) == (None, LEVELS + 1), f"levels of worker 4: {values}")

    def check_remains(self, worker):
        """A worker that was hit: what did arrive is right and came once."""
        if worker == 1:
            values = self.results(1)
            demand(values == list(range(len(values))), f"results of worker 1: {values}")
        if worker == 2:
            counted = self.m.command("counted")
            demand(counted["wrong"] == 0 and counted["records"] <= LINES, f"output of worker 2: {counted}")
        if worker == 3:
            drain = self.answers["drain"]
            demand(drain["wrong"] == 0 and drain["count"] <= MESSAGES, f"messages of worker 3: {drain}")


class Case:
    """One fault in one job in one world."""

    spread = {}  # how the job's workers are started

    def spared(self):
        """Whether the witness must not notice."""
        return self.victim != "keeper"

    def __init__(self, fault, victim, seed, timeout):
        self.fault, self.victim, self.timeout = fault, victim, timeout
        self.dice = random.Random(f"{fault} {victim} {seed}")
        self.world = World(idle_ms=150)
        self.signal = signal.SIGKILL if fault == "kill" else signal.SIGSTOP
        # Within this time all that has to go is gone.
        patience = max(timeout, 5000) if victim == "keeper" else timeout
        self.grace = scaled(1) if fault == "kill" else patience / 1000 + scaled(1)

    def run(self):
        """None, or what was violated; "missed" when there was no victim at that moment."""
        wrong = []
        missed = False
        try:
            missed = self._run() == "missed"
        except Violation as v:
            wrong.append(str(v))
        except (AssertionError, ManagerDied, KeyError) as e:
            wrong.append(f"{type(e).__name__}: {e}")
        notes = self._log() if wrong else ""
        wrong += self.world.close()
        self.world.remove()
        if wrong and notes:
            wrong.append("log:\n" + notes)
        return "missed" if missed and not wrong else "\n    ".join(wrong) or None

    def _log(self):
        return self.world.log()[-3000:]

    def _watch(self, witness, **options):
        """The witness with its worker."""
        witness.check("set", timeout=self.timeout)
        self.witness, self.own = witness, witness.start(**options)
        self.witness_pid = witness.worker_pid(self.own)

    def _prepare(self):
        """Witness and manager of the job."""
        w = self.world
        self._watch(w.manager())
        self.keeper, self.agent = w.one("keeper").pid, w.one("agent").pid
        return Job(w.manager())

    def _run(self):
        w = self.world
        job = self._prepare()
        witness, own = self.witness, self.own
        job.begin(self.timeout, **self.spread)
        time.sleep(self.dice.uniform(0, JOB) * build.SLOW)
        if getattr(self, "_" + self.victim)(job) == "missed":
            return "missed"
        if self.spared():
            demand(witness.call(own, "add", 20, 22) == 42, "the witness's worker does not answer")
            demand(proc.alive(self.witness_pid), "the witness's worker is gone")
        proc.wait_until(lambda: not w.foreign_zombies(), 1, lambda: f"zombies: {w.foreign_zombies()}")
        return None

    def _workers(self):
        return [p.pid for p in self.world.workers() if p.pid != self.witness_pid]

    def _gone(self, pids, since):
        """All of these, and every later worker of the job, have ended in time."""
        deadline = since + self.grace
        while True:
            left = [p for p in set(pids) | set(self._workers()) if proc.alive(p)]
            if not left:
                return
            demand(time.monotonic() < deadline + 0.05,
                   f"still there {time.monotonic() - since:.2f} s after the fault: {[proc.find(p) for p in left]}")
            time.sleep(0.01)

    def _manager(self, job):
        pid = job.m.pid
        os.kill(pid, self.signal)
        since = time.monotonic()
        if self.fault == "kill":
            job.m.process_.wait()
            self._gone([], since)
            return
        had = self._workers()
        self._gone(had, since)
        os.kill(pid, signal.SIGCONT)
        job.finish()
        for worker in job.answers["start"]["workers"]:
            state = job.m.command("state", worker)
            if not state["alive"] or state["pid"] in had:
                end = job.ended(worker)
                demand(end["cause"] in ("WORKER_LEASE", "WORKER_EXITED", "WORKER_STOPPED"),
                       f"cause after the manager was frozen: {end}")

    def _agent(self, job):
        os.kill(self.agent, self.signal)
        since = time.monotonic()
        job.finish()
        job.check_all()
        while proc.alive(self.agent):
            demand(time.monotonic() < since + self.grace + 0.05, "the agent that was hit is still there")
            time.sleep(0.01)
        demand(self.world.one("keeper").pid == self.keeper, "the keeper was replaced, too")

    def _keeper(self, job):
        since = time.monotonic()
        os.kill(self.keeper, self.signal)
        had = self._workers()
        deadline = since + self.grace
        while [p for p in [*had, self.witness_pid, self.keeper] if proc.alive(p)]:
            demand(time.monotonic() < deadline + 0.05, f"still there: {self.world.living()}")
            time.sleep(0.01)
        job.finish()
        start = job.answers["start"]
        demand(start["err"] == 0 or start["text"], f"start: {start}")
        for worker in start["workers"]:
            end = job.ended(worker)
            # One that exits while the keeper is frozen: its manager cannot be told how before its own time-out is over.
            lost = ("WORKER_NODE_LOST", "WORKER_EXITED", *(("WORKER_LEASE",) if self.fault == "stop" and worker == 5 else ()))
            demand(end["cause"] in lost, f"cause of worker {worker} after the keeper's death: {end}")
        self.world.wait_gone([self.agent], 3)
        fresh = self.world.manager()
        demand(fresh.call(fresh.start(), "add", 1, 2) == 3, "no new node")

    def _worker(self, job):
        mine = self._workers()
        if not mine:
            return "missed"
        hit = self.dice.choice(sorted(mine))
        since = time.monotonic()
        proc.kill(hit, self.signal)
        job.finish()
        while proc.alive(hit):
            demand(time.monotonic() < since + self.grace + 0.05, f"still there: {proc.find(hit)}")
            time.sleep(0.01)
        job.check_started()
        number = {pid: w for w, pid in job.numbers().items()}.get(hit)
        for worker in WORKERS:
            if worker != number and (worker != 4 or number):
                job.check_worker(worker)
        if number:
            end = job.ended(number)
            expected = ("WORKER_SIGNALLED",) if self.fault == "kill" else ("WORKER_UNRESPONSIVE",)
            demand(end["cause"] in expected or number == 5 and end["code"] == 42, f"cause of the hit worker: {end}")
            job.check_remains(number)
        else:  # in a chain: its own manager was told, and said so in its result
            values = job.results(4)
            demand(len(values) == 1, f"results of worker 4: {values}")
        return None


def campaign(fault, victim, times, seed, timeout=1000, progress=None, case=Case):
    """Cases until `times` of them hit something; (hits, misses, [(seed, violation), ...])."""
    hits = misses = 0
    violations = []
    while hits < times and misses < 3 * times + 10:
        outcome = case(fault, victim, seed, timeout).run()
        misses += outcome == "missed"
        hits += outcome != "missed"
        if outcome not in (None, "missed"):
            violations.append((seed, outcome))
        seed += 1
        if progress:
            progress(hits, violations)
    return hits, misses, violations


def main(text=__doc__, faults=("kill", "stop"), victims=VICTIMS, timeout=1000, case=Case):
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fault", choices=(*faults, "all"), default="all")
    parser.add_argument("--victim", choices=(*victims, "all"), default="all")
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--timeout", type=int, default=timeout, help="manager time-out in ms")
    args = parser.parse_args()
    proc.become_subreaper()
    rows, bad = [], 0
    kinds = [(f, v) for f in faults for v in victims
             if args.fault in (f, "all") and args.victim in (v, "all")]
    for fault, victim in kinds:
        begin = time.monotonic()

        def progress(hits, violations, fault=fault, victim=victim):
            end = "\n" if not sys.stderr.isatty() and hits % 20 == 0 else "\r" if sys.stderr.isatty() else None
            if end:
                print(f"{fault} {victim}: {hits} of {args.times}, {len(violations)} violations", end=end,
                      file=sys.stderr, flush=True)

        hits, misses, violations = campaign(fault, victim, args.times, args.seed, args.timeout, progress, case)
        for seed, words_ in violations:
            print(f"VIOLATION {fault} {victim} --seed {seed}\n    {words_}", flush=True)
        bad += len(violations)
        rows.append((fault, victim, hits, misses, len(violations), time.monotonic() - begin))
    print(f"\n{'fault':8}{'victim':10}{'times':>7}{'missed':>8}{'violations':>12}{'seconds':>9}")
    for fault, victim, hits, misses, violations, seconds in rows:
        print(f"{fault:8}{victim:10}{hits:7}{misses:8}{violations:12}{seconds:9.0f}")
    return 1 if bad or any(row[2] < args.times for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
