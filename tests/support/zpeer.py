"""A peer of the broker that can say anything: a DEALER with CURVE of the system's libzmq, by ctypes. It speaks in the frames of
wire.py, or in broken ones, and never connects a second time."""

import base64
import ctypes
import re
import struct
import time

from . import wire
from .build import scaled

_zmq = ctypes.CDLL("libzmq.so.5", use_errno=True)
_zmq.zmq_ctx_new.restype = _zmq.zmq_socket.restype = ctypes.c_void_p
for _name, _types in {"zmq_socket": [ctypes.c_void_p, ctypes.c_int], "zmq_close": [ctypes.c_void_p],
                      "zmq_connect": [ctypes.c_void_p, ctypes.c_char_p],
                      "zmq_setsockopt": [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t],
                      "zmq_getsockopt": [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p],
                      "zmq_send": [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int],
                      "zmq_recv": [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int],
                      "zmq_socket_monitor": [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int],
                      "zmq_curve_public": [ctypes.c_char_p, ctypes.c_char_p],
                      "zmq_curve_keypair": [ctypes.c_char_p, ctypes.c_char_p],
                      "zmq_z85_encode": [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t],
                      "zmq_z85_decode": [ctypes.c_char_p, ctypes.c_char_p]}.items():
    getattr(_zmq, _name).argtypes = _types
_zmq.zmq_z85_encode.restype = ctypes.c_void_p
_zmq.zmq_z85_decode.restype = ctypes.c_void_p

_PAIR, _DEALER = 0, 5
_LINGER, _RECONNECT_IVL, _SERVERKEY, _PUBLICKEY, _SECRETKEY, _IPV6, _ROUTING_ID = 17, 18, 50, 48, 49, 42, 5
_DONTWAIT, _SNDMORE = 1, 2
_EVENTS = {0x1000: "up", 0x0200: "gone", 0x0800: "key", 0x2000: "protocol", 0x4000: "refused"}
_context = []


class _Item(ctypes.Structure):
    _fields_ = [("socket", ctypes.c_void_p), ("fd", ctypes.c_int), ("events", ctypes.c_short), ("revents", ctypes.c_short)]


def _z85(key):
    text = ctypes.create_string_buffer(41)
    assert _zmq.zmq_z85_encode(text, key, 32)
    return text.value.decode()


def bytes_of(z85):
    key = ctypes.create_string_buffer(32)
    assert _zmq.zmq_z85_decode(key, z85.encode())
    return key.raw


class Key:
    """A key pair; secret and public as text (Z85) and as bytes."""

    def __init__(self, secret=None):
        public, own = ctypes.create_string_buffer(41), ctypes.create_string_buffer(41)
        if secret is None:
            _zmq.zmq_curve_keypair(public, own)
            secret = own.value.decode()
        assert _zmq.zmq_curve_public(public, secret.encode()) == 0
        self.secret, self.public = secret, public.value.decode()
        self.bytes = bytes_of(self.public)


class Token:
    """What stands in a token."""

    def __init__(self, line):
        text = line.strip().removeprefix("promp1:")
        data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        at = 10
        self.broker, at = _z85(data[at:at + 32]), at + 32
        self.next = None
        if data[0] & 1:
            self.next, at = _z85(data[at:at + 32]), at + 32
        self.key, at = Key(_z85(data[at:at + 32])), at + 32
        self.address = data[at + 1:at + 1 + data[at]].decode()


def public_of(folder, name="broker"):
    return re.search(r'public-key = "(.*)"', (folder / f"{name}.cert").read_text()).group(1)


