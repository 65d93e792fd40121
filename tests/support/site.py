"""A broker and peers of it that are in the test's hands."""

import os
import re
import subprocess
import time

import pytest

from . import proc, wire
from .build import ERR, scaled
from .cluster import AUTH, BROKER, Cluster
from .zpeer import Peer, Token, public_of

ROLES = {"manager": 1, "node": 3, "observer": 4, "admin": 5}
LOCAL = "tcp://127.0.0.1:0"


class Site(Cluster):
    """A cluster whose peers are ours."""

    def __init__(self, world):
        super().__init__(world)
        self.peers = []
        self.keys = self.config("broker")

    def auth(self, *args, **options):
        return self.run(AUTH, *args, config=self.keys, **options)

    def peer(self, key=None, server=None, **options):
        p = Peer(self.address, server or public_of(self.keys), key, **options)
        self.peers.append(p)
        return p

    def joiner(self, token):
        t = Token(token)
        assert t.address == self.address
        return self.peer(t.key, t.broker)

    def member(self, role="manager", name="", *args):
        """A key that has joined, by a token, over the network."""
        p = self.joiner(self.token(role, *args))
        p.join(name)
        answer = p.expect("JOINED")
        assert answer["role"] == ROLES[role]
        p.new.name, p.new.role = answer["name"], role
        return p.new

    def up(self, key):
        """A peer of this key that was welcomed."""
        p = self.peer(key)
        p.identity = p.welcome(role=ROLES[key.role])["node"]
        return p

    def back(self, key):
        """The same of one that tries until the broker is there again."""
        deadline = time.monotonic() + scaled(10)
        while True:
            p = self.peer(key)
            p.send(wire.hello(role=ROLES[key.role]))
            try:
                if p.read(1) and p.seen[0][0] == "WELCOME":
                    return p
            except TimeoutError:
                pass
            assert time.monotonic() < deadline

    def close(self):
        for p in self.peers:
            p.close()


@pytest.fixture
def site(world):
    s = Site(world)
    yield s
    s.close()


@pytest.fixture
def broker(site):
    return site.broker()


def fails(site, *args, code=1, error=None, **options):
    """promp-broker says why it does not start and prints nothing else."""
    env = {**site.environment, "PROMP_CONFIG": str(site.keys)}
    done = subprocess.run([BROKER, *map(str, args)], capture_output=True, text=True, env=env, timeout=scaled(20),
                          stdin=subprocess.DEVNULL, **options)
    assert (done.returncode, done.stdout) == (code, ""), done
    if error:
        assert re.search(rf"^promp-broker: {ERR[error]} {error}: ", done.stderr, re.M), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def until_said(program, pattern, timeout=10):
    return proc.wait_until(lambda: re.search(pattern, program.said()), timeout, lambda: f"{pattern}; {program.said()}")


def serves(site, broker):
    """An honest peer is served."""
    site.honest = getattr(site, "honest", None) or site.member("observer")
    p = site.up(site.honest)
    p.send(wire.message("BEAT"))
    assert broker.process.poll() is None
    p.close()


class Pair:
    """A manager and a node whose worker is in the peers' hands: a session from one to the other."""

    def __init__(self, site, name):
        self.name = name.encode().ljust(16, b".")
        self.manager_key, self.node_key = site.member("manager", name), site.member("node", name + "-node")
        self.node = site.up(self.node_key)
        self.node.send(wire.message("OFFER", node=self.name, places=1, cpus=1000, memory=1 << 30, pythons="3.11"))
        self.node.send(wire.message("HELD_END"))
        self.manager = site.up(self.manager_key)
        self.start()

    def start(self):
        self.manager.send(wire.message("START", session=self.name, lease_ms=10000, umask=0o22, program="w", argv=["w"],
                                       env=[]))
        assert self.node.expect("START")["session"] == self.name
        self.node.send(wire.message("STARTED", session=self.name, pid=1))
        assert self.manager.expect("STARTED")["pid"] == 1
        self.attach(1)

    def attach(self, epoch):
        self.epoch = epoch
        self.manager.send(wire.message("ATTACH", session=self.name, epoch=epoch))
        assert self.node.expect("ATTACH")["epoch"] == epoch
        self.node.send(wire.message("ATTACHED", session=self.name, epoch=epoch))
        assert self.manager.expect("ATTACHED")["epoch"] == epoch

    def data(self, payload, offset, lane=1):
        return wire.frame("DATA", payload, session=self.name, epoch=self.epoch, lane=lane, offset=offset)

    def exchange(self, n=20):
        """Both ways, in order, complete."""
        for i in range(n):
            piece = os.urandom(1 + i * 50)
            for a, b in ((self.manager, self.node), (self.node, self.manager)):
                a.send(self.data(piece, i << 20))
                got = b.expect("DATA")
                assert (got["data"], got["offset"], got["session"]) == (piece, i << 20, self.name)

    def flood(self, frames=60, size=200_000):
        """The manager sends more than the node takes; how many pieces came back as CONGESTED."""
        for i in range(frames):
            assert self.manager.send(self.data(b"x" * size, i * size))
        congested = 0
        try:
            while True:
                congested += self.manager.expect("CONGESTED", timeout=0.5)["is"] == "CONGESTED"
        except TimeoutError:
            return congested
