"""Aim: nobody who has not proved his key gets or is sent a byte beyond the handshake: counted on the wire, for each program that listens
or dials."""

import os
import socket
import subprocess
import threading

import pytest
from support import build, proc, wire
from support.build import scaled
from support.cluster import PROMP, Cluster, built
from support.zpeer import Key, Peer, Token, public_of

pytestmark = pytest.mark.skipif(not built(), reason="the programs of a cluster are not built")

GREETING = 64
HELLO, WELCOME, INITIATE = 2 + 200, 2 + 168, 2 + 257  # CURVE's commands; INITIATE without metadata: who sends less has not sent it
REFUSAL = 2 + 6 + 4  # ERROR with a status


def greeting(mechanism):
    return b"\xff" + bytes(8) + b"\x7f\x03\x01" + mechanism.ljust(20, b"\0") + b"\x01" + bytes(31)


SERVERS = {  # what a server that is not the broker says, the last after it has heard HELLO; how much a peer may say to it
    "nothing": ((b"", b""), GREETING),
    "no CURVE": ((greeting(b"NULL"), b""), GREETING),
    "a greeting": ((greeting(b"CURVE"), b""), GREETING + HELLO),
    "another key's welcome": ((greeting(b"CURVE"), b"\x04\xa8\x07WELCOME" + os.urandom(160)), GREETING + HELLO),
}


class Server:
    """Listens, says the same to everybody, and counts what each connection sent."""

    def __init__(self, port, says):
        self.says, self.heard = says, []
        self.socket = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _hear(self, peer, index):
        data = peer.recv(65536)
        self.heard[index] += len(data)
        return data

    def _accept(self):
        while True:
            try:
                peer, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer):
        index = len(self.heard)
        self.heard.append(0)
        try:
            first, second = self.says
            peer.sendall(first)
            while self._hear(peer, index):
                if second and self.heard[index] >= GREETING + HELLO:
                    peer.sendall(second)
                    second = b""
        except OSError:
            pass
        peer.close()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Relay(Server):
    """Passes everything on to a port, and counts what comes back."""

    def __init__(self, port):
        self.to = port
        super().__init__(0, None)
        self.address = f"tcp://127.0.0.1:{self.socket.getsockname()[1]}"

    def _serve(self, peer):
        index = len(self.heard)
        self.heard.append(0)
        there = socket.create_connection(("127.0.0.1", self.to))
        threading.Thread(target=self._back, args=(there, peer, index), daemon=True).start()
        try:
            while data := peer.recv(65536):
                there.sendall(data)
            there.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def _back(self, there, peer, index):
        try:
            while data := self._hear(there, index):
                peer.sendall(data)
        except OSError:
            pass
        peer.shutdown(socket.SHUT_RDWR)  # the other thread still reads
        there.close()


@pytest.fixture
def c(world):
    return Cluster(world)


def port_of(address):
    return int(address.rsplit(":", 1)[1])


def test_broker(c):
    """promp-broker to an unknown key, a client without CURVE, and one that takes it for another; somebody who may come in gets more."""
    broker = c.broker()
    config = c.config("broker")
    public = public_of(config)
    token = c.token("node", "--uses", "1")
    allowed = {"unknown": GREETING + WELCOME + REFUSAL, "plain": GREETING + REFUSAL, "mistaken": GREETING, "known": None}
    for who, limit in allowed.items():
        key = {"unknown": Key(), "plain": None, "mistaken": Token(token).key, "known": Token(token).key}[who]
        relay = Relay(port_of(c.address))  # its own: a peer that is gone may have been about to connect again
        peer = Peer(relay.address, Key().public if who == "mistaken" else None if who == "plain" else public, key)
        peer.send(wire.hello())
        state = peer.until("up", "refused", "protocol", "key", "gone")
        if who == "known":
            assert state == "up"
            proc.wait_until(lambda: max(relay.heard) > GREETING + WELCOME + REFUSAL, 10, lambda: relay.heard)
        else:
            assert state != "up" and peer.read() is None and peer.got == 0
            proc.wait_until(lambda: max(relay.heard, default=0), 10, lambda: relay.heard)
            assert max(relay.heard) <= limit, (who, relay.heard)
        peer.close()
        relay.close()
    assert broker.stop() == 0


def test_declared_size(c):
    """promp-broker to somebody without a key who declares a frame of 1 GiB and begins to send it: no memory is set aside for it, the
    connection ends, and the broker serves."""
    broker = c.broker()
    before = proc.resident(broker.pid)
    for flags in (0x02, 0x06):  # message, command; long
        with socket.create_connection(("127.0.0.1", port_of(c.address))) as peer:
            peer.settimeout(scaled(10))
            peer.sendall(greeting(b"CURVE") + bytes([flags]) + (1 << 30).to_bytes(8, "big"))
            sent = 0
            try:
                while sent < 64 << 20:
                    sent += peer.send(bytes(65536))
            except ConnectionError:
                pass
            assert sent < 64 << 20, "the connection goes on"
    assert proc.resident(broker.pid) < before + (16 << 20)
    c.manager_config()
    assert broker.stop() == 0


@pytest.fixture
def members(c):
    """Who has joined, and a token; the broker is gone."""
    broker = c.broker()
    assert c.node().stop() == 0
    c.manager_config()
    c.spare = c.token("manager")
    assert broker.stop() == 0
    return c


@pytest.mark.parametrize("says", SERVERS)
@pytest.mark.parametrize("program", ["node", pytest.param("manager", marks=pytest.mark.plain), "join"])
def test_dialling(members, program, says):
    """promp-node, a manager and promp join at the address of their broker, where something else is: it never hears more than the
    handshake, and they end with words."""
    c = members
    text, limit = SERVERS[says]
    server = Server(port_of(c.address), text)
    env = {**c.environment, "PROMP_CONFIG": str(c.config(program))}
    script = c.folder / "script.py"
    script.write_text("from Pro.MP import ProManager\nProManager().startWorker()\n")
    command = {"node": [build.NODE], "join": [PROMP, "join", "-"], "manager": [PROMP, "-r", str(script)]}[program]
    run = c.world.popen(command, env=env, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # What may yet become a broker, a node waits for.
    waits = program == "node" and says in ("nothing", "a greeting")
    try:
        _, said = run.communicate(c.spare if program == "join" else "", timeout=scaled(3 if waits else 8))
        assert not waits and run.returncode != 0 and "broker" in said, said
    except subprocess.TimeoutExpired:
        assert waits
        run.terminate()
        run.communicate()
    server.close()
    assert server.heard and max(server.heard) <= limit, server.heard
    assert max(server.heard) == limit or limit == GREETING


