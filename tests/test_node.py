"""promp-node --local: how it starts, for whom, where, and how it ends."""

import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from support import proc
from support.build import ERR, scaled
from support.manager import name_of
from support.node import run


def test_help_and_version(world):
    """--help explains, on stdout, exit 0; --version is one line."""
    p = run(world, "--help")
    assert p.returncode == 0 and "--local" in p.stdout and "--stay" in p.stdout and p.stderr == ""
    p = run(world, "--version")
    assert p.returncode == 0 and "0.1.0" in p.stdout and p.stdout.count("\n") == 1


@pytest.mark.parametrize("args", [["--nonsense"], ["--local", "extra"], ["--agent"]])
def test_wrong_arguments(world, args):
    """Wrong arguments: a hint on stderr, nothing on stdout, an exit code that is not 0, and no process stays."""
    p = run(world, *args, stdin=subprocess.DEVNULL)
    assert p.returncode not in (0, -11, -6) and p.stderr and p.stdout == ""
    assert not world.living()


@pytest.mark.parametrize("args, named", [
    (["--bogus"], "--bogus"), (["--local", "--bogus=1"], "--bogus=1"), (["--stats"], "--stats"), (["-xy", "--local"], "-x"),
    (["--local", "--idle"], "--idle"), (["--local", "--idle", "soon"], "--idle"), (["--local=x"], "--local=x"),
    (["--local", "extra"], "extra"), (["--status", "--local"], "only one of --local and --status"),
    (["--local", "--labels", "a"], "options of a cluster's node"), (["--stay"], "--stay, --idle and --instance"),
    (["--name", "x"], "--name: it is for --join"), (["--join-only"], "--join-only: it is for --join"),
    (["--join", "-", "--join-only", "--detach"], "--detach: it does not go with --join-only"), (["--places", "0"], "0: a number of workers"),
    (["--pythons", "3.11"], "--pythons: there is no such option"), (["--stop", "--status"], "--stop: it goes with"),
    (["--stop", "--detach"], "--stop: it goes with"), (["--stop", "--places", "2"], "--stop: it goes with")])
def test_wrong_arguments_are_named(world, args, named):
    """The one line about a wrong command line names what is wrong with it."""
    p = run(world, *args, stdin=subprocess.DEVNULL)
    assert p.returncode == 2 and p.stdout == ""
    assert p.stderr.startswith(f"promp-node: {named}") and p.stderr.endswith("; try promp-node --help\n")
    assert p.stderr.count("\n") == 1


def test_stop(world):
    """--local --stop ends the node of this user, its workers with it, and waits for that; none runs: 0 as well, and nothing is made."""
    p = run(world, "--local", "--stop")
    assert (p.returncode, p.stdout, p.stderr) == (0, "no node\n", "")
    assert not os.listdir(world.environment["PROMP_RUNTIME_DIR"]) if os.path.isdir(world.environment["PROMP_RUNTIME_DIR"]) else True
    m = world.manager()
    w = m.start()
    assert m.call(w, "add", 1, 2) == 3
    keeper = world.one("keeper").pid
    assert run(world, "--local", "--instance", "another", "--stop").stdout == "no node\n"
    p = run(world, "--local", "--stop")
    assert (p.returncode, p.stderr) == (0, "")
    assert p.stdout == f"waits for promp-node {keeper}, which ends its workers\nit has ended\n"
    assert not proc.alive(keeper)
    assert run(world, "--local", "--stop").stdout == "no node\n"


def test_started_by_the_library(world):
    """Where no node runs the library starts one: detached, in a session of its own, not a child of its host, once for all."""
    m = world.manager()
    keeper, agent = world.one("keeper"), world.one("agent")
    assert agent.parent == keeper.pid and keeper.parent == os.getpid()
    assert keeper.session not in (m.process_.pid, os.getsid(0))
    assert not [p for p in proc.descendants(m.pid)]
    world.manager()
    assert world.one("keeper").pid == keeper.pid
    assert world.one("agent").environ or True
    fds = {fd: os.readlink(f"/proc/{keeper.pid}/fd/{fd}") for fd in "012"}
    assert fds["0"] == "/dev/null" and "tm-" not in fds["1"] + fds["2"]


def test_working_folder_is_not_held(world, tmp_path):
    """The node keeps no folder of its starter busy."""
    world.manager(cwd=tmp_path)
    assert os.readlink(f"/proc/{world.one('keeper').pid}/cwd") == "/"


@pytest.mark.idle_ms(200)
def test_ends_after_idle(world):
    """The node ends by itself when its last manager has been gone for the idle time, and leaves no socket."""
    m = world.manager()
    m.call(m.start(), "add", 1, 2)
    nodes = [p.pid for p in world.of_role("keeper") + world.of_role("agent")]
    m.quit()
    took = world.wait_gone(nodes, 5)
    assert took < scaled(3)
    assert world.socket() is None


@pytest.mark.idle_ms(400)
def test_stays_while_used(world):
    """A node with a manager does not end, however idle that is."""
    m = world.manager()
    keeper = world.one("keeper").pid
    m.until("time", timeout=1.2 / scaled(1), check=False)
    assert proc.alive(keeper)
    assert m.call(m.start(), "add", 1, 2) == 3


