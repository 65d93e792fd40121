"""Containers by the C library: what a manager shares, a native worker reads, lent or streamed."""

import os
import resource
import signal

import pytest

from support import proc
from support.build import ERROR_NAMES, SANITIZER

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@pytest.fixture(params=["lent", "stream"])
def way(request, world):
    """Both ways of the bytes: a descriptor, or pieces that are asked for."""
    if request.param == "stream":
        world.environment["PROMP_SHARE"] = "stream"
    return request.param


def pattern_file(m, path, seed, size):
    """A file of the pattern, made by the program that knows it."""
    m.check("pattern", seed, size, path)
    return path


def refusal(m, w, name, *args):
    """The name of the error with which the task failed."""
    error = m.failure(w, name, *args)
    return ERROR_NAMES[error["code"]]


SIZES = [0, 1, 4096, 64 * KIB, 64 * KIB + 1, 256 * KIB - 1, 256 * KIB, 3 * MIB + 17]


@pytest.mark.parametrize("size", SIZES)
def test_bytes_of_any_size(world, way, size):
    """A container of any size reads as it was made, in pieces of any size."""
    m = world.manager()
    m.check("share", "a", "bytes", size, 5)
    w = m.start()
    mapped = way == "lent" and size >= 256 * KIB or 0 < size <= 64 * KIB
    assert m.call(w, "size", "a") == (-size if mapped else size)
    for piece in [1, 4095, 70000] if size < 100000 else [70000, MIB]:
        assert m.call(w, "read", "a", 5, piece) == 0
    assert m.call(w, "read", "a", 5, 3 * MIB, 0, 1, 0, size + 5 * MIB) == 0  # beyond the end there is nothing


@pytest.mark.parametrize("size", SIZES)
def test_file_of_any_size(world, way, size):
    """Likewise a file."""
    m = world.manager()
    m.check("share", "a", "file", pattern_file(m, world.folder / "file", 6, size))
    w = m.start()
    assert abs(m.call(w, "size", "a")) == size
    assert m.call(w, "read", "a", 6, 70001) == 0
    assert m.call(w, "read", "a", 6, 5000, 1) == 0 if size else True


def test_descriptor_of_a_lent_file(world, way):
    """A lent file is open in the worker, a streamed one is not."""
    m = world.manager()
    path = pattern_file(m, world.folder / "file", 6, MIB)
    m.check("share", "a", "file", path)
    w = m.start()
    assert m.call(w, "keep", "a", 6, 0) == 0
    fds = f"/proc/{m.worker_pid(w)}/fd"
    open_files = [os.readlink(f"{fds}/{fd}") for fd in os.listdir(fds)]
    assert (str(path) in open_files) == (way == "lent")


@pytest.mark.parametrize("own", [None, 1])
def test_object(world, own):
    """An object of the manager's code is read in its thread for it, or in processMessages, by several threads at once."""
    m = world.manager()
    m.check("share", "a", "object", 5 * MIB + 3, 8, own=own)
    w = m.start()
    assert m.call(w, "read", "a", 8, 100000, 0, 4) == 0
    assert m.call(w, "read", "a", 8, 3000, 1, 4) == 0


def test_object_that_fails(world):
    """The error of an object's read reaches the reader; nothing else suffers."""
    m = world.manager()
    m.check("share", "bad", "object", MIB, 8, fail=1103)
    m.check("share", "good", "object", MIB, 9)
    w = m.start()
    assert refusal(m, w, "read", "bad", 8, 1000) == "CONTAINER_SOURCE"
    assert m.call(w, "read", "good", 9, 1000) == 0


def test_names(world):
    """Unknown names are refused; sharing again replaces; what is open outlives its name."""
    m = world.manager()
    w = m.start()
    assert refusal(m, w, "size", "a") == "CONTAINER_NAME"
    m.check("share", "a", "bytes", 100, 1)
    assert abs(m.call(w, "size", "a")) == 100
    m.check("share", "a", "bytes", 200000, 2)
    assert abs(m.call(w, "size", "a")) == 200000
    assert m.shares("a")["shared"] == 1
    m.check("unshare", "a")
    assert m.shares("a")["shared"] == 0
    assert ERROR_NAMES[m.unshare("a")["err"]] == "CONTAINER_NAME"
    assert refusal(m, w, "size", "a") == "CONTAINER_NAME"


