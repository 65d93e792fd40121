#!/usr/bin/env python3
"""Calls from Python to Python in another process: promp beside multiprocessing.Pool, ProcessPoolExecutor and execnet.

Prints, for each, the median round trip of one call, calls per second with many in flight over two workers, and the time
from the start of a worker to its first answer; rounds alternate between the peers, medians of all rounds count.
example: PYTHONPATH=build/python python3 bench/python_calls.py --rounds 5
"""

import argparse
import concurrent.futures
import importlib.util
import json
import multiprocessing
import statistics
import sys
import time

WORKERS = 2
SOURCE = "def add(a, b):\n    return a + b\n"


def add(a, b):
    return a + b


class Promp:
    name = "promp"

    def __init__(self):
        from Pro.MP import ProManager, ProWorker_Any

        self.any = ProWorker_Any
        self.manager = ProManager()
        self.workers = self.manager.startWorkers(WORKERS)
        while not self.manager.isWorkerReady(0xFFFFFFFF):
            self.manager.wait(100)
            self.manager.processMessages()

    def call(self):
        manager, worker = self.manager, self.workers[0]
        manager.evalPythonFunction(worker, SOURCE, "add", [4, 5], True)
        while not manager.hasResults():
            manager.wait()
            manager.processMessages()
        assert manager.takeResult(worker) == 9

    def many(self, count):
        manager, left = self.manager, count
        for i in range(count):
            manager.evalPythonFunction(self.workers[i % WORKERS], SOURCE, "add", [4, 5], True)
        while left:
            manager.wait()
            manager.processMessages()
            while manager.hasResults():
                assert manager.takeResult(self.any) == 9
                left -= 1

    def close(self):
        self.manager.close() if hasattr(self.manager, "close") else self.manager.__exit__(None, None, None)


class Pool:
    name = "multiprocessing.Pool"

    def __init__(self):
        self.pool = multiprocessing.get_context("spawn").Pool(WORKERS)
        self.call()

    def call(self):
        assert self.pool.apply(add, (4, 5)) == 9

    def many(self, count):
        for result in [self.pool.apply_async(add, (4, 5)) for _ in range(count)]:
            assert result.get() == 9

    def close(self):
        self.pool.terminate()
        self.pool.join()


class Executor:
    name = "ProcessPoolExecutor"

    def __init__(self):
        self.pool = concurrent.futures.ProcessPoolExecutor(WORKERS, multiprocessing.get_context("spawn"))
        self.call()

    def call(self):
        assert self.pool.submit(add, 4, 5).result() == 9

    def many(self, count):
        for future in [self.pool.submit(add, 4, 5) for _ in range(count)]:
            assert future.result() == 9

    def close(self):
        self.pool.shutdown()


class Execnet:
    name = "execnet"

    def __init__(self):
        import execnet

        self.group = execnet.Group()
        loop = SOURCE + "for a, b in channel:\n    channel.send(add(a, b))\n"
        self.channels = [self.group.makegateway("popen//python=" + sys.executable).remote_exec(loop) for _ in range(WORKERS)]
        self.call()

    def call(self):
        self.channels[0].send((4, 5))
        assert self.channels[0].receive() == 9

    def many(self, count):
        for i in range(count):
            self.channels[i % WORKERS].send((4, 5))
        for i in range(count):
            assert self.channels[i % WORKERS].receive() == 9

    def close(self):
        self.group.terminate(timeout=1)


def measure(kind, calls, flight):
    begin = time.perf_counter()
    peer = kind()
    started = time.perf_counter() - begin
    try:
        for _ in range(200):
            peer.call()
        trips = []
        for _ in range(calls):
            begin = time.perf_counter()
            peer.call()
            trips.append(time.perf_counter() - begin)
        begin = time.perf_counter()
        peer.many(flight)
        rate = flight / (time.perf_counter() - begin)
    finally:
        peer.close()
    return {"start_ms": started * 1e3, "call_us": statistics.median(trips) * 1e6, "calls_per_s": rate}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=2000, help="calls one after the other in a round")
    parser.add_argument("--flight", type=int, default=20000, help="calls at once in a round")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    kinds = [Promp, Pool, Executor]
    if importlib.util.find_spec("execnet"):
        kinds.append(Execnet)
    else:
        print("execnet is left out: it is not installed for %s (Debian: python3-execnet)" % sys.executable, file=sys.stderr)
    rounds = {kind.name: [] for kind in kinds}
    for number in range(options.rounds):
        for kind in kinds:
            if sys.stderr.isatty():
                print("round %d of %d: %-22s" % (number + 1, options.rounds, kind.name), end="\r", file=sys.stderr)
            rounds[kind.name].append(measure(kind, options.calls, options.flight))
    medians = {name: {key: statistics.median(row[key] for row in rows) for key in rows[0]} for name, rows in rounds.items()}
    if options.json:
        print(json.dumps(medians))
        return
    print("%-22s %12s %12s %14s" % ("Python calls", "call, us", "calls/s", "start of 2, ms"))
    for name, row in medians.items():
        print("%-22s %12.1f %12.0f %14.1f" % (name, row["call_us"], row["calls_per_s"], row["start_ms"]))


if __name__ == "__main__":
    main()
