#!/usr/bin/env python3
"""Says what a folder holds: kinds, sizes, entropy, signatures, duplicates; the work is done by worker processes.

example: promp -r survey.py --workers 4 /usr/lib
"""

import argparse
import json
import os
import sys
import time
from collections import Counter, defaultdict

from Pro.Core import NTSimpleWait
from Pro.MP import ProManager, ProMPOpt_AtomicOutput, ProWorker_All

HERE = os.path.dirname(os.path.abspath(__file__))
BATCH = 256  # files in one task


class Bar(NTSimpleWait):
    """One worker's progress: what its wait object shows."""

    def __init__(self):
        super().__init__()
        self.percent = 0
        self.at = None  # index in the batch of the file in hand

    def progress(self, i):
        self.percent = i

    def msg(self, text):
        self.at = int(text)


class Screen:
    """A line per worker on a terminal, a line now and then elsewhere."""

    def __init__(self, stream, quiet):
        self.stream, self.quiet = stream, quiet
        self.live = stream.isatty() and not quiet
        self.color = self.live and not os.environ.get("NO_COLOR")
        self.lines, self.last = 0, 0.0

    def show(self, title, bars, done, total):
        now = time.monotonic()
        if self.quiet or now - self.last < (0.1 if self.live else 5):
            return
        self.last = now
        if not self.live:
            print("%s: %d of %d files" % (title, done, total), file=self.stream, flush=True)
            return
        self.clear()
        for number, bar in bars.items():
            full = bar.percent * 30 // 100
            drawn = "#" * full + "." * (30 - full)
            if self.color:
                drawn = "\033[32m%s\033[0m" % drawn
            print("worker %3d [%s] %3d %%" % (number, drawn, bar.percent), file=self.stream)
        print("%s: %d of %d files" % (title, done, total), file=self.stream, flush=True)
        self.lines = len(bars) + 1

    def clear(self):
        if self.lines:
            self.stream.write("\033[%dA\033[J" % self.lines)
            self.lines = 0


class Crew:
    """Workers that take batches of files; one that dies or hangs is replaced and the file it was at is named."""

    def __init__(self, manager, count, patience, screen, failures):
        self.manager, self.patience, self.screen, self.failures = manager, patience, screen, failures
        self.bars, self.waits, self.work, self.since = {}, {}, {}, {}
        for worker in manager.startWorkers(count):
            self.add(worker)
        if not self.bars:
            raise SystemExit("survey: no worker could be started: %s" % manager.lastError())

    def add(self, worker):
        self.bars[worker] = Bar()
        self.waits[worker] = self.manager.createWaitObject(worker, self.bars[worker])

    def drop(self, worker):
        """A worker is gone: its file in hand is a failure, the rest of its batch is done by others."""
        bar, batch = self.bars.pop(worker), self.work.pop(worker, None)
        self.waits.pop(worker), self.since.pop(worker, None)
        end = self.manager.workerExit(worker)
        rest = []
        if batch:
            at = min(bar.at or 0, len(batch) - 1)
            self.failures.append([os.fsdecode(batch[at]), end.cause if end else "the worker was lost"])
            rest = batch[:at] + batch[at + 1:]
        fresh = self.manager.startWorker()
        if fresh:
            self.add(fresh)
        elif not self.bars:
            raise SystemExit("survey: no worker is left: %s" % self.manager.lastError())
        return rest

    def watch(self, worker):
        """A file that takes longer than the patience is given up with its worker."""
        bar = self.bars[worker]
        at, since = self.since.get(worker, (None, 0))
        if at != bar.at:
            self.since[worker] = (bar.at, time.monotonic())
        elif worker in self.work and time.monotonic() - since > self.patience:
            self.manager.abortOperation(worker, 0)

    def run(self, title, script, function, names, extra, take):
        """Hands out all names in batches; take(name, value, error) for each file that was looked at."""
        left = [names[i:i + BATCH] for i in range(0, len(names), BATCH)]
        left.reverse()
        done = 0
        while left or self.work:
            for worker in list(self.bars):
                if not self.manager.isWorkerAlive(worker):
                    rest = self.drop(worker)
                    if rest:
                        left.append(rest)
                elif worker not in self.work and left:
                    batch = self.work[worker] = left.pop()
                    self.bars[worker].at, self.since[worker] = None, (None, time.monotonic())
                    self.manager.executePythonFunction(worker, script, function, [batch, *extra, 0, len(batch)], True)
                else:
                    self.watch(worker)
                result = self.manager.takeResult(worker)
                if result is not None and worker in self.work:
                    batch = self.work.pop(worker)
                    for index, value, error in result:
                        take(batch[index], value, error)
                    done += len(batch)
            self.screen.show(title, self.bars, done, len(names))
            self.manager.wait(100)
            self.manager.processMessages()
            while (failure := self.manager.takeError(ProWorker_All)) is not None:
                if self.manager.isWorkerAlive(failure.worker) and failure.worker in self.work:
                    raise SystemExit("survey: %s failed: %s" % (function, failure))