def test_unshared_while_it_is_open(world, way):
    """A worker goes on reading what it has open when the name is taken away, and used for something else."""
    m = world.manager()
    m.check("share", "a", "file", pattern_file(m, world.folder / "file", 3, 2 * MIB))
    w = m.start()
    assert m.call(w, "keep", "a", 3, 0) == 0
    m.check("unshare", "a")
    m.check("share", "a", "bytes", 10, 4)
    for offset in (0, MIB, 2 * MIB - 4096):
        assert m.call(w, "keep", "a", 3, offset) == 0


def test_many_names(world):
    """10,000 names cost next to nothing each, and the last one is found."""
    m = world.manager()
    answer = m.check("share_many", 10000)
    assert answer["ms"] < 10000
    w = m.start()
    assert abs(m.call(w, "size", "many-9999")) == 1


def test_sparse_terabyte(world, way):
    """1 TiB is shared and read far out like anything else."""
    path = world.folder / "sparse"
    with open(path, "wb") as f:
        f.truncate(1 << 40)
    m = world.manager()
    m.check("share", "a", "file", path)
    w = m.start()
    assert m.call(w, "size", "a") == 1 << 40
    assert m.call(w, "zeros", "a", 900 * GIB, 4096) == 4096


@pytest.mark.parametrize("change", ["shrink", "grow", "touch"])
def test_file_that_changes(world, way, change):
    """A file that changes under its readers gives a clear error, never other bytes or a SIGBUS."""
    m = world.manager()
    path = pattern_file(m, world.folder / "file", 3, 20 * MIB)
    m.check("share", "a", "file", path)
    w = m.start()
    assert m.call(w, "keep", "a", 3, 0) == 0
    if change == "touch":
        os.utime(path, (1, 1))
    else:
        os.truncate(path, 4096 if change == "shrink" else 30 * MIB)
    assert refusal(m, w, "keep", "a", 3, 15 * MIB) == "CONTAINER_CHANGED"
    assert m.call(w, "add", 1, 2) == 3


@pytest.mark.parametrize("change", ["replace", "delete"])
def test_file_that_is_replaced(world, way, change):
    """A file whose name goes, or names another one, is read on as it was."""
    m = world.manager()
    path = pattern_file(m, world.folder / "file", 3, 20 * MIB)
    m.check("share", "a", "file", path)
    w = m.start()
    assert m.call(w, "keep", "a", 3, 0) == 0
    if change == "delete":
        path.unlink()
    else:
        pattern_file(m, world.folder / "other", 4, 20 * MIB).rename(path)
    assert m.call(w, "keep", "a", 3, 15 * MIB) == 0


def test_more_files_than_descriptors(world, way):
    """A manager with few descriptors shares more files than that, and each is read."""
    m = world.manager()
    path = pattern_file(m, world.folder / "file", 3, 100000)
    m.check("limit", "nofile", 200)
    for i in range(400):
        link = world.folder / f"link-{i}"
        os.link(path, link)
        m.check("share", f"a{i}", "file", link)
    w = m.start()
    for i in (0, 100, 250, 399):
        assert m.call(w, "read", f"a{i}", 3, 50000) == 0


def test_opened_again_and_again(world, way):
    """Opening and letting go leaves nothing behind, at either end."""
    m = world.manager()
    m.check("share", "a", "bytes", MIB, 1)
    m.check("share", "small", "bytes", 10, 1)
    w = m.start()
    pid = m.worker_pid(w)
    assert m.call(w, "reopen", "a", 10) == 10
    before = len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{m.pid}/fd"))
    assert m.call(w, "reopen", "a", 3000, timeout=60) == 3000
    assert m.call(w, "reopen", "small", 3000, timeout=60) == 3000
    assert (len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{m.pid}/fd"))) == before


@pytest.mark.parametrize("who", ["worker", "agent"])
def test_nowhere_for_a_descriptor(world, who):
    """Where a descriptor cannot go for want of descriptors on its way or at its end, the bytes travel."""
    m = world.manager()
    m.check("share", "a", "file", pattern_file(m, world.folder / "file", 6, MIB))
    w = m.start()
    pid = m.worker_pid(w)
    if who == "agent":
        pid = world.one("agent").pid
    used = 1 + max(int(fd) for fd in os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used, used))
    assert m.call(w, "read", "a", 6, 70001) == 0
    assert m.call(w, "add", 1, 2) == 3


