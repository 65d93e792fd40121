#!/usr/bin/env python3
"""Says what folders hold: kinds, sizes, entropy, the largest files, duplicates; the work is done by worker processes."""

import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # while there is nothing to tidy up, Ctrl-C just ends us

import argparse
import json
import math
import os
import sys
import time
from collections import Counter, defaultdict

from Pro.MP import ProManager, ProMPError

from crew import Crew, Failed
from report import report, table
from screen import Screen

HERE = os.path.dirname(os.path.abspath(__file__))
EXIT_FAILED = 3  # the report could not be made; wrong usage is 2


class Interrupted(Exception):
    """Ctrl-C came."""


class Interrupt:
    """Ctrl-C while the survey runs: noted by the handler, obeyed at the next check, so that no step is left half done."""

    def __init__(self):
        self.came = False
        if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
            signal.signal(signal.SIGINT, self.note)

    def note(self, number, frame):
        self.came = True

    def check(self):
        if self.came:
            raise Interrupted


def facts_of(entry):
    """Returns the size of a file, and what all names of it have in common."""
    try:
        facts = entry.stat(follow_symlinks=False)
    except OSError:  # it is gone: opening it will say so
        return 0, entry.path
    return facts.st_size, (facts.st_dev, facts.st_ino)


def files_below(folders, failures, screen, check):
    """Returns all regular files below the folders: name as bytes -> (size, inode). Symbolic links are not followed."""
    found, failed, waiting = {}, {}, [os.fsencode(os.path.realpath(folder)) for folder in reversed(folders)]
    while waiting:
        check()
        screen.show("walking: %d files" % len(found))
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                entries = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            failed[folder] = error.strerror or str(error)
            continue
        below = []
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                found[entry.path] = facts_of(entry)
        waiting += reversed(below)
    failures += failed.items()
    return found


def same_size(files):
    """Returns the names of files that may be equal, with their sizes: same size, not empty, each inode once."""
    inodes = {inode: (name, size) for name, (size, inode) in files.items() if size}
    sizes = Counter(size for _, size in inodes.values())
    return {name: size for name, size in inodes.values() if sizes[size] > 1}


def survey(options, screen, check):
    """Does the whole job. Returns the report as a dict."""
    started = time.monotonic()
    failures, facts, digests = [], {}, defaultdict(list)
    with open(os.path.join(HERE, "signatures.json"), encoding="utf-8") as file:
        signatures = [[s["name"], s["offset"], bytes.fromhex(s["bytes"])] for s in json.load(file)]

    def blame(name, cause):
        failures.append((name, cause))

    def looked(name, value, error):
        if error:
            blame(name, error)
        else:
            *facts[name], digest = value
            if digest:
                digests[digest].append(name)

    files = files_below(options.folder, failures, screen, check)
    hashed = same_size(files)
    names = sorted(files, key=lambda name: -hashed.get(name, 0))  # the long ones first: nobody waits for one at the end
    with ProManager() as manager:
        crew = Crew(manager, options.workers, options.patience, screen, blame, check)
        crew.run(options.script, "look_all", names, hashed, [signatures], looked)
    check()
    return report(facts, digests, failures, time.monotonic() - started)


def workers(text):
    if not 1 <= int(text) <= 1000:
        raise ValueError(text)
    return int(text)


def seconds(text):
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(text)
    return value


def parse(argv):
    parser = argparse.ArgumentParser(
        prog="survey.py", formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Says what folders hold: kinds, sizes, entropy, the largest files, duplicates by BLAKE2b.\n"
                    "The work is done by worker processes; a file that crashes or hangs one is named in the report.",
        epilog="Exit code: 0 report complete, 2 wrong usage or a folder given that cannot be read,\n"
               "3 it could not be made, 130 interrupted. What cannot be read below is told in the report.\n"
               "example: survey.py --workers 4 --json /usr/lib > report.json")
    parser.add_argument("folder", nargs="*", default=["/usr/lib"], help="folders to look at (default: /usr/lib)")
    parser.add_argument("--workers", type=workers, default=len(os.sched_getaffinity(0)), metavar="N",
                        help="worker processes, 1 to 1000 (default: one per processor)")
    parser.add_argument("--patience", type=seconds, default=30, metavar="SECONDS",
                        help="how long a worker may be at one file without any progress (default: 30)")
    parser.add_argument("--script", default=os.path.join(HERE, "examine.py"), metavar="FILE",
                        help="what the workers run: defines look_all (default: examine.py)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    options = parser.parse_args(argv)
    for folder in options.folder:
        try:
            os.scandir(folder).close()
        except OSError as error:
            parser.error("%s: %s" % (os.fsencode(folder).decode("utf-8", "backslashreplace"), error.strerror))
    return options


def show(text):
    """Prints the report; who reads it may leave early."""
    sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main(argv=None):
    interrupt = Interrupt()
    options = parse(argv)
    screen = Screen(sys.stderr, options.quiet)
    try:
        found = survey(options, screen, interrupt.check)
    except Interrupted:
        screen.clear()
        print("survey: interrupted", file=sys.stderr)
        return 130
    except (Failed, ProMPError, OSError, SyntaxError) as error:
        screen.clear()
        print("survey: %s" % error, file=sys.stderr)
        return EXIT_FAILED
    screen.clear()
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # the work is over: a reader that waits can be interrupted
    show(json.dumps(found, indent=2) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