def files_below(folders, failures):
    """Returns the regular files below the folders, as bytes, in order."""
    found = []
    for folder in folders:
        if not os.path.isdir(folder):
            failures.append([folder, "not a folder"])
        for root, folders_here, names in os.walk(os.fsencode(folder), onerror=lambda e: failures.append(
                [os.fsdecode(e.filename), e.strerror])):
            folders_here.sort()
            for name in sorted(names):
                path = os.path.join(root, name)
                if os.path.isfile(path) and not os.path.islink(path):
                    found.append(path)
    return found


def survey(options, screen):
    """Does the whole job. Returns the report as a dict."""
    started = time.monotonic()
    failures, facts, digests = [], {}, defaultdict(list)
    with open(os.path.join(HERE, "signatures.json"), encoding="utf-8") as file:
        signatures = [[s["name"], s["offset"], bytes.fromhex(s["bytes"])] for s in json.load(file)]
    names = files_below(options.folder, failures)

    def seen(name, value, error):
        if error:
            failures.append([os.fsdecode(name), error])
        else:
            facts[name] = value

    def hashed(name, value, error):
        if error:
            failures.append([os.fsdecode(name), error])
        else:
            digests[value].append(name)

    with ProManager() as manager:
        manager.setOptions(ProMPOpt_AtomicOutput)
        crew = Crew(manager, options.workers, options.patience, screen, failures)
        crew.run("looking", options.script, "look_all", names, [signatures], seen)
        # Only files of the same size can be equal.
        sizes = Counter(size for size, _, _ in facts.values() if size)
        same = [name for name, (size, _, _) in facts.items() if sizes[size] > 1]
        crew.run("hashing", options.script, "digest_all", same, [], hashed)
    screen.clear()
    return report(facts, digests, failures, len(names), time.monotonic() - started)


def report(facts, digests, failures, count, seconds):
    kinds = defaultdict(lambda: [0, 0, 0.0])
    for size, kind, bits in facts.values():
        row = kinds[kind]
        row[0], row[1], row[2] = row[0] + 1, row[1] + size, row[2] + bits
    largest = sorted(((value[0], os.fsdecode(name)) for name, value in facts.items()), reverse=True)[:10]
    groups = sorted(((facts[names[0]][0] * (len(names) - 1), sorted(map(os.fsdecode, names)))
                     for names in digests.values() if len(names) > 1), reverse=True)
    return {
        "files": count, "bytes": sum(value[0] for value in facts.values()), "seconds": round(seconds, 2),
        "kinds": {kind: {"files": n, "bytes": size, "entropy": round(bits / n, 2)}
                  for kind, (n, size, bits) in sorted(kinds.items(), key=lambda item: -item[1][1])},
        "largest": [{"path": path, "bytes": size} for size, path in largest],
        "duplicates": {"groups": len(groups), "wasted": sum(wasted for wasted, _ in groups),
                       "largest": [{"wasted": wasted, "paths": paths} for wasted, paths in groups[:10]]},
        "failures": [{"path": path, "cause": cause} for path, cause in sorted(failures)],
    }


def table(found):
    """Prints the report for people."""
    print("%-14s %10s %16s %8s" % ("kind", "files", "bytes", "entropy"))
    for kind, row in found["kinds"].items():
        print("%-14s %10d %16d %8.2f" % (kind, row["files"], row["bytes"], row["entropy"]))
    print("%-14s %10d %16d" % ("all", found["files"], found["bytes"]))
    print("\nlargest")
    for row in found["largest"]:
        print("%16d  %s" % (row["bytes"], row["path"]))
    wasted = found["duplicates"]
    print("\nduplicates: %d groups, %d bytes could be saved" % (wasted["groups"], wasted["wasted"]))
    for row in wasted["largest"][:5]:
        print("%16d  %s (%d times)" % (row["wasted"], row["paths"][0], len(row["paths"])))
    if found["failures"]:
        print("\nfailures")
        for row in found["failures"]:
            print("  %s: %s" % (row["path"], row["cause"]))
    print("\n%d files in %.1f s" % (found["files"], found["seconds"]))


def parse(argv):
    parser = argparse.ArgumentParser(prog="survey", description="Says what folders hold, by worker processes.",
                                     epilog="example: survey.py --workers 4 --json /usr/lib > report.json")
    parser.add_argument("folder", nargs="*", default=["/usr/lib"], help="folders to look at (default /usr/lib)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 2, help="worker processes (default: one per core)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--patience", type=float, default=30, help="seconds one file may take (default 30)")
    parser.add_argument("--script", default=os.path.join(HERE, "examine.py"),
                        help="what the workers run: a file that defines look_all and digest_all")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    options = parser.parse_args(argv)
    options.workers = max(1, options.workers)
    return options


def main(argv=None):
    options = parse(argv)
    screen = Screen(sys.stderr, options.quiet)
    try:
        found = survey(options, screen)
    except KeyboardInterrupt:
        print("survey: interrupted", file=sys.stderr)
        return 130
    if options.json:
        json.dump(found, sys.stdout, indent=2)
        print()
    else:
        table(found)
    return 1 if found["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
