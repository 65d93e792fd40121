"""Aim: promp-node in a cluster, as its operator sees it: joining, keys, settings, the ready line, how it ends, what its workers get,
and what happens when its parts, or the broker, are killed."""

import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from support import cluster, proc
from support.build import ERR, NODE, scaled

pytestmark = pytest.mark.skipif(not cluster.built(), reason="promp-broker, promp-auth and promp are needed")

READY = r"ready (tcp://\S+) (\S+)"


@pytest.fixture
def c(world):
    """A cluster of its own."""
    made = cluster.Cluster(world)
    yield made
    made.remove()


@pytest.fixture
def broker(c):
    return c.broker()


def node(c, *args, code, stdin="", config="node", timeout=20):
    """promp-node that ends by itself: what it says on stderr; nothing is on stdout."""
    env = {**c.environment, "PROMP_CONFIG": str(c.config(config))}
    begin = time.monotonic()
    done = subprocess.run([NODE, *map(str, args)], input=stdin, text=True, capture_output=True, env=env,
                          timeout=scaled(timeout))
    done.seconds = time.monotonic() - begin
    assert code in (None, done.returncode), f"{done.returncode}\n{done.stdout}{done.stderr}"
    assert "Sanitizer" not in done.stderr
    return done


def refuses(c, error, *args, **options):
    done = node(c, *args, **options)
    assert f"promp-node: {ERR[error]} {error}: " in done.stderr, done.stderr
    assert done.stdout == "" and done.seconds < scaled(6)
    return done.stderr


# --- before it serves


def test_not_joined(c):
    """Without a key it says so, and what to type."""
    assert "promp-node --join -" in refuses(c, "NO_BROKER", code=3)
    env = {**c.environment, "PROMP_CONFIG": str(c.folder / "nowhere")}
    done = subprocess.run([NODE], env=env, text=True, capture_output=True, timeout=scaled(20))
    assert done.returncode == 3 and "KEY_MISSING" in done.stderr and "promp-node --join -" in done.stderr
    assert not (c.folder / "nowhere").exists()


def test_tokens(c, broker):
    """Tokens that are none, for somebody else, used up, or in a file that others can read; a token that is turned away costs
    nothing: the next one is taken."""
    refuses(c, "TOKEN_FORMAT", "--join", "-", stdin="hello\n", code=6)
    assert "manager" in refuses(c, "KEY_ROLE", "--join", "-", stdin=c.token("manager"), code=6)
    token = c.token("node")
    path = c.folder / "token"
    path.write_text(token)
    path.chmod(0o644)
    refuses(c, "KEY_READABLE", "--join", path, code=4)
    path.chmod(0o600)
    first = cluster.Program(c, "first", [NODE, "--config", str(c.config("one")), "--join", str(path)])
    first.line(READY)
    refuses(c, "TOKEN_REFUSED", "--join", path, code=6)
    assert first.stop() == 0
    assert "without --join" in refuses(c, "KEY_EXISTS", "--join", "-", stdin=c.token("node"), config="one", code=1)


def test_join_only(c, broker):
    """--join-only ends when it has joined, and has offered nothing; the next start needs no token, and serves."""
    config = c.config("later")
    done = node(c, "--join", "-", "--join-only", "--name", "later", stdin=c.token("node"), config="later", code=0)
    assert done.stdout == "" and "joined" in done.stderr
    assert "welcome" not in broker.said() and not list(config.glob("*.joining"))
    refuses(c, "KEY_EXISTS", "--join", "-", "--join-only", stdin=c.token("node"), config="later", code=1)
    again = cluster.Program(c, "later", [NODE, "--config", str(config)])
    assert again.line(READY).group(2) == "later"
    assert again.stop() == 0


def test_nothing_secret_is_seen(c, broker):
    """The token is on no command line, in no environment and in no log; the key can be read by its owner alone."""
    token = c.token("node", "--name", "quiet")
    program = cluster.Program(c, "quiet", [NODE, "--config", str(c.config("quiet")), "--join", "-", "--log", "debug"],
                              stdin=token)
    assert program.line(READY).group(2) == "quiet"
    seen = program.said()
    for p in c.world.living():
        if p.name.startswith("promp-node"):
            seen += " ".join(p.args) + "".join(p.environ.values())
    assert token.strip() not in seen and token.strip()[20:40] not in seen
    secret = re.search(r'secret-key = "(.*)"', (c.config("quiet") / "node.cert_secret").read_text()).group(1)
    assert secret not in seen
    assert (c.config("quiet") / "node.cert_secret").stat().st_mode & 0o777 == 0o600


