#!/usr/bin/env python3
"""Containers: what sharing, opening, reading, searching and streaming cost, beside the promises that there are and beside
what else there is on one host.

Prints a row for each figure. mapped: memory that the worker maps; lent: a file whose descriptor it has; streamed: nothing is
lent, as between two machines. local: the container that the manager itself holds.
example: PYTHONPATH=build/python python3 bench/containers.py --gib 1
"""

import argparse
import contextlib
import json
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import random
import socket
import statistics
import tempfile
import time

from Pro.Core import NTContainer, createContainerFromFile
from Pro.MP import ProManager, ProWorker_Any

KIB, MIB, GIB, TIB = 1 << 10, 1 << 20, 1 << 30, 1 << 40
CHUNK = 256 * KIB
MAGIC = b"\xaa\xbb\xcc\xdd"

WORKER = r"""
import time
from Pro.MP import proWorkerObject

def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin

def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def opens(name, count):
    open_one = proWorkerObject().getSharedContainer
    return seconds(lambda: [open_one(name) for _ in range(count)]) / count

def search(name, magic, count):
    c = proWorkerObject().getSharedContainer(name)
    return [seconds(lambda: c.findFirst(magic)) for _ in range(count)]

def reads(name, offsets, size):
    c = proWorkerObject().getSharedContainer(name)
    return [seconds(lambda: c.read(at, size)) for at in offsets]

def through(name, piece):
    c = proWorkerObject().getSharedContainer(name)
    c.read(0, 10)
    idle = most = memory()
    begin = time.perf_counter()
    for at in range(0, c.size(), piece):
        assert len(c.read(at, piece)) == piece
        if at % (64 << 20) == 0:
            most = max(most, memory())
    return [time.perf_counter() - begin, max(most, memory()) - idle]
"""


@contextlib.contextmanager
def manager(streamed):
    """A manager and ask(function, *args), which runs one of the functions above in its worker."""
    os.environ["PROMP_SHARE"] = "stream" if streamed else ""
    with ProManager() as m:
        worker = m.startWorker()

        def ask(function, *args):
            m.evalPythonFunction(worker, WORKER, function, list(args), True)
            while not m.hasResults():
                m.wait(1000)
                m.processMessages()
                if m.hasErrors() or not m.isWorkerAlive(worker):
                    raise SystemExit("%s failed: %s" % (function, m.takeError(ProWorker_Any) or m.workerExit(worker)))
            return m.takeResult(worker)

        ask("memory")
        yield m, ask


