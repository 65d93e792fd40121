"""promp-node --local: how it starts, for whom, where, and how it ends."""

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time

import pytest
from support import proc
from support.build import ERR, NODE, scaled
from support.manager import TW, name_of

NOBODY = 65534


def run(world, *args, env=None, timeout=10, **options):
    return subprocess.run([NODE, *args], env={**world.environment, **(env or {})}, capture_output=True, text=True,
                          timeout=scaled(timeout), **options)


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
    (["--pythons", "3.11"], "--pythons: there is no such option")])
def test_wrong_arguments_are_named(world, args, named):
    """The one line about a wrong command line names what is wrong with it."""
    p = run(world, *args, stdin=subprocess.DEVNULL)
    assert p.returncode == 2 and p.stdout == ""
    assert p.stderr.startswith(f"promp-node: {named}") and p.stderr.endswith("; try promp-node --help\n")
    assert p.stderr.count("\n") == 1


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


def refused(world, *names):
    m = world.manager(new=False)
    answer = m.new()
    assert not answer["made"] and name_of(answer["err"]) in names, answer
    assert answer["text"] and answer["ms"] < scaled(7000)
    return answer


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o711, 0o777])
def test_folder_open_to_others(world, mode):
    """A runtime folder that others may enter is refused, by manager and node."""
    world.runtime.mkdir()
    world.runtime.chmod(mode)
    assert str(world.runtime) in refused(world, "SOCKET_FOLDER")["text"]
    for mode_of_it in ("--local", "--status"):
        p = run(world, mode_of_it)
        assert p.returncode == 1 and p.stdout == ""
        assert f"{ERR['SOCKET_FOLDER']} SOCKET_FOLDER" in p.stderr and str(world.runtime) in p.stderr


@pytest.mark.root
def test_folder_of_somebody_else(world):
    """A runtime folder of another user is refused."""
    world.runtime.mkdir(mode=0o700)
    os.chown(world.runtime, NOBODY, NOBODY)
    refused(world, "SOCKET_FOLDER")
    assert run(world, "--local").returncode != 0


def test_folder_is_a_link(world):
    """A symbolic link in the folder's place is refused, wherever it leads."""
    real = world.folder / "real"
    real.mkdir(mode=0o700)
    world.runtime.symlink_to(real)
    refused(world, "SOCKET_FOLDER")
    assert not list(real.iterdir())


def test_folder_is_a_file(world):
    """A file in the folder's place is refused."""
    world.runtime.touch()
    refused(world, "SOCKET_FOLDER")


def test_inner_folder_is_a_link(world):
    """Likewise for the folder of the key inside."""
    m = world.manager()
    inner = world.socket().parent
    m.quit()
    proc.wait_until(lambda: not world.of_role("keeper"), 10, "the node to end")
    if inner.exists():
        shutil.rmtree(inner)
    real = world.folder / "real"
    real.mkdir(mode=0o700)
    inner.symlink_to(real)
    refused(world, "SOCKET_FOLDER")


def test_folder_under_a_file(world):
    """A folder that cannot be made: a number and the reason."""
    (world.folder / "f").touch()
    world.environment["PROMP_RUNTIME_DIR"] = str(world.folder / "f" / "r")
    refused(world, "SOCKET_FOLDER", "SYSTEM")


@pytest.mark.parametrize("length", [80, 108, 300, 5000])
def test_path_too_long(world, length):
    """A path that does not fit into a socket's address: SOCKET_PATH, with the path or its length in words."""
    name = "/tmp/" + "/".join(["x" * 50] * 100)
    world.environment["PROMP_RUNTIME_DIR"] = name[:length].rstrip("/")
    answer = refused(world, "SOCKET_PATH", "SYSTEM") if length > 85 else None
    if answer:
        assert name_of(answer["err"]) == "SOCKET_PATH"
    shutil.rmtree("/tmp/" + "x" * 50, ignore_errors=True)


def test_xdg_runtime_dir(world):
    """Without PROMP_RUNTIME_DIR the node lives in $XDG_RUNTIME_DIR/promp."""
    del world.environment["PROMP_RUNTIME_DIR"]
    xdg = world.folder / "x"
    xdg.mkdir(mode=0o700)
    world.environment["XDG_RUNTIME_DIR"] = str(xdg)
    world.runtime = xdg / "promp"
    m = world.manager()
    assert world.socket() is not None
    assert m.call(m.start(), "add", 1, 2) == 3
    assert (world.runtime.stat().st_mode & 0o777) == 0o700


def test_instances(world):
    """PROMP_INSTANCE separates: another name, another node, in the same folder."""
    a = world.manager()
    b = world.manager(env={"PROMP_INSTANCE": "other"})
    assert len(list(world.runtime.glob("*/socket"))) == 2
    assert len(world.of_role("keeper")) == 2
    for m in (a, b):
        assert m.call(m.start(), "add", 1, 2) == 3


