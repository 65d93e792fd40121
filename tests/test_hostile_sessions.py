"""Whoever has a connection can say anything of any session, of his own and of others. Each of these ends by serving an honest
manager, whose worker of before still works: nothing else is disturbed."""

import json
import os
import random
import struct
import time

import pytest
from support import proc, wire
from support.build import ERR, LIMIT, scaled
from support.manager import TW, name_of
from support.victim import refused, victim  # noqa: F401 - a fixture
from support.wire import Client, frame, hello, message

SESSION = bytes(range(1, 17))

FOREIGN = ["KILL", "GONE_ACK", "ATTACH", "PROBE", "URGENT", "ACK", "RESET", "REATTACH", "ATTACHED"]


def as_another_process(path, act):
    """What act(client) says in a process of its own: the node knows managers by their process."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(read)
            c = Client(path)
            c.welcome()
            os.write(write, json.dumps(act(c), default=repr).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as f:
        said = f.read()
    os.waitpid(pid, 0)
    return json.loads(said)


def what_it_says(client):
    """What comes until the connection ends or half a second is quiet."""
    said = []
    try:
        while True:
            got = client.read(0.5 / scaled(1))
            if got is None:
                return said + ["END"]
            if got[0] not in ("BEAT", "LINK_ACK"):
                said.append((got[0], name_of(got[2].get("error"))))
    except TimeoutError:
        return said


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_sessions(world, victim, name):
    """Messages about somebody else's session, and about nobody's, touch nothing; the node answers or closes."""
    owner = victim()
    owner.welcome()
    owner.send(wire.start_message(SESSION, "/bin/sleep", ["sleep", "1000"], lease=60000))
    pid = owner.expect("STARTED")["pid"]

    def meddle(session):
        def act(c):
            c.send(message(name, session, epoch=1, **({"cause": ERR["WORKER_ABORTED"]} if name == "KILL" else {})))
            return what_it_says(c)
        return act

    foreign = as_another_process(world.socket(), meddle(SESSION))
    nobodys = as_another_process(world.socket(), meddle(b"\xff" * 16))
    assert proc.alive(pid)
    assert foreign == [["REFUSED", "SESSION_FOREIGN"], "END"] or name in ("ATTACHED", "REATTACH"), foreign
    assert name == "GONE_ACK" or nobodys, "an unknown session is not answered"
    owner.send(message("KILL", SESSION, cause=ERR["WORKER_ABORTED"]))
    assert name_of(owner.expect("GONE")["cause"]) == "WORKER_ABORTED"
    owner.send(message("GONE_ACK", SESSION))


def test_start_of_a_foreign_session(world, victim):
    """A START with the id of somebody else's session is refused and gives nothing away."""
    owner = victim()
    owner.welcome()
    owner.send(wire.start_message(SESSION, "/bin/sleep", ["sleep", "1000"], lease=60000))
    pid = owner.expect("STARTED")["pid"]

    def act(c):
        c.send(wire.start_message(SESSION, "/bin/sleep", ["sleep", "1000"]))
        return what_it_says(c)

    said = as_another_process(world.socket(), act)
    assert said and said[0][1] == "SESSION_FOREIGN", said
    assert proc.alive(pid)
    owner.send(message("BYE"))
    world.wait_gone([pid], 2)


def test_start_again_is_the_same(victim):
    """START repeated: the same answer, one process."""
    c = victim()
    c.welcome()
    start = wire.start_message(SESSION, "/bin/sleep", ["sleep", "1000"])
    c.send(start * 2)
    pids = {c.expect("STARTED")["pid"]}
    c.send(start)
    pids.add(c.expect("STARTED")["pid"])
    assert len(pids) == 1


def test_session_of_zeros(victim):
    """No session in the header where one belongs."""
    for data in (wire.start_message(wire.NONE, "/bin/true"), message("KILL", cause=ERR["WORKER_ABORTED"]),
                 message("ATTACH", epoch=1), message("PROBE", nonce=1), frame("DATA", b"x")):
        c = victim()
        c.welcome()
        c.send(data)
        got = c.expect("REFUSED", "NO_ROUTE", "RESET")
        assert got["is"] != "REFUSED" or name_of(got["error"]) in ("FRAME_HEADER", "MESSAGE_FIELD", "SESSION_FOREIGN")


def test_data_for_nobody(victim):
    """DATA for sessions that do not exist: NO_ROUTE or RESET, or closed; and no memory is taken by it."""
    c = victim()
    c.welcome()
    for i in range(300):
        if not c.send(frame("DATA", bytes(1000), bytes([i % 256] * 15 + [1]), lane=1, epoch=1)):
            break
    got = c.read()
    assert got is None or got[0] in ("RESET", "NO_ROUTE", "REFUSED", "LINK_ACK"), got


