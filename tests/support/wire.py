"""A client of the node's socket that can say anything: frames made from lib/proto/messages.def, or broken on purpose."""

import array
import os
import re
import socket
import struct
import time

from .build import ROOT, scaled

HEADER = struct.Struct("<IBBBBII16sQ")
NONE = bytes(16)


def _rows():
    """{"HELLO": (number, [(kind, name), ...]), ...}"""
    text = re.sub(r"/\*.*?\*/", "", (ROOT / "lib/proto/messages.def").read_text(), flags=re.S)
    counters = re.findall(r"^ +ROW\((\w+),", (ROOT / "lib/proto/counters.h").read_text(), flags=re.M)
    text = text.replace("PROMP_COUNTERS(PROMP_COUNTERS_FIELD)", " ".join(f"U64({name}, )" for name in counters))
    rows = {}
    for row in re.findall(r"PROMP_MESSAGE\((.*?)\)\s*(?=PROMP_MESSAGE|\Z)", text, flags=re.S):
        head = re.match(r"\s*(\w+),\s*\w+,\s*(\d+),", row)
        quiet = re.sub(r'"(?:\\.|[^"\\])*"', '""', row)
        fields = re.findall(r"\b(U8|U16|U32|U64|ID|STRS|STR|PATH|BYTES|RAW)\((\w+),", quiet)
        rows[head.group(1)] = int(head.group(2)), fields
    return rows


ROWS = _rows()
VERSION = int(re.search(r"PROMP_VERSION_HIGH +(\d+)", (ROOT / "lib/proto/message.h").read_text()).group(1))
TYPES = {number: name for name, (number, _) in ROWS.items()}
_FIXED = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q"}


def body(name, /, **values):
    out = b""
    for kind, field in ROWS[name][1]:
        value = values.pop(field, None)
        if kind in _FIXED:
            out += struct.pack(_FIXED[kind], value or 0)
        elif kind == "ID":
            out += value or NONE
        else:
            if kind == "STRS":
                value = b"".join((v if isinstance(v, bytes) else v.encode()) + b"\0" for v in value or [])
            value = value.encode() if isinstance(value, str) else value or b""
            out += struct.pack("<I", len(value)) + value
    assert not values, values
    return out


def unpack_body(name, data):
    values, at = {}, 0
    for kind, field in ROWS[name][1]:
        if kind in _FIXED:
            (values[field],) = struct.unpack_from(_FIXED[kind], data, at)
            at += struct.calcsize(_FIXED[kind])
        elif kind == "ID":
            values[field] = data[at:at + 16]
            at += 16
        else:
            (size,) = struct.unpack_from("<I", data, at)
            value = data[at + 4:at + 4 + size]
            at += 4 + size
            values[field] = value.decode(errors="replace") if kind == "STR" else value
    return values


def optional(*fields, size={}):
    """(tag, number) of OPT32, or with another size in bytes."""
    return b"".join(struct.pack("<BI", tag, size.get(tag, 4)) + value.to_bytes(size.get(tag, 4), "little") for tag, value in fields)


def frame(type_, payload=b"", session=NONE, lane=0, fds=0, epoch=0, offset=0, size=None, reserved=0, reserved2=0):
    number = ROWS[type_][0] if isinstance(type_, str) else type_
    size = HEADER.size + len(payload) if size is None else size
    return HEADER.pack(size, number, lane, fds, reserved, epoch, reserved2, session, offset) + payload


def message(name, /, session=NONE, epoch=0, **values):
    return frame(name, body(name, **values), session=session, epoch=epoch)


def hello(low=1, high=VERSION, role=1, **values):
    return message("HELLO", version_low=low, version_high=high, role=role, build="wire test", **values)


class Client:
    """One connection. Reading gives (name, header fields, body fields)."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(scaled(10))
        self.socket.connect(str(path))
        self.data = b""
        self.seen = []

    def send(self, data, fds=()):
        """False when the node has closed: it may, in the middle of what breaks a rule."""
        try:
            if fds:
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
                sent = self.socket.sendmsg([data], ancillary)
                data = data[sent:]
            self.socket.sendall(data)
            return True
        except (BrokenPipeError, ConnectionResetError):
            return False

    def welcome(self, **values):
        self.send(hello(**values))
        answer = self.expect("WELCOME")
        assert answer["version"] == VERSION
        return answer

    def read(self, timeout=10):
        """The next frame; None at the end of the connection; TimeoutError."""
        deadline = time.monotonic() + scaled(timeout)
        while True:
            if len(self.data) >= HEADER.size:
                size, number, lane, fds, _, epoch, _, session, offset = HEADER.unpack_from(self.data)
                if len(self.data) >= size:
                    payload, self.data = self.data[HEADER.size:size], self.data[size:]
                    name = TYPES.get(number, number)
                    head = {"lane": lane, "fds": fds, "epoch": epoch, "session": session, "offset": offset}
                    fields = {"data": payload} if name == "DATA" else unpack_body(name, payload)
                    self.seen.append((name, fields))
                    return name, head, fields
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"nothing came; seen {self.seen[-5:]}")
            self.socket.settimeout(left)
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return None
            except socket.timeout:
                continue
            if not more:
                return None
            self.data += more

    def expect(self, *names, timeout=10):
        """The next frame that is no beat and no LINK_ACK must be one of these; gives its fields, name as "is"."""
        deadline = time.monotonic() + scaled(timeout)
        while True:
            got = self.read((deadline - time.monotonic()) / scaled(1))
            assert got is not None, f"closed instead of {names}; seen {self.seen[-5:]}"
            if got[0] in ("BEAT", "LINK_ACK") and got[0] not in names:
                continue
            assert got[0] in names, f"{got} instead of {names}"
            return {**got[1], **got[2], "is": got[0]}

    def end(self, timeout=10):
        """Reads until the node closes; the fields of its REFUSED, or None when it said nothing."""
        refused = None
        deadline = time.monotonic() + scaled(timeout)
        while time.monotonic() < deadline:
            got = self.read(timeout)
            if got is None:
                return refused
            if got[0] == "REFUSED":
                refused = got[2]
        raise TimeoutError(f"not closed; seen {self.seen[-5:]}")

    def close(self):
        self.socket.close()


def start_message(session, program, argv=None, env=None, lease=1000, folder="/", umask=0o22):
    return message("START", session=session, lease_ms=lease, umask=umask, program=program, folder=folder,
                   argv=argv if argv is not None else [program], env=env if env is not None else
                   [f"{k}={v}" for k, v in os.environ.items()])