def test_settings(c, broker):
    """node.zpl: what is not understood is told with its line, before anything else is done; options go before it."""
    config = c.config("node")
    (config / "node.zpl").write_text("places = 2\nspeed = 9\n")
    token = c.token("node")
    assert "node.zpl line 2: speed" in refuses(c, "CONFIG_FILE", "--join", "-", stdin=token, code=2)
    (config / "node.zpl").write_text('places = 2\nlabels = "from file"\npython = "/no/such"\n')
    assert "/no/such" in refuses(c, "PROGRAM_MISSING", "--join", "-", stdin=token, code=1)
    (config / "node.zpl").chmod(0o666)
    refuses(c, "CONFIG_FILE", code=2)
    (config / "node.zpl").chmod(0o644)
    program = cluster.Program(c, "set", [NODE, "--config", str(config), "--places", "7", "--python", sys.executable])
    program.line(READY)
    agent, = [p for p in c.world.living() if "--agent" in p.args]
    args = dict(zip(agent.args, agent.args[1:]))
    assert args["--places"] == "7" and args["--labels"] == "from file"
    assert args["--pythons"] == f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_one_node_for_each_folder(c, broker):
    """A second node of the same folder is refused at once, and the first one does not notice."""
    program = c.node()
    assert str(c.config("node")) in refuses(c, "NODE_RUNS", code=1)
    assert program.stop() == 0


def test_locked_key(c, broker):
    """A key with a passphrase: from a file or a descriptor, told when it is missing or wrong; each new agent gets the key again,
    whatever became of the passphrase, which is on no command line and in no environment."""
    assert c.node().stop() == 0
    config, secret = c.config("node"), c.folder / "secret"
    secret.write_text("open sesame\n")
    secret.chmod(0o600)
    c.run(cluster.AUTH, "passphrase", "node", "--passphrase-from", secret, config=config)
    assert "--passphrase-file" in refuses(c, "KEY_LOCKED", code=5)
    wrong = c.folder / "wrong"
    wrong.write_text("open barley\n")
    wrong.chmod(0o600)
    refuses(c, "KEY_PASSPHRASE", "--passphrase-file", wrong, code=5)
    wrong.chmod(0o644)
    refuses(c, "KEY_READABLE", "--passphrase-file", wrong, code=4)
    read, write = os.pipe()
    os.write(write, b"open sesame\n")
    os.close(write)
    other = subprocess.Popen([NODE, "--config", str(config), "--passphrase-fd", str(read)], pass_fds=[read],
                             stdout=subprocess.PIPE, text=True, env=c.environment)
    os.close(read)
    assert re.match(READY, other.stdout.readline())
    other.terminate()
    assert other.wait(scaled(10)) == 0
    other.stdout.close()
    program = c.node("node", "--passphrase-file", str(secret))
    changed = c.folder / "changed"
    changed.write_text("open rye\n")
    changed.chmod(0o600)
    c.run(cluster.AUTH, "passphrase", "node", "--old-from", secret, "--passphrase-from", changed, config=config)
    agent = c.world.one("agent").pid
    proc.kill(agent)
    proc.wait_until(lambda: program.said().count("welcome at") == 2, 10, program.said)
    for p in c.world.living():
        assert "sesame" not in " ".join(p.args) + str(p.environ)
    assert program.stop() == 0


# --- at its first connection


def joined(c):
    """A folder that has joined; its node does not run."""
    program = c.node()
    assert program.stop() == 0
    return c.config("node")


def test_key_refused(c, broker):
    """A key that the broker has revoked ends the node, in words, within five seconds."""
    joined(c)
    c.run(cluster.AUTH, "revoke", "node")
    time.sleep(1.2)  # the broker looks at its store each second
    assert c.address in refuses(c, "KEY_REFUSED", code=6)


def test_another_broker(c, broker):
    """At the address is a broker with another key, or something else: the node ends and says what."""
    joined(c)
    assert broker.stop() == 0
    for path in c.config("broker").iterdir():
        if path.is_file():
            path.unlink()
    c.run(cluster.AUTH, "init")
    other = c.broker()
    refuses(c, "BROKER_KEY", code=6)
    assert other.stop() == 0
    with socket.create_server(("127.0.0.1", int(c.address.rsplit(":", 1)[1]))) as server:
        def greet():
            while True:
                try:
                    peer, _ = server.accept()
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 3)
                    peer.close()
                except OSError:
                    return
        threading.Thread(target=greet, daemon=True).start()
        refuses(c, "NOT_A_BROKER", code=6)
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.plain  # what is built with a sanitizer is linked with libzmq
def test_no_zmq(c, broker):
    """Where libzmq is missing it says so and ends; a local node does not need it."""
    joined(c)
    hidden = c.folder / "libs"
    hidden.mkdir()
    (hidden / "libzmq.so.5").write_text("this is no library")
    c.environment["LD_LIBRARY_PATH"] = str(hidden)
    refuses(c, "ZMQ_MISSING", code=1)
    done = node(c, "--local", "--idle", "0", code=None)
    assert done.returncode == 0 and done.stdout.startswith("ready ipc://")


