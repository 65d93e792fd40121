"""Whoever reaches the node's socket can send anything. Each of these ends by serving an honest manager, whose worker of
before still works: nothing else is disturbed."""

import socket
import struct
import time

import pytest
from support import wire
from support.build import LIMIT
from support.manager import name_of
from support.victim import refused, victim  # noqa: F401 - a fixture
from support.wire import frame, hello, message

SESSION = bytes(range(1, 17))


def test_honest(victim):
    """The client of these tests can be honest: WELCOME, a worker, its end."""
    c = victim()
    c.welcome()
    c.send(wire.start_message(SESSION, "/bin/true"))
    assert c.expect("STARTED")["pid"] > 0
    gone = c.expect("GONE")
    assert gone["session"] == SESSION and name_of(gone["cause"]) == "WORKER_EXITED" and gone["code"] == 0
    c.send(message("GONE_ACK", SESSION))
    c.send(message("BYE"))


@pytest.mark.parametrize("low,high", [(0, 0), (wire.VERSION + 1, wire.VERSION + 1), (wire.VERSION + 1, 65535), (5, 3)])
def test_versions(victim, low, high):
    """No common version: REFUSED with VERSION."""
    c = victim()
    c.send(hello(low, high))
    refused(c, "VERSION", "MESSAGE_FIELD")


def test_newer_peer(victim):
    """A peer that speaks more is answered in what both speak."""
    c = victim()
    c.send(hello(1, 700))
    assert c.expect("WELCOME")["version"] == wire.VERSION


@pytest.mark.parametrize("role", [0, 2, 3, 255])
def test_roles(victim, role):
    """Nobody who connects is a worker, or something unknown."""
    c = victim()
    c.send(hello(role=role))
    refused(c, "MESSAGE_FIELD", "MESSAGE_SENDER", "MESSAGE_STATE")


def test_nothing_before_hello(victim):
    """Anything before HELLO is refused."""
    for data in (message("BEAT"), wire.start_message(SESSION, "/bin/true"), message("PROBE", SESSION, nonce=1),
                 frame("DATA", b"x", SESSION)):
        c = victim()
        c.send(data)
        refused(c, "MESSAGE_STATE", "MESSAGE_SENDER")


def test_hello_twice(victim):
    """HELLO is for the beginning."""
    c = victim()
    c.welcome()
    c.send(hello())
    refused(c, "MESSAGE_STATE")


@pytest.mark.parametrize("size", [0, 1, 39, 262145, 0x7FFFFFFF, 0xFFFFFFFF])
def test_sizes(victim, size):
    """A size that no frame has is refused by its header, body unseen, before and after HELLO."""
    for welcome in (False, True):
        c = victim()
        if welcome:
            c.welcome()
        c.send(frame("BEAT", b"", size=size))
        refused(c, "FRAME_SIZE")


def test_largest_frame_of_a_small_message(victim):
    """A frame that is allowed by size but too large for its message: MESSAGE_SIZE."""
    c = victim()
    c.welcome()
    c.send(frame("BEAT", bytes(LIMIT["LIMIT_FRAME"] - 40)))
    refused(c, "MESSAGE_SIZE", "MESSAGE_FIELD")


@pytest.mark.parametrize("header", [{"lane": 4}, {"lane": 255}, {"fds": 5}, {"fds": 255}, {"lane": 1, "type_": "BEAT"}])
def test_headers(victim, header):
    """Lanes and counts of descriptors that there are not."""
    c = victim()
    c.welcome()
    header = dict(header)
    c.send(frame(header.pop("type_", "DATA"), b"x" * 8, SESSION, **header))
    refused(c, "FRAME_HEADER", "DESCRIPTOR_COUNT", "MESSAGE_FIELD", "SESSION_FOREIGN")


def test_reserved_fields_are_ignored(victim):
    """Reserved fields may hold anything: a later version may use them."""
    c = victim()
    c.welcome()
    c.send(frame("BEAT", wire.body("BEAT"), reserved=7, reserved2=99))
    c.send(wire.start_message(SESSION, "/bin/true"))
    c.expect("STARTED")
    c.expect("GONE")


@pytest.mark.parametrize("type_", [0, 7, 26, 51, 63, 64, 65, 80, 81, 82, 255])
def test_unknown_types(victim, type_):
    """Types that there are not, and records as frames."""
    c = victim()
    c.welcome()
    c.send(frame(type_, bytes(24), SESSION))
    refused(c, "MESSAGE_UNKNOWN", "FRAME_HEADER", "MESSAGE_STATE", "MESSAGE_SENDER")


