#!/usr/bin/env python3
"""How long a Python worker takes from startWorker() until it is ready, on a node that runs, beside `python3 -c pass`.

The two alternate, so that what else the machine does hits both; the median counts.
example: PYTHONPATH=build/python python3 bench/python_start.py --rounds 30
"""

import argparse
import json
import statistics
import subprocess
import sys
import time

from Pro.MP import ProManager


def bare():
    """Seconds that an interpreter takes that does nothing."""
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - begin


def start(manager):
    """Seconds from startWorker() to ready; the worker is gone when this returns."""
    begin = time.perf_counter()
    worker = manager.startWorker()
    while not manager.isWorkerReady(worker):
        if not manager.isWorkerAlive(worker):
            raise SystemExit("a worker did not start: %s" % (manager.lastError() or manager.workerExit(worker)))
        manager.wait(1000)
        manager.processMessages()
    seconds = time.perf_counter() - begin
    manager.stopWorker(worker)
    while manager.isWorkerAlive(worker):
        manager.wait(1000)
        manager.processMessages()
    return seconds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    workers, interpreters = [], []
    with ProManager() as manager:
        start(manager), bare()  # the node runs then, and files are in memory
        for _ in range(max(1, options.rounds)):
            interpreters.append(bare())
            workers.append(start(manager))
    worker, interpreter = statistics.median(workers) * 1e3, statistics.median(interpreters) * 1e3
    if options.json:
        print(json.dumps({"python_start": {"ready_ms": worker, "bare_ms": interpreter, "ratio": worker / interpreter}}))
        return
    print("%-30s %8s %8s %8s" % ("Python start, ms", "median", "least", "most"))
    for name, times in (("startWorker() to ready", workers), ("python3 -c pass", interpreters)):
        print("%-30s %8.1f %8.1f %8.1f" % (name, statistics.median(times) * 1e3, min(times) * 1e3, max(times) * 1e3))
    print("%-30s %8.2f" % ("ratio", worker / interpreter))


if __name__ == "__main__":
    main()
