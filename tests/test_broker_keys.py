"""Aim: who may come in to promp-broker: greeting, joining, keys that are revoked, expire or change, the broker's own among them."""

import os
import re
import shutil
import signal
import subprocess
import time

import pytest
from support import wire
from support.build import ERR, SANITIZER, scaled
from support.cluster import BROKER
from support.site import broker, ROLES, serves, site, until_said  # noqa: F401
from support.zpeer import Key, Peer, bytes_of, public_of

pytestmark = [pytest.mark.sanitize,
              pytest.mark.skipif(not os.access(BROKER, os.X_OK), reason="promp-broker is not built")]


# ---------------------------------------------------------------- who may come in


def test_strangers_hear_nothing(site, broker):
    """Aim: an unknown key, no CURVE, or another server's key: not a byte comes back beyond the handshake, and the log tells."""
    stranger = site.peer()
    stranger.send(wire.hello())
    assert stranger.until("refused") == "refused"
    until_said(broker, f" {ERR['ACCESS_UNKNOWN']} .*{re.escape(stranger.key.public)}")
    plain = Peer(site.address, None)
    site.peers.append(plain)
    plain.send(wire.hello())
    other = site.peer(server=Key().public)
    other.send(wire.hello())
    assert plain.until("protocol", "key", "gone")
    assert other.until("key", "gone")
    for p in (stranger, plain, other):
        assert p.read() is None and p.got == 0
    serves(site, broker)


@pytest.mark.parametrize("role", ROLES)
def test_welcome(site, broker, role):
    """Aim: each role is greeted in its own, and in no other."""
    key = site.member(role)
    site.up(key)
    for other in set(ROLES) - {role}:
        p = site.peer(key)
        p.send(wire.hello(role=ROLES[other]))
        assert p.expect("REFUSED")["error"] == ERR["KEY_ROLE"]


def test_version(site, broker):
    """Aim: who speaks no version of ours is told so."""
    p = site.peer(site.member())
    p.send(wire.hello(low=99, high=100))
    assert p.end()["error"] == ERR["VERSION"]


def test_join(site, broker):
    """Aim: a token lets a key in, once, with its name; the same question again has the same answer; used up it is refused."""
    token = site.token("node", "--label", "gpu")
    first = site.joiner(token)
    first.join("n-1")
    answer = first.expect("JOINED")
    assert (answer["name"], answer["role"]) == ("n-1", 3)
    assert answer["broker"].hex() == (site.keys / "identity").read_text().strip()
    first.new.role = "node"
    site.up(first.new)  # at once: the store in use knows it
    # Meanwhile the token is used up: it does not pass the handshake any more.
    again = site.joiner(token)
    again.new = first.new
    again.join("n-1")
    assert again.until("refused")
    until_said(broker, f" {ERR['TOKEN_USED']} ")
    assert "'n-1' joined as node" in broker.said()


def test_join_asked_again(site, broker):
    """Aim: while the token has uses, who lost the answer gets the same one without using it up; refusals all look the same."""
    token = site.token("manager", "--uses", "2")
    first = site.joiner(token)
    first.join("m")
    first.expect("JOINED")
    second = site.joiner(token)
    second.new = first.new
    second.join("m")
    assert second.expect("JOINED")["name"] == "m"
    third, fourth = site.joiner(token), site.joiner(token)
    assert third.until("up") and fourth.until("up")
    third.join("m")
    assert third.expect("JOINED")["name"] == "m-2"
    fourth.join("m")  # its connection was let in before the token was used up
    assert fourth.end()["error"] == ERR["TOKEN_REFUSED"]
    line = until_said(broker, f" {ERR['TOKEN_USED']} .*").group()
    assert line.count("used up") == 1, line


