"""The library is a guest: signals, mask, threads, descriptors and output of its host stay as they were."""

import signal

import pytest
from support import proc
from support.build import ERR, SANITIZER, TW


def quiet(m):
    """What the host is like when threads that have ended are out of the kernel's list, which takes a moment after the join."""
    wanted = 2 if SANITIZER == "thread" else 1
    return proc.wait_until(lambda: (found := m.host())["threads"] == wanted and found, 10, lambda: f"{wanted} threads: {m.host()}")


def test_nothing_is_touched(world):
    """Signal actions, mask, umask, stdin and stdout are the same before, during and after; one thread more, then none."""
    m = world.manager(new=False)
    if SANITIZER == "thread":  # it has a thread of its own from the first one on that it sees
        assert m.new()["made"]
        m.destroy()
    before = quiet(m)
    assert m.new()["made"]
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    during = m.host()
    for key in ("actions", "mask", "umask", "stdin", "stdout"):
        assert during[key] == before[key], key
    assert during["threads"] == before["threads"] + 1
    m.destroy()
    assert quiet(m) == before
    assert m.stdout() == b"" and m.stderr() == ""


@pytest.mark.plain
def test_network_thread_blocks_all_signals(world):
    """The library's thread blocks every signal (but those nobody can block)."""
    m = world.manager()
    m.start()
    masks = [int(x, 16) for x in m.masks()["masks"] if x]
    assert len(masks) == 1
    missing = [n for n in range(1, 65) if not masks[0] >> (n - 1) & 1]
    assert set(missing) <= {9, 19, 32, 33, 34}, missing


def test_sigchld_ignored(world):
    """A host that ignores SIGCHLD (so that its children vanish) is served like any other."""
    m = world.manager(new=False)
    m.signal(int(signal.SIGCHLD), "ignore")
    assert m.new()["made"]
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    m.task(w, "exit", 4)
    assert m.end(w)["code"] == 4


def test_signals_of_the_host_do_not_reach_workers(world):
    """Ignored and blocked signals of a host are not inherited: its workers can be interrupted and terminated."""
    m = world.manager(new=False)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        m.signal(int(number), "ignore")
    m.signal(int(signal.SIGUSR1), "block")
    assert m.new()["made"]
    w = m.start()
    status = dict(line.split(":\t", 1) for line in open(f"/proc/{m.worker_pid(w)}/status").read().splitlines()
                  if ":\t" in line)
    assert int(status["SigBlk"], 16) == 0
    assert int(status["SigIgn"], 16) & (1 << (signal.SIGINT - 1) | 1 << (signal.SIGTERM - 1)) == 0


def test_descriptors_of_a_worker(world):
    """A worker has nothing of its manager's or node's descriptors: 0 to 2, its link, its lifeline, its pipes, a few of its own."""
    m = world.manager()
    w = m.start()
    pid = m.worker_pid(w)
    import os
    links = {fd: os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
    assert links["0"] == "/dev/null" and links["1"].startswith("pipe:") and links["2"].startswith("pipe:")
    assert len(links) <= 14, links
    assert not [t for t in links.values() if str(world.folder) in t], links


def test_foreign_thread(worker):
    """From another thread every call gives THREAD, and nothing happens; destroy alone may be called."""
    m, w = worker
    assert m.foreign()["said"] == [ERR["THREAD"]] * 8
    assert m.call(w, "add", 1, 2) == 3
    assert m.destroy_elsewhere()["made"] == 0


def test_event_loop(worker):
    """The descriptor is readable while there is something to process or take, and not otherwise."""
    m, w = worker
    m.until("idle")
    m.process()
    assert m.poll(0) == {"re": "poll", "fd": m.poll(0)["fd"], "readable": 0}
    m.task(w, "send", 1, "x")
    assert m.poll(20000)["readable"] and m.poll(0)["readable"]
    m.until("idle")
    m.receive(w)
    m.take_result(w)
    m.process()
    proc.wait_until(lambda: not (m.process(), m.poll(0))[1]["readable"], 5, "quiet")
    m.task(w, "exit", 0)
    assert m.poll(20000)["readable"]
    m.until("dead", w)


def test_wait_returns_at_once_when_there_is_something(worker):
    """wait: OK when there is something to process, TIMEOUT when not."""
    m, w = worker
    m.until("idle")
    m.process()
    assert m.wait(0)["err"] == ERR["TIMEOUT"]
    m.task(w, "add", 1, 2)
    answer = m.wait(20000)
    assert answer["err"] == 0 and answer["ms"] < 10000


def test_not_a_worker(world):
    """A worker program started by hand says so and exits with 3."""
    import subprocess
    p = subprocess.run([TW], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                       env={k: v for k, v in world.environment.items() if not k.startswith("PROMP_WORKER")})
    assert p.returncode == 3 and "worker" in p.stderr and p.stdout == ""


@pytest.mark.parametrize("value", ["3", "99", "-1", "x", ""])
def test_worker_variable_that_lies(world, value):
    """PROMP_WORKER_FDS that names descriptors which are not there, or nonsense: exit code 3, no crash."""
    import subprocess
    p = subprocess.run([TW], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30,
                       env={**world.environment, "PROMP_WORKER_FDS": value})
    assert p.returncode == 3 and p.stderr


def test_destroy_with_busy_workers(world, manager):
    """Destroy ends deaf workers after a second and leaves nothing."""
    m = manager
    ids = m.start(count=3)
    for w in ids:
        m.task(w, "deaf", 60000)
    m.until("ready", "all")
    pids = [m.state(w)["pid"] for w in ids]
    assert m.destroy()["ms"] < 2000 + (3000 if SANITIZER else 0)
    world.wait_gone(pids, 1)


def test_options_of_a_manager(manager):
    """Options and time-out are kept, the time-out within its bounds."""
    m = manager
    assert m.set()["timeout"] == 10000 and m.set()["options"] == 0 and m.set()["level"] == 0
    assert m.set(timeout=1)["timeout"] == 500
    assert m.set(timeout=2000000000)["timeout"] == 86400000
    assert m.set(options=1)["options"] == 1
    assert m.set(options=2)["options"] in (2, 3)