def test_modes(world):
    """Folder 0700, socket and lock not open to others."""
    world.manager()
    path = world.socket()
    assert path.parent.stat().st_mode & 0o777 == 0o700
    for name in ("lock", "log"):
        other = path.parent / name
        assert not other.exists() or other.stat().st_mode & 0o077 == 0


def test_lock_held_by_another(world):
    """While somebody else holds the lock and serves nothing, starting gives up in time with a number."""
    m = world.manager()
    lock = world.socket().parent / "lock"
    m.quit()
    proc.wait_until(lambda: not world.of_role("keeper"), 10, "the node to end")
    lock.parent.mkdir(mode=0o700, exist_ok=True)
    with open(lock, "w") as f:
        os.chmod(lock, 0o600)
        fcntl.flock(f, fcntl.LOCK_EX)
        fcntl.lockf(f, fcntl.LOCK_EX)
        refused(world, "NODE_START", "NODE_TIMEOUT", "NODE_RUNS")


def test_no_start(world):
    """no_start: where no node runs NODE_GONE, and none is started."""
    m = world.manager(new=False)
    answer = m.new(no_start=1)
    assert not answer["made"] and name_of(answer["err"]) == "NODE_GONE"
    assert not world.of_role("keeper")
    world.node()
    assert m.new(no_start=1)["made"]


def test_node_program_missing(world):
    """A node program that is not there, or cannot be run: NODE_PROGRAM or NODE_START, with its path."""
    for path, env in (("/does/not/exist", {}), (None, {"PROMP_NODE": "/does/not/exist"}), ("/etc/passwd", {}),
                      ("/bin/false", {})):
        m = world.manager(new=False, env=env)
        answer = m.new(node=path)
        assert not answer["made"] and name_of(answer["err"]) in ("NODE_PROGRAM", "NODE_START"), answer
        assert answer["ms"] < scaled(6000) and answer["text"]


def test_node_found_by_itself(world):
    """Without PROMP_NODE and argument the program beside the library is found."""
    del world.environment["PROMP_NODE"]
    m = world.manager()
    assert m.call(m.start(), "add", 1, 2) == 3


@pytest.mark.root
def test_foreign_user(world):
    """A process of another user is refused by the node, even if it can reach the socket."""
    from support.wire import Client
    world.node()
    path = world.socket()
    world.folder.chmod(0o755)
    for p in (path.parent.parent, path.parent):
        p.chmod(0o711)
    path.chmod(0o777)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            c = Client(path)
            end = c.end()
            code = 0 if end is None or end["error"] == ERR["FOREIGN_USER"] else 2
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    for p in (path.parent.parent, path.parent):
        p.chmod(0o700)
    m = world.manager()
    assert m.call(m.start(TW), "add", 1, 2) == 3


def test_agent_replaced(world, worker):
    """After kill -9 of the agent a running task goes on, its result comes, new workers start."""
    m, w = worker
    m.task(w, "sleep", 700)
    m.until("busy", w)
    agent, keeper = world.one("agent").pid, world.one("keeper").pid
    proc.kill(agent)
    m.until("idle")
    assert m.take_result(w) == (True, 0) and m.take_error() is None
    assert world.one("agent").pid != agent and world.one("keeper").pid == keeper
    assert m.call(m.start(), "add", 1, 2) == 3


def test_exit_code_while_the_agent_is_dead(world, worker):
    """A worker that ends while there is no agent: its exit code is told by the next one."""
    m, w = worker
    m.task(w, "exit", 42)
    proc.kill(world.one("agent").pid)
    end = m.end(w)
    assert (end["cause"], end["code"]) == ("WORKER_EXITED", 42)


def test_keeper_killed(world, worker):
    """After kill -9 of the keeper workers end, the agent ends, the manager is told in words."""
    m, w = worker
    pid, agent = m.worker_pid(w), world.one("agent").pid
    m.begin(w, "sleep")
    proc.kill(world.one("keeper").pid)
    assert world.wait_gone([pid], 5) < scaled(1)
    assert m.end(w)["cause"] == "WORKER_NODE_LOST"
    world.wait_gone([agent], 5)


def test_manager_killed(world, worker):
    """After kill -9 of a manager its workers are gone within a second."""
    m, w = worker
    pid = m.worker_pid(w)
    m.call(w, "family", "setsid", "double")
    m.begin(w, "deaf")
    m.kill()
    assert world.wait_gone([pid], 5) < scaled(1)