@pytest.mark.parametrize("name", ["WELCOME", "REFUSED", "STARTED", "START_REFUSED", "GONE", "NO_ROUTE", "CONGESTED", "SPAWN",
                                  "SPAWNED", "SLAY", "EXITED", "EXIT_SEEN", "RELINK", "ROSTER", "ROSTER_END", "PULSE",
                                  "REST", "REPORT", "AWAY", "OFFER", "HELD_END", "QUEUED", "HELD", "OVER",
                                  "JOIN", "JOINED", "NEXT_KEY", "STATUS", "COUNTERS", "NODES", "NODE", "NODES_END",
                                  "DRAIN", "DRAINED", "LEAVE"])
def test_wrong_sender(victim, name):
    """What only a node, a keeper or a broker may say."""
    c = victim()
    c.welcome()
    c.send(message(name, SESSION))
    refused(c, "MESSAGE_SENDER", "MESSAGE_STATE")


@pytest.mark.parametrize("name", [n for n, (t, f) in wire.ROWS.items()
                                  if t < 40 and f and n not in ("WELCOME", "REFUSED", "STARTED", "START_REFUSED", "GONE",
                                                                "DATA", "CONGESTED", "NO_ROUTE", "AWAY", "OFFER", "QUEUED",
                                                                "HELD", "OVER", "JOIN", "JOINED", "NEXT_KEY", "COUNTERS",
                                                                "NODES", "NODE", "NODES_END")])
def test_truncated_bodies(victim, name):
    """Every message with every shorter body: refused, or closed; the node stays."""
    whole = wire.body(name, **({"program": "/bin/true", "folder": "/", "argv": ["a"], "env": ["A=1"]}
                               if name == "START" else {"build": "b"} if name == "HELLO" else {}))
    for n in range(len(whole)):
        c = victim()
        if name != "HELLO":
            c.welcome()
        c.send(frame(name, whole[:n], SESSION if wire.ROWS[name][0] >= 10 else wire.NONE))
        refused(c, "MESSAGE_FIELD", "MESSAGE_SIZE", "SESSION_FOREIGN")
        c.close()


def test_lying_lengths(victim):
    """Length fields inside a message that promise more than there is."""
    for length in (1, 5, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF):
        c = victim()
        c.welcome()
        c.send(frame("START", struct.pack("<III", 1000, 0o22, length) + b"/b", SESSION))
        refused(c, "MESSAGE_FIELD")
        c.close()
        c = victim()
        c.send(frame("HELLO", struct.pack("<HHQBI", 1, 1, 0, 1, 0) + struct.pack("<I", length) + b""))
        refused(c, "MESSAGE_FIELD")
        c.close()


def test_trailing_bytes(victim):
    """Bytes behind the last field are optional fields: unknown tags are skipped, broken and repeated ones refused."""
    def fields(*tags):
        return b"".join(struct.pack("<BI", t, 3) + b"abc" for t in tags)
    c = victim()
    c.welcome()
    c.send(frame("BEAT", wire.body("BEAT") + fields(200, 201)[:56]))
    c.send(wire.start_message(SESSION, "/bin/true"))
    c.expect("STARTED")
    for tail in (b"\x01", b"\xc8\x05\x00\x00\x00ab", b"\0\0\0\0\0"):
        c = victim()
        c.welcome()
        c.send(frame("BEAT", wire.body("BEAT") + tail))
        refused(c, "MESSAGE_FIELD")
        c.close()


def test_cut_in_the_middle(victim):
    """Connections that end in the middle of a header or body."""
    data = hello() + wire.start_message(SESSION, "/bin/true")
    for n in list(range(0, 60, 7)) + [len(data) - 1]:
        c = victim()
        c.send(data[:n])
        c.close()


def test_half_closed(victim):
    """A peer that shuts down its sending side in the middle of a frame is let go."""
    c = victim()
    c.welcome()
    c.send(frame("BEAT", b"", size=100)[:60])
    c.socket.shutdown(socket.SHUT_WR)
    refused(c, "FRAME_TRUNCATED", None)


def test_slow_bytes(victim):
    """HELLO byte by byte is a HELLO."""
    c = victim()
    for b in hello():
        c.send(bytes([b]))
    assert c.expect("WELCOME")["version"] == wire.VERSION


def test_silence(victim):
    """Who connects and says nothing (or half of a HELLO) is let go after the handshake's time."""
    silent, half = victim(), victim()
    half.send(hello()[:45])
    begin = time.monotonic()
    for c in (silent, half):
        end = c.end(timeout=LIMIT["TIME_HANDSHAKE"] / 1000 + 3)
        assert end is None or name_of(end["error"]) == "SILENT"
    assert time.monotonic() - begin > LIMIT["TIME_HANDSHAKE"] / 1000 - 1