@pytest.mark.idle_ms(150)
def test_a_manager_comes_while_it_ends(world):
    """Managers that come just when the node ends are served, by it or by the next one: none fails."""
    for i in range(12):
        m = world.manager()
        assert m.call(m.start(), "add", i, 1) == i + 1
        m.quit()
        time.sleep(0.15 + i * 0.004)  # the moment itself is what is tested


def test_two_starting_at_once(world):
    """Ten processes that start the node at once: one node, nobody fails."""
    ms = [world.manager(new=False) for _ in range(10)]
    for m in ms:
        m.send_command("new")
    assert [m.answer()["made"] for m in ms] == [1] * 10
    assert len(world.of_role("keeper")) == 1
    for m in ms:
        assert m.call(m.start(), "add", 1, 2) == 3


def test_two_by_hand(world):
    """A second promp-node --local finds that another serves this folder and says so, without harm."""
    first = world.node()
    p = run(world, "--local", "--stay")
    assert p.returncode == 0 or str(ERR["NODE_RUNS"]) in p.stderr
    assert first.poll() is None and len(world.of_role("keeper")) == 1
    m = world.manager()
    assert m.call(m.start(), "add", 1, 2) == 3


def test_detach(world):
    """--detach returns 0 when the node is ready: a client can connect at once."""
    p = run(world, "--local", "--detach")
    assert p.returncode == 0, p.stderr
    s = socket.socket(socket.AF_UNIX)
    s.connect(str(world.socket()))
    s.close()


def test_stay(world):
    """--stay: no end by idleness."""
    p = world.node()
    m = world.manager()
    m.quit()
    time.sleep(scaled(0.8))
    assert p.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_in_good_order(world, number):
    """SIGTERM or SIGINT: workers are ended, managers told, exit code 0."""
    p = world.node()
    m = world.manager()
    w = m.start()
    pid = m.worker_pid(w)
    m.begin(w, "sleep")
    p.send_signal(number)
    end = m.end(w, timeout=10)
    assert end["cause"] in ("WORKER_NODE_LOST", "WORKER_STOPPED")
    assert p.wait(scaled(10)) == 0
    assert not proc.alive(pid) and world.socket() is None


def test_stop_with_a_deaf_worker(world):
    """SIGTERM with workers that do not listen still ends soon."""
    p = world.node()
    m = world.manager()
    w = m.start()
    m.begin(w, "deaf")
    p.terminate()
    assert p.wait(scaled(10)) == 0
    m.end(w)


def test_stale_socket(world):
    """A socket that nobody listens at any more is replaced."""
    m = world.manager()
    for p in world.of_role("keeper") + world.of_role("agent"):
        proc.kill(p.pid)
    m.quit()
    assert world.socket() is not None
    fresh = world.manager()
    assert fresh.call(fresh.start(), "add", 1, 2) == 3


@pytest.mark.parametrize("what", ["file", "folder", "fifo"])
def test_something_else_at_the_sockets_place(world, what):
    """A file in the place of the socket is replaced, or refused by number, and never waited for."""
    m = world.manager()
    path = world.socket()
    for p in world.of_role("keeper") + world.of_role("agent"):
        proc.kill(p.pid)
    m.quit()
    path.unlink()
    {"file": path.touch, "folder": path.mkdir, "fifo": lambda: os.mkfifo(path)}[what]()
    fresh = world.manager(new=False)
    answer = fresh.new()
    assert answer["made"] or (answer["err"] // 100 in (11, 12) and answer["text"]), answer
    assert answer["ms"] < scaled(8000)
    if what == "folder":
        shutil.rmtree(path)


def test_not_a_node(world):
    """Something that listens at the socket and is no node: told by number, soon."""
    m = world.manager()
    path = world.socket()
    for p in world.of_role("keeper") + world.of_role("agent"):
        proc.kill(p.pid)
    m.quit()
    path.unlink()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(5)
    pid = os.fork()
    if pid == 0:
        for _ in range(20):
            c, _ = server.accept()
            try:
                c.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" + b"x" * 100)
            except OSError:
                pass
        os._exit(0)
    server.close()
    try:
        fresh = world.manager(new=False)
        answer = fresh.new()
        assert not answer["made"] and name_of(answer["err"]) in ("NOT_A_NODE", "FRAME_SIZE", "FRAME_HEADER"), answer
        assert answer["ms"] < scaled(7000)
    finally:
        proc.kill(pid)
        os.waitpid(pid, 0)
        path.unlink()


def test_silent_node(world):
    """Something that accepts and says nothing: NODE_TIMEOUT after at most 5 s."""
    m = world.manager()
    path = world.socket()
    for p in world.of_role("keeper") + world.of_role("agent"):
        proc.kill(p.pid)
    m.quit()
    path.unlink()
    server = socket.socket(socket.AF_UNIX)
    server.bind(str(path))
    server.listen(5)
    fresh = world.manager(new=False)
    answer = fresh.new()
    assert not answer["made"] and name_of(answer["err"]) in ("NODE_TIMEOUT", "NOT_A_NODE", "SILENT"), answer
    assert answer["ms"] < scaled(7000)
    server.close()
    path.unlink()