class Peer(wire.Client):
    """One connection. state: "connecting", "up", "gone", "key" (the broker has another), "protocol", "refused"."""

    def __init__(self, address, server, key=None, routing_id=None):
        if not _context:
            _context.append(_zmq.zmq_ctx_new())
        self.key = key or Key()
        self.seen, self.state, self.got = [], "connecting", 0
        self.buffer = ctypes.create_string_buffer(300 * 1024)
        self.socket = _zmq.zmq_socket(_context[0], _DEALER)
        self.monitor = _zmq.zmq_socket(_context[0], _PAIR)
        for option, value in ((_LINGER, 0), (_RECONNECT_IVL, -1), (_IPV6, 1)):
            self._set(self.socket, option, struct.pack("i", value))
        if routing_id:
            self._set(self.socket, _ROUTING_ID, routing_id)
        if server:
            for option, value in ((_SERVERKEY, server), (_PUBLICKEY, self.key.public), (_SECRETKEY, self.key.secret)):
                self._set(self.socket, option, bytes_of(value))
        name = f"inproc://monitor-{id(self)}".encode()
        assert _zmq.zmq_socket_monitor(self.socket, name, sum(_EVENTS)) == 0
        assert _zmq.zmq_connect(self.monitor, name) == 0
        assert _zmq.zmq_connect(self.socket, address.encode()) == 0

    @staticmethod
    def _set(socket, option, value):
        assert _zmq.zmq_setsockopt(socket, option, value, len(value)) == 0

    def _receive(self, socket):
        size = _zmq.zmq_recv(socket, self.buffer, len(self.buffer), _DONTWAIT)
        return None if size < 0 else ctypes.string_at(self.buffer, size)

    def _wait(self, seconds):
        items = (_Item * 2)(_Item(self.socket, 0, 1, 0), _Item(self.monitor, 0, 1, 0))
        _zmq.zmq_poll(items, 2, ctypes.c_long(max(0, int(seconds * 1000))))

    def _look(self):
        while (event := self._receive(self.monitor)) is not None:
            self._receive(self.monitor)
            if self.state in ("connecting", "up"):
                self.state = _EVENTS.get(struct.unpack_from("<H", event)[0], self.state)

    def send(self, *parts):
        """One message of these parts."""
        for i, part in enumerate(parts):
            flags = _DONTWAIT | (_SNDMORE if i + 1 < len(parts) else 0)
            if _zmq.zmq_send(self.socket, part, len(part), flags) < 0:
                return False
        return True

    def until(self, *states, timeout=10):
        """Waits for one of these states and says which."""
        deadline = time.monotonic() + scaled(timeout)
        while True:
            self._look()
            if self.state in states:
                return self.state
            left = deadline - time.monotonic()
            assert left > 0, f"{self.state} instead of {states}; seen {self.seen[-5:]}"
            self._wait(min(left, 0.05))

    def read(self, timeout=10):
        deadline = time.monotonic() + scaled(timeout)
        ended = None
        while True:
            self._look()
            data = self._receive(self.socket)
            if data is not None:
                self.got += 1
                return self._frame(data)
            if self.state in ("gone", "refused", "key", "protocol"):
                ended = ended or time.monotonic()
                if time.monotonic() - ended > 0.2: # what came before the end has arrived by then
                    return None
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"nothing came; {self.state}, seen {self.seen[-5:]}")
            self._wait(min(left, 0.05))

    def _frame(self, data):
        size, number, lane, fds, _, epoch, _, session, offset = wire.HEADER.unpack_from(data)
        assert size == len(data)
        name = wire.TYPES.get(number, number)
        head = {"lane": lane, "fds": fds, "epoch": epoch, "session": session, "offset": offset}
        payload = data[wire.HEADER.size:]
        fields = {"data": payload} if name == "DATA" else wire.unpack_body(name, payload)
        self.seen.append((name, fields))
        return name, head, fields

    def join(self, name="", **values):
        """Asks to let self.new in, a key that was made before or now."""
        self.new = getattr(self, "new", None) or Key()
        self.send(wire.message("JOIN", **{"version_low": 1, "version_high": 1, "key": self.new.bytes, "name": name,
                                          **values}))

    def close(self):
        if self.socket:
            _zmq.zmq_socket_monitor(self.socket, None, 0)
            _zmq.zmq_close(self.monitor)
            _zmq.zmq_close(self.socket)
            self.socket = None