def seconds(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def of(data):
    container = NTContainer()
    container.setData(data)
    return container


def sparse(folder, name, size):
    path = os.path.join(folder, name)
    with open(path, "wb") as file:
        file.truncate(size)
    return path


def send_all(path, end, ours):
    ours.close()
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(CHUNK)
        end.recv(1)
        while size := os.preadv(file.fileno(), [buffer], file.tell()):
            end.sendall(memoryview(buffer)[:size])
            file.seek(size, os.SEEK_CUR)
    end.close()


def bare(path):
    """Seconds that a file takes through a Unix stream socket from another process, in chunks."""
    ours, theirs = socket.socketpair()
    process = multiprocessing.get_context("fork").Process(target=send_all, args=(path, theirs, ours))
    process.start()
    theirs.close()
    buffer = bytearray(CHUNK)
    begin = time.perf_counter()
    ours.sendall(b"g")
    while ours.recv_into(buffer):
        pass
    passed = time.perf_counter() - begin
    process.join()
    ours.close()
    return passed


@contextlib.contextmanager
def memory_of(size):
    """The same bytes by multiprocessing.shared_memory."""
    memory = multiprocessing.shared_memory.SharedMemory(create=True, size=size)
    try:
        yield memory
    finally:
        memory.close()
        memory.unlink()


def of_sharing(m, folder):
    path, small = sparse(folder, "tib", TIB), of(b"x" * 300000)

    def share():
        m.shareContainer("tib", createContainerFromFile(path))

    times = [seconds(share) for _ in range(20)]
    begin = time.perf_counter()
    for i in range(10000):
        m.shareContainer("name %d" % i, small)
    each = (time.perf_counter() - begin) / 10000
    for i in range(10000):
        m.unshareContainer("name %d" % i)
    yield "share a file of 1 TiB", statistics.median(times) * 1e6, "us", 1000
    yield "share, each of 10,000 names", each * 1e6, "us", 1000


def of_opening(m, ask, folder, way):
    small = os.path.join(folder, "small")
    with open(small, "wb") as file:
        file.write(b"x" * 3000)
    m.shareContainer("small file", createContainerFromFile(small))
    m.shareContainer("file of 1 TiB", createContainerFromFile(sparse(folder, "tib", TIB)))
    m.shareContainer("3,000 bytes", of(b"x" * 3000))
    m.shareContainer("1 MiB of bytes", of(b"x" * MIB))
    for name in ("small file", "file of 1 TiB", "3,000 bytes", "1 MiB of bytes"):
        yield "open, %s: %s" % (way, name), statistics.median(ask("opens", name, 1000) for _ in range(5)) * 1e6, "us", None


def of_searching(m, ask, size, way, rounds):
    """The reference's example: a mark behind so many bytes, sought by the manager and then by its worker."""
    data, local, remote = b"\xff" * size + MAGIC, [], []
    for _ in range(rounds):
        container = of(data)
        m.shareContainer("mark", container)
        local.append(seconds(lambda: container.findFirst(MAGIC)))
        remote += ask("search", "mark", MAGIC, 1)
        m.unshareContainer("mark")
    local, remote = statistics.median(local), statistics.median(remote)
    name = "search of %d MiB" % (size // MIB)
    yield name + ", local", local * 1e3, "ms", None
    yield "%s, %s" % (name, way), remote * 1e3, "ms", None
    yield "%s, %s / local" % (name, way), remote / local, "", 1.2 if way == "mapped" else None


def of_searching_else(folder, size, rounds):
    """The same with what Python has: a file that is mapped, and shared memory, which can be searched as a copy only."""
    name, path = "search of %d MiB, " % (size // MIB), os.path.join(folder, "mark")
    with open(path, "wb") as file:
        file.write(b"\xff" * size + MAGIC)
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        yield name + "a plain file, mapped", 1e3 * statistics.median(seconds(lambda: mapped.find(MAGIC)) for _ in range(rounds)), "ms", None
    os.unlink(path)
    with memory_of(size + len(MAGIC)) as memory:
        memory.buf[size:size + len(MAGIC)] = MAGIC
        yield (name + "shared_memory",
               1e3 * statistics.median(seconds(lambda: bytes(memory.buf).find(MAGIC)) for _ in range(rounds)), "ms", None)


def of_reading(m, ask, folder, way):
    m.shareContainer("tib", createContainerFromFile(sparse(folder, "tib", TIB)))
    offsets = [900 * GIB + i * 10**9 for i in range(30)]
    yield "read 4 KiB at 900 GiB, " + way, statistics.median(ask("reads", "tib", offsets, 4096)) * 1e3, "ms", 5


def places(size, count):
    return [4096 * page for page in random.Random(1).choices(range(size // 4096), k=count)]


def through(read, size):
    """MiB a second, read in pieces of 1 MiB."""
    return size / MIB / seconds(lambda: [len(read(at, MIB)) for at in range(0, size, MIB)])


def at_random(read, size, count):
    """Microseconds of a read of 4 KiB."""
    return 1e6 * statistics.median(seconds(lambda at=at: read(at, 4096)) for at in places(size, count))


def of_local(m, ask, path, size, rounds, count):
    """Sequential and random reads without a worker, and of memory that a worker maps."""
    part = min(size, 256 * MIB)
    memory = of(os.urandom(MIB) * (part // MIB))
    m.shareContainer("memory", memory)
    file = createContainerFromFile(path)
    with open(path, "rb", buffering=0) as plain, memory_of(part) as shared:
        ways = {"a plain file": lambda at, piece: os.pread(plain.fileno(), piece, at),
                "shared_memory": lambda at, piece: bytes(shared.buf[at:at + piece]),
                "local, memory": memory.read, "local, file": file.read}
        shared.buf[:] = bytes(part)
        for name, read in ways.items():
            whole = size if "file" in name else part
            yield "sequential, " + name, statistics.median(through(read, whole) for _ in range(rounds)), "MiB/s", None
            yield "4 KiB at random, " + name, at_random(read, whole, count), "us", None
    passed = statistics.median(ask("through", "memory", MIB)[0] for _ in range(rounds))
    yield "sequential, mapped", part / MIB / passed, "MiB/s", None
    yield "4 KiB at random, mapped", 1e6 * statistics.median(ask("reads", "memory", places(part, count), 4096)), "us", None
    m.unshareContainer("memory")


def of_streaming(m, ask, path, size, way, rounds, count):
    m.shareContainer("long", createContainerFromFile(path))
    ways, pipes, memory = [], [], 0
    for _ in range(rounds):
        pipes.append(size / bare(path))
        passed, more = ask("through", "long", MIB)
        ways.append(size / passed)
        memory = max(memory, more)
    way_rate, pipe_rate = statistics.median(ways), statistics.median(pipes)
    yield "sequential, " + way, way_rate / MIB, "MiB/s", None
    if way == "streamed":
        yield "sequential, a bare Unix socket", pipe_rate / MIB, "MiB/s", None
        yield "sequential, streamed / bare", way_rate / pipe_rate, "", -0.8
        yield "more memory after it", memory / MIB, "MiB", 96
    yield "4 KiB at random, " + way, 1e6 * statistics.median(ask("reads", "long", places(size, count), 4096)), "us", None


def rows(options):
    size, rounds = int(options.gib * 1024) * MIB, options.rounds
    with tempfile.TemporaryDirectory(prefix="promp-bench-") as folder:
        path = sparse(folder, "long", size)
        for way in ("lent", "streamed"):
            with manager(way == "streamed") as (m, ask):
                if way == "lent":
                    yield from of_sharing(m, folder)
                    yield from of_local(m, ask, path, size, rounds, options.reads)
                yield from of_opening(m, ask, folder, way)
                for mib in options.search:
                    few = 3 * rounds if mib < 512 else min(rounds, 3)
                    yield from of_searching(m, ask, mib * MIB, "mapped" if way == "lent" else way, few)
                    if way == "lent":
                        yield from of_searching_else(folder, mib * MIB, few)
                yield from of_reading(m, ask, folder, way)
                yield from of_streaming(m, ask, path, size, way, rounds, options.reads)
        if options.memory > options.gib:
            with manager(True) as (m, ask):
                m.shareContainer("long", createContainerFromFile(sparse(folder, "more", int(options.memory * 1024) * MIB)))
                yield "more memory after %g GiB streamed" % options.memory, ask("through", "long", MIB)[1] / MIB, "MiB", 96


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=float, default=1, help="size of the file that is read from end to end")
    parser.add_argument("--search", type=int, nargs="+", default=[10, 1024], help="MiB that are searched")
    parser.add_argument("--memory", type=float, default=8, help="GiB that are streamed to see how memory grows")
    parser.add_argument("--reads", type=int, default=2000, help="reads at random")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many counts")
    parser.add_argument("--json", action="store_true", help="print one line of JSON")
    options = parser.parse_args()
    found = {}
    if not options.json:
        print("%-44s %10s %-6s %s" % ("containers", "figure", "", "promise"))
    for name, figure, unit, promise in rows(options):
        found[name] = figure
        if not options.json:
            text = "" if promise is None else "at most %g" % promise if promise > 0 else "at least %g" % -promise
            print(("%-44s %10.2f %-6s %s" % (name, figure, unit, text)).rstrip(), flush=True)
    if options.json:
        print(json.dumps({"containers": found}))


if __name__ == "__main__":
    main()