@pytest.mark.parametrize("count,announced", [(1, 0), (3, 0), (1, 2), (4, 4), (200, 0)])
def test_descriptors(world, victim, count, announced):
    """Descriptors that a frame does not announce, or that no frame of a manager may carry, are closed and refused."""
    agent = world.one("agent").pid
    before = proc.descriptors(agent)
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]
    try:
        c = victim()
        c.welcome()
        c.send(frame("BEAT", wire.body("BEAT"), fds=announced), fds)
        c.send(frame("BEAT", wire.body("BEAT")))
        refused(c, "DESCRIPTOR_COUNT", "FRAME_HEADER", "MESSAGE_FIELD", None)
    finally:
        for fd in fds:
            os.close(fd)
    proc.wait_until(lambda: proc.descriptors(agent) <= before, 5, "the agent to close them")


def test_more_than_the_window(world, victim):
    """A peer that ignores the window and floods is let go, or held by the socket; the node's memory stays."""
    agent = world.one("agent").pid
    c = victim()
    c.welcome()
    c.send(wire.start_message(SESSION, "/bin/sleep", ["sleep", "1000"]))
    c.expect("STARTED")
    before = proc.resident(agent)
    c.socket.settimeout(0.3)
    sent = 0
    try:
        while sent < 256 << 20:
            c.socket.sendall(frame("DATA", bytes(200000), SESSION, lane=1, epoch=1, offset=sent))
            sent += 200000
    except OSError:
        pass
    assert proc.resident(agent) < before + (48 << 20)


def test_peer_that_never_reads(victim):
    """A peer that makes the node answer and reads nothing is let go when its queue is full; others go on."""
    c = victim()
    c.welcome()
    c.socket.setblocking(False)
    data = message("PROBE", b"\xee" * 16, nonce=1) * 1000
    sent = 0
    deadline = time.monotonic() + scaled(5)
    while sent < 200 << 20 and time.monotonic() < deadline:
        try:
            sent += c.socket.send(data)
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:
            break


def test_acknowledging_too_much(victim):
    """LINK_ACK for more than was ever sent is refused."""
    c = victim()
    c.welcome()
    c.send(message("LINK_ACK", released=1 << 60))
    refused(c, "OFFSET", "CREDIT", "MESSAGE_FIELD")


NONSENSE = [
    {"program": "relative"}, {"program": ""}, {"program": "/does/not/exist"}, {"program": "/" + "x" * 4094},
    {"folder": ""}, {"folder": "relative"}, {"folder": "/does/not/exist"}, {"argv": []}, {"env": ["no equals sign", "=x", ""]},
    {"lease": 0}, {"lease": 0xFFFFFFFF}, {"umask": 0xFFFFFFFF}, {"env": ["A=" + "x" * 120000, "B=" + "y" * 90000]},
    {"env": ["PROMP_WORKER_FDS=77", "PROMP_TREE=forged", "LD_PRELOAD=/does/not/exist"]},
]


@pytest.mark.parametrize("bad", NONSENSE, ids=lambda b: "-".join(f"{k}" for k in b))
def test_start_with_nonsense(victim, bad):
    """START with fields that make no sense: refused by number or made harmless; the link survives or says why."""
    c = victim()
    c.welcome()
    c.send(wire.start_message(SESSION, **{"program": "/bin/true", **bad}))
    got = c.read()
    while got and got[0] in ("BEAT", "LINK_ACK"):
        got = c.read()
    assert got and got[0] in ("STARTED", "START_REFUSED", "REFUSED"), got
    if got[0] != "STARTED":
        assert got[2]["error"] > 1000 and got[2]["text"]


def test_strings_without_end(victim):
    """A list of strings whose last has no NUL."""
    c = victim()
    c.welcome()
    payload = struct.pack("<II", 1000, 0o22)
    for text in (b"/bin/true", b"/", b"no end", b"A=1"):
        payload += struct.pack("<I", len(text)) + text
    c.send(frame("START", payload, SESSION))
    refused(c, "MESSAGE_FIELD")


def test_nul_in_a_path(victim):
    """A NUL inside a path."""
    c = victim()
    c.welcome()
    c.send(wire.start_message(SESSION, b"/bin/true\0/x"))
    refused(c, "MESSAGE_FIELD")


def test_kill_with_any_cause(victim):
    """KILL with a number that is no cause."""
    for cause in (0, 1, 1001, 0xFFFFFFFF):
        c = victim()
        c.welcome()
        session = os.urandom(16)
        c.send(wire.start_message(session, "/bin/sleep", ["sleep", "1000"]))
        c.expect("STARTED")
        c.send(message("KILL", session, cause=cause))
        got = c.read()
        assert got and (got[0] == "REFUSED" or got[0] == "GONE" and 1500 <= got[2]["cause"] < 1600), got


