"""Aim: promp-broker passes sessions on, through restarts and changes of keys; and what hostile peers can do to others: nothing."""

import os
import signal
import socket
import time

import pytest
from support import proc, wire
from support.build import ERR, SANITIZER, scaled
from support.cluster import BROKER
from support.site import broker, Pair, serves, site, until_said  # noqa: F401

pytestmark = [pytest.mark.sanitize,
              pytest.mark.skipif(not os.access(BROKER, os.X_OK), reason="promp-broker is not built")]


# ---------------------------------------------------------------- relaying


def test_relay(site, broker):
    """Aim: a start, its answer, and frames of a session go from manager to node and back; both ends are who they are."""
    pair = Pair(site, "m")
    pair.exchange()
    pair.node.send(wire.message("GONE", session=pair.name, cause=ERR["WORKER_EXITED"], text="it ended"))
    assert pair.manager.expect("GONE")["cause"] == ERR["WORKER_EXITED"]
    pair.manager.send(wire.message("GONE_ACK", session=pair.name))
    assert pair.node.expect("GONE_ACK")["session"] == pair.name
    broker.kill(signal.SIGUSR1)
    until_said(broker, "room: places 1, places in use 0, ")
    until_said(broker, "since its start: workers asked for 1, refused 0, ")


def test_session_of_another(site, broker):
    """Aim: who names a session of another key is dropped, and it goes on."""
    pair = Pair(site, "m")
    thief = site.up(site.member("manager", "thief"))
    thief.send(wire.message("ATTACH", session=pair.name, epoch=9))
    assert thief.end()["error"] == ERR["SESSION_FOREIGN"]
    pair.exchange()


def test_slow_reader(site, broker):
    """Aim: a node that lets go of nothing costs its own manager CONGESTED, the broker little memory, and others nothing."""
    slow, good = Pair(site, "slow"), Pair(site, "good")
    before = proc.resident(broker.pid)
    assert slow.flood() > 5
    good.exchange()
    if not SANITIZER:
        assert proc.resident(broker.pid) - before < 30 << 20
    assert broker.process.poll() is None


def test_broker_killed_under_a_session(site):
    """Aim: a broker without memory learns the session from its node, and it goes on where both ends attach again."""
    broker = site.broker()
    pair = Pair(site, "m")
    pair.exchange(3)
    broker.kill()
    pair.manager.until("gone")
    site.broker()
    pair.node = site.up(pair.node_key)
    owner = pair.manager_key.bytes[:16]
    pair.node.send(wire.message("OFFER", node=pair.name, places=1, cpus=1000, memory=1 << 30, pythons="3.11"))
    pair.node.send(wire.message("HELD", session=pair.name, owner=owner, lease_ms=10000, pid=1, state=2))
    pair.node.send(wire.message("HELD_END"))
    pair.manager = site.up(pair.manager_key)
    pair.attach(2)
    pair.exchange(3)


def test_key_change_under_a_session(site, broker):
    """Aim: while the broker changes its key its memory stays: the session goes on as soon as both ends are back."""
    pair = Pair(site, "m")
    site.auth("rotate", "broker", "--overlap", "0")
    pair.manager.until("gone")
    pair.node = site.back(pair.node_key)
    pair.node.send(wire.message("OFFER", node=pair.name, places=1, cpus=1000, memory=1 << 30, pythons="3.11"))
    pair.node.send(wire.message("HELD", session=pair.name, owner=pair.manager_key.bytes[:16], lease_ms=10000, pid=1, state=2))
    pair.node.send(wire.message("HELD_END"))
    pair.manager = site.back(pair.manager_key)
    pair.attach(2)
    pair.exchange(3)


def test_revoked_manager_of_a_session(site, broker):
    """Aim: with its manager's key a session ends at once: the node is told to end the worker."""
    pair = Pair(site, "m")
    site.auth("revoke", "m")
    assert pair.node.expect("KILL")["session"] == pair.name
    assert pair.manager.end()["error"] == ERR["KEY_REFUSED"]