def test_slow_source_stops_nobody(world):
    """While an object takes its time others are served, and the workers live."""
    m = world.manager()
    m.check("share", "slow", "object", 300000, 1, own=1, slow=700)
    m.check("share", "quick", "bytes", 5 * MIB, 2)
    a, b = m.start(), m.start()
    m.task(a, "read", "slow", 1, 100000)
    m.task(b, "read", "quick", 2, 100000)
    m.until("idle", b)
    assert m.take_result(b) == (True, 0)
    m.until("idle", timeout=20)
    assert m.take_result(a) == (True, 0)


def test_manager_killed_in_a_read(world):
    """A worker whose manager is killed while it waits for bytes ends, like any other."""
    m = world.manager()
    m.check("share", "slow", "object", 300000, 1, own=1, slow=60000)
    w = m.start()
    pid = m.worker_pid(w)
    m.task(w, "read", "slow", 1, 100000)
    proc.kill(m.pid, signal.SIGKILL)
    world.wait_gone([pid], 10)


def test_manager_ends_in_a_read(world):
    """A manager that ends does not wait for a source that hangs."""
    m = world.manager()
    m.check("share", "slow", "object", 300000, 1, own=1, slow=60000)
    w = m.start()
    pid = m.worker_pid(w)
    m.task(w, "read", "slow", 1, 100000)
    m.check("destroy")
    world.wait_gone([pid], 10)


def test_four_workers_at_once(world, way):
    """Four workers with four threads each read the same file at once."""
    m = world.manager()
    m.check("share", "a", "file", pattern_file(m, world.folder / "file", 3, 9 * MIB + 1))
    workers = m.start(count=4)
    for w in workers:
        m.task(w, "read", "a", 3, 123457, w % 2, 4)
    m.until("idle", timeout=60)
    assert [m.take_result(w) for w in workers] == [(True, 0)] * 4


def test_find(world, way):
    """A search finds what lies across the borders of pieces, and nothing else."""
    path = world.folder / "file"
    data = bytearray(5 * MIB)
    needle = b"the needle in the haystack"
    data[2 * MIB - 7:2 * MIB - 7 + len(needle)] = needle
    path.write_bytes(data)
    m = world.manager()
    m.check("share", "a", "file", path)
    w = m.start()
    assert m.call(w, "find", "a", needle.decode()) == 2 * MIB - 7
    assert m.call(w, "find", "a", "no such thing") == -1


@pytest.mark.parametrize("level", [2, 3])
def test_through_levels(world, way, level):
    """What a worker got it can share with its own workers, down to level 3."""
    m = world.manager()
    m.check("share", "a", "file", pattern_file(m, world.folder / "file", 3, 3 * MIB))
    w = m.start()
    assert m.call(w, "pass_on", "a", 3, level, timeout=60) == 0


def test_cache_is_bounded(world):
    """A worker that streams far more than its cache stays small."""
    world.environment["PROMP_SHARE"] = "stream"
    world.environment["PROMP_CACHE"] = "8"
    m = world.manager()
    path = world.folder / "sparse"
    with open(path, "wb") as f:
        f.truncate(2 * GIB)
    m.check("share", "a", "file", path)
    w = m.start()
    pid = m.worker_pid(w)
    idle = proc.resident(pid)
    assert m.call(w, "zeros", "a", 0, 512 * MIB, timeout=120) == 512 * MIB
    status = open(f"/proc/{pid}/status").read()
    peak = int(status.split("VmHWM:")[1].split()[0]) * KIB
    assert SANITIZER or peak - idle < 32 * MIB, (peak, idle)  # a sanitizer keeps what was freed