def test_manager_frozen(world):
    """A manager that is frozen for its time-out loses its workers by then plus a second, and is told on waking."""
    m = world.manager()
    m.check("set", timeout=1000)
    w = m.start()
    pid = m.worker_pid(w)
    m.kill(signal.SIGSTOP)
    begin = time.monotonic()
    world.wait_gone([pid], 5)
    took = time.monotonic() - begin
    assert 0.5 < took < 1 + scaled(1), took
    m.kill(signal.SIGCONT)
    end = m.end(w)
    assert end["cause"] == "WORKER_LEASE" and end["text"]
    assert m.call(m.start(), "add", 1, 2) == 3


def test_worker_frozen(world):
    """A worker that is frozen for the time-out is ended and reported as unresponsive."""
    m = world.manager()
    m.check("set", timeout=1000)
    w = m.start()
    os.kill(m.worker_pid(w), signal.SIGSTOP)
    end = m.end(w, timeout=6)
    assert end["cause"] == "WORKER_UNRESPONSIVE"


def test_worker_that_waits_to_be_set_up(world):
    """A worker whose manager lives but does not speak to it yet is not taken for a frozen one."""
    from support.wire import Client, message, start_message
    world.node()
    c = Client(world.socket())
    c.welcome()
    session = os.urandom(16)
    c.send(start_message(session, TW, lease=600, env=[f"{k}={v}" for k, v in world.environment.items()]))
    pid = c.expect("STARTED")["pid"]
    end = time.monotonic() + 1.5  # more than two leases
    while time.monotonic() < end:
        c.send(message("BEAT", lease_ms=600))
        time.sleep(0.05)
    assert proc.alive(pid)
    c.send(message("BYE"))
    world.wait_gone([pid], 2)
    c.close()


def test_short_freeze_is_forgiven(world):
    """A manager or worker frozen for half its time-out goes on as if nothing had been."""
    m = world.manager()
    m.check("set", timeout=4000)
    w = m.start()
    pid = m.worker_pid(w)
    for victim in (pid, m.pid, world.one("agent").pid, world.one("keeper").pid):
        os.kill(victim, signal.SIGSTOP)
        time.sleep(1.2)
        os.kill(victim, signal.SIGCONT)
        assert m.call(w, "add", 1, 2) == 3, victim


def test_agent_frozen(world):
    """A frozen agent is replaced and work goes on."""
    m = world.manager()
    m.check("set", timeout=2000)
    w = m.start()
    m.until("ready", w)
    agent = world.one("agent").pid
    os.kill(agent, signal.SIGSTOP)
    assert m.call(w, "add", 1, 2, timeout=10) == 3
    world.wait_gone([agent], 5)


def test_keeper_frozen(world):
    """A frozen keeper is killed by the agent after 5 s; workers end, managers are told."""
    m = world.manager()
    m.check("set", timeout=1000)
    w = m.start()
    pid, keeper = m.worker_pid(w), world.one("keeper").pid
    os.kill(keeper, signal.SIGSTOP)
    assert world.wait_gone([pid, keeper], 10) > 4
    assert m.end(w)["cause"] == "WORKER_NODE_LOST"


def test_number_of_a_dead_manager(world):
    """A manager that comes while another ends, all seen by the agent at once, is not taken for the dead one."""
    from support.wire import Client
    world.node()

    def child(work):
        go, done = os.pipe(), os.pipe()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = work(lambda: os.read(go[0], 1), lambda: os.write(done[1], b"x"))
            finally:
                os._exit(code)
        return pid, (lambda: os.write(go[1], b"x")), (lambda: os.read(done[0], 1))

    def old(wait, tell):
        c = Client(world.socket())
        c.welcome()
        tell()
        wait()
        c.close()
        tell()
        wait()  # and then ends
        return 0

    def new(wait, tell):
        wait()
        c = Client(world.socket())
        tell()
        c.welcome()
        return 0

    agent = world.one("agent").pid
    first, go_first, first_did = child(old)
    second, go_second, second_did = child(new)
    first_did()
    os.kill(agent, signal.SIGSTOP)
    go_first(), first_did()  # its link ends,
    go_second(), second_did()  # somebody connects,
    go_first(), os.waitpid(first, 0)  # its process ends
    os.kill(agent, signal.SIGCONT)
    assert os.waitpid(second, 0)[1] == 0
    assert world.one("agent").pid == agent


def test_keeper_held_up(world):
    """A keeper that is held up for longer than the smallest time-out of one manager costs no worker of anybody."""
    ms = [world.manager() for _ in range(2)]
    ms[1].check("set", timeout=500)
    ws = [m.start() for m in ms]
    keeper = world.one("keeper").pid
    os.kill(keeper, signal.SIGSTOP)
    time.sleep(2)  # four time-outs
    os.kill(keeper, signal.SIGCONT)
    for m, w in zip(ms, ws):
        assert m.call(w, "add", 1, 2) == 3
    assert world.one("keeper").pid == keeper