def test_nobody_listens_yet(c, broker):
    """Where nobody listens it says so once, with its number, and is there as soon as the broker is."""
    joined(c)
    assert broker.stop() == 0
    program = c.node(ready=False)
    proc.wait_until(lambda: "1802" in program.said(), 10, program.said)
    time.sleep(1)
    assert program.said().count("1802") == 1
    c.broker()
    program.line(READY, 40)
    assert program.stop() == 0


def test_two_with_one_key(c, broker):
    """A copied key: the second node ends with NODE_TWICE, the first one goes on."""
    first = c.node()
    copy = c.config("copy")
    for name in ("node.cert", "node.cert_secret", "node.broker"):
        data = c.config("node") / name
        (copy / name).write_bytes(data.read_bytes())
        (copy / name).chmod(data.stat().st_mode & 0o777)
    second = c.node("copy", ready=False)
    assert second.process.wait(scaled(15)) == 6
    assert f"{ERR['NODE_TWICE']} NODE_TWICE" in second.said()
    assert first.stop() == 0


def test_detached(c, broker):
    """--detach returns when the node is ready, with exit code 0, or with what is wrong; the log is in its folder."""
    token = c.token("node", "--name", "away")
    done = node(c, "--join", "-", "--detach", stdin=token, code=0)
    assert "joined" in done.stderr and done.stdout == ""
    keeper = c.world.one("keeper")
    assert "welcome at" in (c.config("node") / "node.log").read_text()
    assert keeper.session == keeper.group != os.getsid(0)
    os.kill(keeper.pid, signal.SIGTERM)
    c.world.wait_gone([keeper.pid], 10)
    c.run(cluster.AUTH, "revoke", "away")
    time.sleep(1.2)
    refuses(c, "KEY_REFUSED", "--detach", code=6)
    assert broker.stop() == 0