@pytest.mark.parametrize("seed", range(3))
def test_garbage(victim, seed):
    """Random bytes, and random changes of good ones."""
    dice = random.Random(seed)
    good = hello() + message("BEAT") + wire.start_message(SESSION, "/bin/true", env=["A=1"]) + \
        message("ATTACH", SESSION, epoch=1) + frame("DATA", bytes(100), SESSION, epoch=1) + message("KILL", SESSION)
    for _ in range(60):
        c = victim()
        if dice.random() < 0.3:
            data = dice.randbytes(dice.randrange(1, 5000))
        else:
            data = bytearray(good)
            for _ in range(dice.randrange(1, 8)):
                data[dice.randrange(len(data))] = dice.randrange(256)
            data = bytes(data)
        c.send(data)
        if dice.random() < 0.5:
            try:
                c.read(0.01)
            except TimeoutError:
                pass
        c.close()


def test_many_connections(world, victim):
    """As many connections as there may be, one more is refused by number, and when they leave there is room again."""
    clients = []
    refusal = None
    for _ in range(LIMIT["LIMIT_LINKS"] + 5):
        try:
            c = victim()
        except OSError:
            break
        c.send(hello())
        got = c.read()
        if got is None or got[0] == "REFUSED":
            refusal = got
            break
        assert got[0] == "WELCOME"
        clients.append(c)
    assert len(clients) >= 200
    if len(clients) < LIMIT["LIMIT_LINKS"]:
        assert refusal and name_of(refusal[2]["error"]) in ("LIMIT_LINKS", "DESCRIPTORS"), refusal
    for c in clients:
        c.close()
    proc.wait_until(lambda: proc.descriptors(world.one("agent").pid) < 100, 10, "the agent to let go")


def test_connect_and_leave(victim):
    """1,000 connections that come and go without a word."""
    for _ in range(1000):
        victim().close()


def test_hostile_worker_program(world, victim, tmp_path):
    """A worker program that writes garbage to its link is ended with WORKER_PROTOCOL, and its manager is told."""
    script = tmp_path / "hostile"
    script.write_text("#!/bin/sh\nhead -c 5000 /dev/urandom >&3\nexec sleep 1000\n")
    script.chmod(0o755)
    m = world.manager()
    w = m.start(str(script))
    assert m.end(w, timeout=10)["cause"] in ("WORKER_PROTOCOL", "WORKER_EXITED", "WORKER_SIGNALLED")


def worker_script(tmp_path, text):
    """A worker written in Python that speaks to its link by hand."""
    script = tmp_path / "worker.py"
    script.write_text(f"#!{os.sys.executable}\nimport os, sys, socket, time\n"
                      f"sys.path.insert(0, {os.path.dirname(__file__)!r})\n"
                      "from support.wire import *\n"
                      "class Link(Client):\n"
                      "    def __init__(self):\n"
                      "        self.socket = socket.socket(fileno=3)\n"
                      "        self.data, self.seen = b'', []\n"
                      "link = Link()\n" + text)
    script.chmod(0o755)
    return str(script)


WORKER_BEGIN = """
link.send(hello(role=2))
session = link.expect("WELCOME")["session"]
attach = link.expect("ATTACH")
link.send(message("ATTACHED", session, attach["epoch"], credit0=1 << 18, credit1=1 << 20, credit2=1 << 20, credit3=1 << 20))
"""


@pytest.mark.parametrize("what", [
    'link.send(frame("DATA", b"\\xff" * 100, session, lane=1, epoch=attach["epoch"]))',
    'link.send(frame("DATA", struct.pack("<Q", 82 << 48 | 0xFFFFFFFFFFFF), session, lane=1, epoch=attach["epoch"]))',
    'link.send(frame("DATA", struct.pack("<Q", 80 << 48 | 20) + bytes(20), session, lane=1, epoch=attach["epoch"]))',
    'link.send(message("ACK", session, attach["epoch"], recv0=1 << 60, recv1=1 << 60))',
    'link.send(frame("DATA", b"x" * 100, session, lane=1, epoch=attach["epoch"], offset=1 << 63))',
    'link.send(message("START", b"\\x05" * 16, lease_ms=1000, program="/bin/true", folder="/"))',
    'link.send(message("GONE", session))',
    'link.send(message("KILL", b"\\x06" * 16))',
    'link.send(message("BYE"))',
    'link.send(frame("DATA", bytes(2 << 17), session, lane=1, epoch=attach["epoch"]) * 40)',
])
def test_hostile_worker(world, victim, tmp_path, what):
    """A worker that breaks the protocol of its session is ended or held; its manager is told in words, or works on."""
    m = world.manager()
    m.check("set", timeout=1500)
    w = m.start(worker_script(tmp_path, WORKER_BEGIN + what + "\ntime.sleep(1000)\n"))
    m.command("task", w, "add")
    end = m.end(w, timeout=10)  # it sends no beats: unresponsive at the latest
    assert end["cause"] in ("WORKER_PROTOCOL", "WORKER_UNRESPONSIVE", "WORKER_EXITED") and end["text"]
    w = m.start(TW)
    assert m.call(w, "add", 1, 2) == 3