@pytest.mark.parametrize("what", ["hello", "junk", "twice", "field", "key", "session"])
def test_join_keys_may_do_nothing_else(site, broker, what):
    """Aim: from a token's key anything but one JOIN ends the connection, and the token is as good as before."""
    token = site.token("manager", "--uses", "3")
    p = site.joiner(token)
    if what == "hello":
        p.send(wire.hello())
    elif what == "junk":
        p.send(b"\xff" * 100)
    elif what == "field":
        p.send(wire.frame("JOIN", b"\0" * 5))
    elif what == "key":
        p.join(key=b"\0" * 32)
        assert p.expect("REFUSED")["error"] == ERR["TOKEN_REFUSED"]
    elif what == "session":
        p.send(wire.message("START", session=b"s" * 16, program="/bin/true"))
    else:
        p.join("a")
        p.send(wire.message("JOIN", version_low=1, version_high=1, key=Key().bytes, name="b"))
    assert p.end() is None
    q = site.joiner(token)
    q.join("q")
    assert q.expect("JOINED")["name"] == "q"
    names = [line.split()[0] for line in site.auth("list").splitlines()]
    assert "b" not in names


def test_join_says_nothing(site, broker):
    """Aim: who comes with a token, opens a connection's window and does not ask is turned out in time; who asks beside it is let
    in."""
    token = site.token("manager", "--uses", "3")
    mute = [site.joiner(token) for _ in range(5)]
    for p in mute:
        p.send(wire.frame("LINK_ACK", b"\0" * 8))
    p = site.joiner(token)
    p.join("p")
    assert p.expect("JOINED")["name"] == "p"
    for p in mute:
        assert p.until("gone", timeout=10)
    until_said(broker, rf" {ERR['SILENT']} .*: with a token")
    serves(site, broker)


def test_join_version(site, broker):
    """Aim: a joiner of another time is told the version, and uses nothing up."""
    p = site.joiner(site.token("manager"))
    p.join(version_low=99, version_high=99)
    assert p.end()["error"] == ERR["VERSION"]


def test_join_waits_for_the_lock(site, broker):
    """Aim: while a tool holds the store, a joiner waits and nobody else does."""
    import fcntl

    key = site.member()
    p = site.joiner(site.token("manager"))
    with open(site.keys / "lock", "r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        p.join("patient")
        p.until("up")
        begin = time.monotonic()
        site.up(key)
        assert time.monotonic() - begin < scaled(1)
        with pytest.raises(TimeoutError):
            p.read(timeout=0.3)
        fcntl.flock(lock, fcntl.LOCK_UN)
    assert p.expect("JOINED")["name"] == "patient"


# ---------------------------------------------------------------- keys that end or change


def test_revoked(site, broker):
    """Aim: a revoked key loses its living connection within a moment, and does not come back; others stay."""
    bad, good = site.member("manager", "bad"), site.member("manager", "good")
    p, q = site.up(bad), site.up(good)
    site.auth("revoke", "bad")
    assert p.end()["error"] == ERR["KEY_REFUSED"]
    assert site.peer(bad).until("refused")
    until_said(broker, f" {ERR['ACCESS_REVOKED']} .*'bad'")
    q.send(wire.message("BEAT"))
    assert site.up(good)
    with pytest.raises(TimeoutError):
        q.end(timeout=0.2)


def test_expired(site, broker):
    """Aim: a key that expires while it is connected is turned out by the clock, without any file changed."""
    when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3))
    key = site.member("manager", "short", "--key-expires", when)
    p = site.up(key)
    assert p.end()["error"] == ERR["KEY_REFUSED"]
    assert site.peer(key).until("refused")


CLOCK = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
time_t time(time_t *t)
{
    struct timespec now;
    long ahead = 0;
    FILE *f = fopen(getenv("CLOCK_AHEAD"), "re");
    clock_gettime(CLOCK_REALTIME, &now);
    if (f && fscanf(f, "%ld", &ahead) == 1)
        now.tv_sec += ahead;
    if (f)
        fclose(f);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}