def test_drain_with_data(site, broker):
    """Aim: what waits for a node that does not take it holds the broker's end up for a moment only; a second signal not at all."""
    pair = Pair(site, "slow")
    assert pair.flood() > 5
    begin = time.monotonic()
    broker.process.terminate()
    assert pair.manager.expect("AWAY")
    assert broker.process.poll() is None
    assert broker.process.wait(scaled(10)) == 0
    assert 1.5 < time.monotonic() - begin < scaled(5)

    broker = site.broker()
    pair = Pair(site, "slow2")
    assert pair.flood() > 5
    broker.process.terminate()
    assert pair.manager.expect("AWAY")
    begin = time.monotonic()
    broker.process.terminate()
    assert broker.process.wait(scaled(10)) == 0
    if not SANITIZER:
        assert time.monotonic() - begin < 1.2


# ---------------------------------------------------------------- hostile peers


@pytest.mark.parametrize("junk", [
    [b""], [b"\0" * 39], [b"\xff" * 40], [b"x" * 2000], [wire.frame("BEAT", b"\0" * 8), b"more"], [wire.message("WELCOME")],
    [wire.message("BEAT")], [wire.hello(role=2)], [wire.hello(low=5, high=4)], [wire.frame("HELLO", b"")],
    [wire.frame("HELLO", fds=2)], [wire.frame(63)], [wire.message("JOIN", key=b"k" * 32)], [wire.message("PULSE")]])
def test_first_frame_junk(site, broker, junk):
    """Aim: a key that may come in and begins with junk loses its connection; an honest peer beside it notices nothing."""
    key, good = site.member("manager", "bad"), site.up(site.member("manager", "good"))
    p = site.peer(key)
    p.send(*junk)
    p.end()
    good.send(wire.message("BEAT"))
    with pytest.raises(TimeoutError):
        good.end(timeout=0.1)
    serves(site, broker)


@pytest.mark.parametrize("junk", [
    wire.message("START", session=b"s" * 16)[:50], wire.message("HELD", session=b"s" * 16),
    wire.message("SPAWN", session=b"s" * 16), wire.message("DATA", session=bytes(16)), wire.hello(),
    wire.frame("LINK_ACK", b"\xff" * 8), wire.frame("DATA", b"x", session=b"s" * 16, lane=1, offset=2**64 - 1),
    wire.message("NEXT_KEY", key=b"k" * 32), wire.message("REFUSED", error=1001)])
def test_later_junk(site, broker, junk):
    """Aim: likewise after WELCOME; the log tells who it was and what was wrong."""
    key = site.member("manager", "bad")
    p = site.up(key)
    p.send(junk)
    p.end()
    until_said(broker, r" warning .* 14\d\d .*'bad'")
    serves(site, broker)


def test_window(site, broker):
    """Aim: who sends more data than its window allows is dropped."""
    p = site.up(site.member("manager", "bad"))
    piece = wire.frame("DATA", b"x" * 200_000, session=b"s" * 16, lane=1)
    for _ in range(5000):
        if not p.send(piece):
            break
        p._look()
        if p.state == "gone":
            break
    serves(site, broker)


def test_log_is_not_flooded(site, broker):
    """Aim: a hundred strangers in a row write some lines, and how many were left out."""
    for _ in range(100):
        p = site.peer()
        p.until("refused")
        p.close()
    lines = broker.said().count(f" {ERR['ACCESS_UNKNOWN']} ")
    assert 20 <= lines < 80
    serves(site, broker)


def test_raw_connections(site, broker):
    """Aim: connections that say nothing, or anything but ZMTP, hold nobody up."""
    host, port = site.address.removeprefix("tcp://").split(":")
    raw = [socket.create_connection((host, int(port))) for _ in range(60)]
    for i, s in enumerate(raw):
        if i % 3 == 1:
            s.sendall(os.urandom(500))
        elif i % 3 == 2:
            s.sendall(b"GET / HTTP/1.0\r\n\r\n")
    serves(site, broker)
    for s in raw:
        s.close()