def test_the_service_manager(c, broker):
    """READY=1 comes when the broker has welcomed it, STOPPING=1 when it ends; workers and agents do not see the socket."""
    path = str(c.folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        notify.settimeout(scaled(10))
        c.environment["NOTIFY_SOCKET"] = path
        program = c.node()
        del c.environment["NOTIFY_SOCKET"]
        assert notify.recv(100) == b"READY=1"
        program.process.terminate()
        assert notify.recv(100) == b"STOPPING=1"
        assert program.process.wait(scaled(10)) == 0


def test_new_key_of_the_node(c, broker):
    """A renewed key takes the place of the old one with --replace."""
    joined(c)
    before = (c.config("node") / "node.cert").read_text()
    token = c.run(cluster.AUTH, "rotate", "node", "--overlap", "0", "--address", c.address)
    refuses(c, "KEY_EXISTS", "--join", "-", stdin=token, code=1)
    program = cluster.Program(c, "renewed", [NODE, "--config", str(c.config("node")), "--join", "-", "--replace"],
                              stdin=token)
    assert program.line(READY).group(2) == "node"
    assert (c.config("node") / "node.cert").read_text() != before
    assert program.stop() == 0


def test_next_key_of_the_broker(c, broker):
    """The broker gets another key: a node that was told before comes back by itself, and so does one that was started after the
    change knowing the old key and the next one."""
    running, config = c.node(), c.config("other")
    c.run(cluster.AUTH, "rotate", "broker", "--overlap", "1h")
    proc.wait_until(lambda: "next" in (c.config("node") / "node.broker").read_text(), 10, "the next key to be kept")
    other = c.node("other")
    proc.wait_until(lambda: "next" in (config / "node.broker").read_text(), 10, "the next key to be kept")
    assert other.stop() == 0
    old = (config / "node.broker").read_text()
    assert broker.stop() == 0
    for path in c.config("broker").glob("broker.next.*"):
        path.rename(path.with_name(path.name.replace("broker.next.", "broker.")))
    c.broker()
    proc.wait_until(lambda: running.said().count("welcome at") == 2, 40, running.said)
    assert c.node("other").stop() == 0
    proc.wait_until(lambda: (config / "node.broker").read_text() != old, 5, "the next key to become the key")
    assert "next" not in (config / "node.broker").read_text()
    assert running.stop() == 0


# --- with workers


@pytest.fixture
def manager(c, broker):
    """A manager with a node of two places."""
    c.first = c.node("node", "--places", "2")
    return c.manager()


def test_a_worker(c, manager):
    """A native worker by its path: it works, in a private folder that is gone with it, with the node's environment and what it
    was given."""
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    worker, = c.world.workers()
    folder = pathlib.Path(os.readlink(f"/proc/{worker.pid}/cwd"))
    assert folder.parent == c.folder and folder.name.startswith("promp-") and folder.stat().st_mode & 0o777 == 0o700
    (folder / "deep" / "er").mkdir(parents=True)
    assert "NOTIFY_SOCKET" not in worker.environ and "PROMP_CONFIG" not in worker.environ
    assert worker.environ["PROMP_PYTHON"].startswith("/")
    manager.check("stop", w)
    manager.until("dead", w)
    proc.wait_until(lambda: not folder.exists(), 10, "the private folder to go")


def test_agent_killed(c, manager):
    """kill -9 of the agent: the next one finds the broker, and the worker goes on as it was."""
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    agent, worker = c.world.one("agent").pid, c.world.workers()[0].pid
    proc.kill(agent)
    assert manager.call(w, "add", 3, 4) == 7
    assert c.world.one("agent").pid != agent and c.world.workers()[0].pid == worker


def test_broker_killed(c, broker, manager):
    """kill -9 of the broker: another one at the same place, and the worker goes on as it was."""
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    worker = c.world.workers()[0].pid
    broker.kill()
    c.broker()
    assert manager.call(w, "add", 3, 4) == 7
    assert c.world.workers()[0].pid == worker


def test_keeper_killed(c, manager):
    """kill -9 of the keeper: its workers end with it, and the manager hears why."""
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    processes = [c.world.one("agent").pid, c.world.workers()[0].pid]
    proc.kill(c.world.one("keeper").pid)
    c.world.wait_gone(processes, 5)
    manager.until("dead", w)


def test_stop(c, manager):
    """promp-node --stop ends the node that serves the folder, in the foreground or detached, as SIGTERM does: it waits for the last
    worker. Where none serves, or nothing has joined, there is nothing to do."""
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    keeper, folder = c.first.process, c.config("node")
    command = [NODE, "--config", str(folder), "--stop"]
    stop = c.world.popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=c.environment)
    assert stop.stdout.readline().startswith(f"waits for promp-node {keeper.pid}, which ends when its workers have ended")
    assert manager.call(w, "add", 3, 4) == 7
    assert stop.poll() is None and keeper.poll() is None
    manager.check("stop", w)
    assert stop.wait(scaled(10)) == 0 and stop.stdout.read() == "it has ended\n"
    assert keeper.wait(scaled(10)) == 0
    again = c.node("node")
    w = manager.start()
    assert manager.call(w, "add", 1, 2) == 3
    again.process.terminate()
    proc.wait_until(lambda: "the node drains" in again.said(), 10, again.said)
    assert "at once where it has been signalled before\nit has ended\n" in c.run(*command)
    assert manager.end(w)["cause"] == "WORKER_NODE_LOST"
    assert c.run(*command) == "no node\n"
    assert c.run(NODE, "--config", str(c.folder / "nothing"), "--stop") == "no node\n"
    c.run(NODE, "--config", str(folder), "--detach")
    detached = c.world.one("keeper").pid
    assert c.run(*command).startswith(f"waits for promp-node {detached}, ")
    assert not proc.alive(detached)


@pytest.mark.root
def test_signal_to_process_1(c, broker):
    """In a container a node is process 1, for which a signal is lost that comes before it is waited for: it ends all the same."""
    config = joined(c)
    slow, asked = c.folder / "slow", c.folder / "asked"
    slow.write_text(f"#!/bin/sh\ntouch {asked}\nuntil [ -e {asked}.done ]; do sleep 0.01; done\necho 3.11\n")
    slow.chmod(0o755)
    program = cluster.Program(c, "first", ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child",
                                           NODE, "--config", str(config), "--python", str(slow)])
    proc.wait_until(asked.exists, 10, program.said)
    keeper, = [p for p in c.world.living() if p.parent == program.pid]
    proc.kill(keeper.pid, signal.SIGTERM)
    (c.folder / "asked.done").touch()
    assert program.process.wait(scaled(10)) == 0, program.said()