"""


@pytest.mark.skipif(SANITIZER != "" or not shutil.which("cc"), reason="needs a compiler and a program without sanitizer")
def test_clock_set_back(site, tmp_path):
    """Aim: a clock that was wrong for a moment turns out whom it must, and after that, too, keys end in time."""
    library, ahead = tmp_path / "clock.so", tmp_path / "ahead"
    subprocess.run(["cc", "-shared", "-fPIC", "-x", "c", "-o", library, "-"], input=CLOCK, text=True, check=True)
    ahead.write_text("0")
    site.environment.update(LD_PRELOAD=str(library), CLOCK_AHEAD=str(ahead))
    broker = site.broker()
    del site.environment["LD_PRELOAD"]
    end = time.time() + 8
    key = site.member("manager", "short", "--key-expires", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end)))
    p = site.up(key)
    ahead.write_text("3600")
    assert p.end()["error"] == ERR["KEY_REFUSED"]
    ahead.write_text("0")
    p = site.back(key)
    assert time.time() < end, "too slow to see anything"
    p.expect("REFUSED", timeout=end - time.time() + 5)
    serves(site, broker)


def test_broken_store(site):
    """Aim: SIGHUP with a store that cannot be read keeps the keys that were read; mended, it counts again."""
    broker = site.broker("--log", "debug")
    key = site.member()
    (site.keys / "store").rename(site.keys / "hidden")
    broker.kill(signal.SIGHUP)
    until_said(broker, rf" error .* {ERR['KEY_MISSING']} .*keys that were read before")
    site.up(key)
    (site.keys / "hidden").rename(site.keys / "store")
    until_said(broker, r"info .*the store has \d+ keys")
    serves(site, broker)


def test_malformed_entry(site):
    """Aim: a file of the store that is malformed costs its own key only, and the log names it."""
    broker = site.broker()
    key, other = site.member("manager", "one"), site.member("manager", "two")
    path = site.keys / "store" / f"{key.bytes.hex()}.cert"
    path.write_text(path.read_text().replace("role", "rôle"))
    p = site.up(other)
    broker.kill(signal.SIGHUP)
    until_said(broker, rf" {ERR['STORE_ENTRY']} .*{path.name}")
    assert site.peer(key).until("refused")
    site.up(other)
    p.send(wire.message("BEAT"))


def test_next_key(site, broker):
    """Aim: peers are told the broker's next key when there is one and when they come; at its time it is the key, the port stays
    the same, and the old one is refused."""
    key = site.member()
    before = site.up(key)
    old = public_of(site.keys)
    site.auth("rotate", "broker", "--overlap", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 4)))
    told = before.expect("NEXT_KEY")
    after = site.up(key)
    assert after.expect("NEXT_KEY") == {**told, "epoch": 0}
    next_key = public_of(site.keys, "broker.next")
    assert told["key"] == bytes_of(next_key)
    before.until("gone", timeout=15)
    p = site.back(key)
    assert public_of(site.keys) == next_key != old
    assert site.peer(key, server=old).until("key", "gone")
    with pytest.raises(TimeoutError):
        p.read(timeout=0.2)  # there is no next key any more


def test_next_key_taken_back(site, broker):
    """Aim: a change at once, in place of one that waits, needs no restart either."""
    key = site.member()
    p = site.up(key)
    site.auth("rotate", "broker", "--overlap", "7d")
    assert len(p.expect("NEXT_KEY")["key"]) == 32
    site.auth("rotate", "broker", "--overlap", "0")
    p.until("gone")
    site.back(key)


def test_next_key_that_is_locked(site, broker, tmp_path):
    """Aim: a next key that cannot be unlocked leaves the one before in service, and says so; its passphrase may
    come later."""
    words = tmp_path / "words"
    words.write_text("correct horse\n")
    words.chmod(0o600)
    key = site.member()
    old = public_of(site.keys)
    site.auth("rotate", "broker", "--overlap", "0", "--passphrase-from", words)
    until_said(broker, rf" {ERR['KEY_LOCKED']} .*still served")
    assert site.peer(key, server=old).welcome(role=1)
    (site.keys / "broker.zpl").write_text(f'passphrase-file = "{words}"\n')
    broker.kill(signal.SIGHUP)
    until_said(broker, "broker's key changes")
    site.back(key)
