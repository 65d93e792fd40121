"""Aim: the broker's metrics over HTTP: what they say, to whom, and that whoever asks costs the broker's peers nothing."""

import http.client
import json
import os
import re
import resource
import signal
import socket
import time

import pytest
from support import proc, wire
from support.build import ERR, LIMIT, ROOT, SANITIZER, scaled
from support.cluster import BROKER, PROMP
from support.site import broker, fails, LOCAL, Pair, serves, site  # noqa: F401
from support.zpeer import Key

pytestmark = [pytest.mark.sanitize,
              pytest.mark.skipif(not os.access(BROKER, os.X_OK), reason="promp-broker is not built")]

CONNECTIONS, OF_ADDRESS = LIMIT["LIMIT_METRICS_CONNECTIONS"], LIMIT["LIMIT_METRICS_ADDRESS"]
PATIENCE = LIMIT["TIME_METRICS"] / 1000


class Http:
    """What can be asked of a broker that was started with --metrics."""

    def __init__(self, program):
        found = program.line(r"metrics http://(.+):(\d+)/metrics")
        self.host, self.port = found.group(1).strip("[]"), int(found.group(2))

    def ask(self, path="/metrics", method="GET", timeout=10, **options):
        c = http.client.HTTPConnection(self.host, self.port, timeout=scaled(timeout))
        try:
            c.request(method, path, **options)
            answer = c.getresponse()
            return answer, answer.read().decode()
        finally:
            c.close()

    def scrape(self):
        answer, text = self.ask()
        assert answer.status == 200
        assert answer.getheader("Content-Type") == "text/plain; version=0.0.4; charset=utf-8"
        return parse(text)

    def answers(self):
        try:
            return self.scrape()
        except OSError:
            return None

    def until(self, **wanted):
        """Scrapes until these metrics have these values."""
        last = []

        def there():
            last[:] = [self.scrape()]
            return all(last[0][f"promp_{name}"] == value for name, value in wanted.items())

        proc.wait_until(there, 10, lambda: f"{wanted}: {last}", step=0.02)
        return last[0]

    def connect(self, count=1):
        return [socket.create_connection((self.host, self.port), timeout=scaled(10)) for _ in range(count)]

    def raw(self, data):
        """All that comes back for these bytes."""
        with self.connect()[0] as s:
            s.sendall(data)
            return read_all(s)


def read_all(s):
    got = b""
    try:
        while piece := s.recv(65536):
            got += piece
    except ConnectionResetError:
        pass
    return got


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"


def parse(text):
    """The samples of the exposition format 0.0.4, by name and labels; anything that a strict reader would mind is an error."""
    samples, kinds, helps, family = {}, {}, set(), None
    assert text.endswith("\n") and "\r" not in text
    for line in text[:-1].split("\n"):
        if found := re.fullmatch(rf"# HELP ({NAME}) (\S.*)", line):
            family = found.group(1)
            assert family not in helps, f"{family} has two heads"
            assert re.fullmatch(r"(?:[^\\]|\\\\|\\n)*", found.group(2))
            helps.add(family)
        elif found := re.fullmatch(rf"# TYPE ({NAME}) (counter|gauge)", line):
            assert found.group(1) == family and family not in kinds
            kinds[family] = found.group(2)
        else:
            found = re.fullmatch(rf'({NAME})(\{{({NAME})="((?:[^"\\]|\\[\\"n])*)"\}})? (\S+)', line)
            assert found, line
            name, labels, value = found.group(1), found.group(2) or "", float(found.group(5))
            assert name == family and name in kinds, f"{line} stands without its head"
            assert name + labels not in samples, f"{line} comes twice"
            assert name.startswith("promp_") and name.endswith("_total") == (kinds[name] == "counter")
            assert value >= 0
            samples[name + labels] = value
    assert helps == kinds.keys() == {re.sub(r"\{.*", "", name) for name in samples}
    return samples


@pytest.fixture
def watched(site):
    """(broker, what it tells)"""
    program = site.broker("--metrics", "127.0.0.1:0")
    return program, Http(program)


# ---------------------------------------------------------------- what is told


def test_figures(site, watched):
    """Aim: /metrics is right by the letter of the format, has the figures of `promp status`, and tells nobody's name, key or
    address; /healthz says ok; HEAD gives the same head without a body."""
    broker, http_ = watched
    before = time.time()
    pair = Pair(site, "secretname")
    pair.exchange()
    m = http_.until(workers_running=1)
    assert m['promp_peers{role="manager"}'] == m['promp_peers{role="node"}'] == m['promp_nodes{state="ready"}'] == 1
    assert (m["promp_places"], m["promp_places_used"], m["promp_cpus"], m["promp_memory_bytes"]) == (1, 1, 1.0, 1 << 30)
    assert m["promp_starts_total"] == 1 and m["promp_starts_waiting"] == 0 and m["promp_joins_total"] == 2
    assert m["promp_relayed_frames_total"] >= 40 and m["promp_relayed_bytes_total"] > 40 * 500
    assert before - 20 < m["promp_start_time_seconds"] <= time.time()
    assert m["promp_connections"] >= 2 and m["promp_connections_limit"] > 100
    build = site.run(BROKER, "--version").split()[1]
    assert m[f'promp_build_info{{version="{build}"}}'] == 1

    answer, text = http_.ask()
    assert answer.getheader("Connection") == "close" and int(answer.getheader("Content-Length")) == len(text)
    for secret in ("secretname", pair.manager_key.public, pair.node_key.public, pair.name.hex(), "127.0.0.1"):
        assert secret not in text
    head, nothing = http_.ask(method="HEAD")
    assert (head.status, nothing, head.getheader("Content-Length")) == (200, "", str(len(text)))
    answer, text = http_.ask("/healthz")
    assert (answer.status, text) == (200, "ok\n")


def test_same_as_status(site, watched):
    """Aim: the metrics and `promp status` are one table: each row of the one is a sample of the other, with the same value."""
    broker, http_ = watched
    config = site.config("looker")
    site.run(PROMP, "join", "--config", config, "--name", "looker", "-", stdin=site.token("observer"))
    rows = re.findall(r'ROW\((\w+), (GAUGE|MILLI|TOTAL), "(\w+)",\s+"(\w*)",\s+"(\w*)",',
                      (ROOT / "lib/proto/counters.h").read_text().replace("\\\n", ""))
    Pair(site, "m")
    http_.until(connections=2)  # those who joined have left
    status = json.loads(site.run(PROMP, "status", "--json", "--config", config))
    proc.wait_until(lambda: http_.scrape()['promp_peers{role="observer"}'] == 0, 10, "the observer has left")
    m = http_.scrape()
    assert len(rows) == len(status) == len(m) - 2
    for field, _, metric, label, value in rows:
        told = m["promp_" + metric + (f'{{{label}="{value}"}}' if label else "")]
        if field not in ("others", "connections"):  # the one who asks for status is there while it asks
            assert told == status[field], field


def test_documented(watched):
    """Aim: docs/operations.md explains every metric, and no other one."""
    text = (ROOT / "docs/operations.md").read_text()
    table = "".join(re.findall(r"^\| `promp_.*", text, re.M))
    named = set(re.findall(r"promp_[a-z_]+", table))
    assert named == {re.sub(r"\{.*", "", name) for name in watched[1].scrape()}
    assert set(re.findall(r"\bpromp_[a-z_]+", text)) == named  # the rules too


def test_waiting(site, watched):
    """Aim: promp_starts_waiting rises with each start that waits for room, and falls when a node comes; a node that drains or is
    away is told as such and offers nothing."""
    broker, http_ = watched
    manager = site.up(site.member("manager"))
    key = site.member("node")
    for i in range(3):
        manager.send(wire.message("START", session=bytes([i + 1]) * 16, lease_ms=10000, program="w", argv=["w"], env=[]))
    m = http_.until(starts_waiting=3)
    assert m["promp_starts_waiting_bytes"] > 0 and m["promp_places"] == 0

    node = site.up(key)
    offer = {"node": b"n" * 16, "cpus": 2500, "memory": 1 << 20, "gpus": 3}
    node.send(wire.message("OFFER", places=2, **offer))
    node.send(wire.message("HELD_END"))
    m = http_.until(starts_waiting=1, starts_asked=2, places_used=2)
    assert (m["promp_places"], m["promp_cpus"], m["promp_memory_bytes"], m["promp_gpus"]) == (2, 2.5, 1 << 20, 3)
    node.send(wire.message("OFFER", places=0, **offer))
    m = http_.until(**{'nodes{state="draining"}': 1, 'nodes{state="ready"}': 0})
    assert m["promp_places"] == m["promp_places_used"] == m["promp_cpus"] == m["promp_memory_bytes"] == m["promp_gpus"] == 0
    node.send(wire.message("OFFER", places=3, **offer))
    http_.until(starts_waiting=0, starts_asked=3, places=3)
    node.close()
    m = http_.until(**{'nodes{state="away"}': 1, 'nodes{state="ready"}': 0})
    assert m["promp_places"] == m["promp_places_used"] == 0


def test_refused(site, watched):
    """Aim: who is turned away or dropped is counted by reason."""
    broker, http_ = watched
    spent = site.token("node")
    p = site.joiner(spent)
    p.join("n")
    p.expect("JOINED")
    before = http_.scrape()
    m = site.up(site.member("manager"))
    m.send(wire.message("OFFER", node=b"n" * 16, places=1))
    assert m.end()["error"] == ERR["MESSAGE_SENDER"]
    http_.until(**{'peers_dropped_total{reason="broken"}': before['promp_peers_dropped_total{reason="broken"}'] + 1})
    site.peer(Key(), server=Key().public)  # does not know the broker's key
    refused = 'connections_refused_total{reason="%s"}'
    http_.until(**{refused % "stranger": before["promp_" + refused % "stranger"] + 1})
    site.peer(Key())  # is not known to the broker
    http_.until(**{refused % "key": before["promp_" + refused % "key"] + 1})
    t = site.joiner(site.token("node"))
    t.send(wire.message("BEAT"))
    http_.until(**{'joins_refused_total{reason="broken"}': 1})


def test_stopping(site, watched):
    """Aim: while the broker passes on what waits before it ends, /healthz says 503, and figures are told."""
    broker, http_ = watched
    pair = Pair(site, "m")
    pair.flood()  # what the node does not take makes the drain last
    assert http_.scrape()["promp_data_waiting_bytes"] > 0
    broker.kill(signal.SIGTERM)
    proc.wait_until(lambda: http_.ask("/healthz")[0].status == 503, 2, "503", step=0.02)
    assert http_.scrape()["promp_data_waiting_bytes"] > 0
    assert broker.process.wait(scaled(10)) == 0


# ---------------------------------------------------------------- where


def listening(pid):
    """Numbers of the TCP ports that a process listens at."""
    inodes = set()
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            inodes.add(os.readlink(f"/proc/{pid}/fd/{fd}"))
        except OSError:
            pass
    ports = set()
    for table in ("tcp", "tcp6"):
        for line in open(f"/proc/net/{table}").read().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in inodes:
                ports.add(int(words[1].rsplit(":")[-1], 16))
    return ports


def test_off(site, broker):
    """Aim: nobody is told by HTTP unless the operator says so: one port, and no line about metrics."""
    assert listening(broker.pid) == {int(site.address.rsplit(":")[-1])}
    assert broker.stop() == 0
    assert broker.lines.get(timeout=scaled(5)) is None


@pytest.mark.parametrize("where, host", [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "::1")])
def test_file(site, where, host):
    """Aim: broker.zpl names the address as well, also one of IPv6, and a port of our choice; it listens there and nowhere else."""
    site.auth("init")
    (site.keys / "broker.zpl").write_text(f'metrics = "{where}"\n')
    if host == "::1" and not os.path.exists("/proc/net/if_inet6"):
        pytest.skip("this host has no IPv6")
    program = site.broker()
    http_ = Http(program)
    assert http_.host == host
    assert listening(program.pid) == {int(site.address.rsplit(":")[-1]), http_.port}
    http_.scrape()
    site.address = LOCAL
    program.stop()
    again = site.broker("--metrics", f"127.0.0.1:{http_.port}")  # the command line goes before the file; the port is free at once
    assert Http(again).port == http_.port


def test_all_interfaces(site):
    """Aim: * listens for IPv4 in any case."""
    http_ = Http(site.broker("--metrics", "*:0"))
    assert http_.host == "*"
    http_.host = "127.0.0.1"
    http_.scrape()


def test_taken(site, watched):
    """Aim: a port that is taken, and an address that this host has not, are told by number, and the broker does not start."""
    taken = f"127.0.0.1:{watched[1].port}"
    assert taken in fails(site, "--listen", LOCAL, "--metrics", taken, error="PORT_TAKEN")
    fails(site, "--listen", LOCAL, "--metrics", "192.0.2.1:0", error="PORT_ADDRESS")
    watched[1].scrape()


def test_file_wrong(site):
    """Aim: an address that is none is told with its line of broker.zpl."""
    site.auth("init")
    (site.keys / "broker.zpl").write_text('log = info\nmetrics = "localhost:80"\n')
    assert "line 2:" in fails(site, code=2, error="CONFIG_FILE")


# ---------------------------------------------------------------- who asks badly


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get", "BREW"])
def test_methods(watched, method):
    """Aim: anything but GET and HEAD is 405, whatever the path, and a body is not waited for."""
    for path in ("/metrics", "/none"):
        answer, text = watched[1].ask(path, method)
        assert answer.status == 405 and answer.getheader("Allow") == "GET, HEAD" and "promp_" not in text
    got = watched[1].raw(f"{method} /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 405 ")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/metrics/../metrics", "//metrics", "/../../../etc/passwd", "/healthz/x",
                                  "/%2e%2e/%2e%2e/etc/passwd", "/Metrics", "/metrics%00", "/\x1b[31m%0a", "/x?y=/metrics"])
def test_paths(watched, path):
    """Aim: there are two paths; all others are 404, none is looked for in a file, and none comes into the log or the answer."""
    broker, http_ = watched
    got = http_.raw(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert re.match(rb"HTTP/1\.[01] (404|400) ", got), got
    assert b"root:" not in got and b"promp_" not in got and b"\x1b" not in got and b"etc" not in got
    assert broker.said().count("\n") == 1 and "\x1b" not in broker.said()
    assert http_.ask("/metrics?x=y")[0].status == 200  # what stands behind ? is not ours


@pytest.mark.parametrize("data", [
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 20_000 + b"\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\n\r\n", b"GET /metrics HTTP/9.9\r\nHost: x\r\n\r\n", b"GET\r\n\r\n",
    b"\0" * 10_000, b"\xff\xfe\r\n\r\n", os.urandom(20_000) + b"\r\n\r\n",
    b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"],
    ids=["long-line", "many-lines", "long-path", "no-host", "version", "word", "zeros", "bytes", "random", "length"])
def test_broken(site, watched, data):
    """Aim: heads that are too long, and what is no HTTP, get no figures, are not logged, and end the connection; the next one is
    served."""
    broker, http_ = watched
    got = http_.raw(data) if len(data) < 50_000 else broken_pipe(http_, data)
    assert b"promp_" not in got, got[:200]
    assert re.match(rb"HTTP/1\.[01] [45]\d\d ", got) or not got, got[:200]
    http_.scrape()
    assert broker.said().count("\n") == 1


def broken_pipe(http_, data):
    with http_.connect()[0] as s:
        try:
            s.sendall(data)
        except OSError:
            pass
        return read_all(s)


def test_pipeline(watched):
    """Aim: a connection is answered once, however many questions it sends at once."""
    got = watched[1].raw(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    assert got.count(b"HTTP/1.1 ") == 1


# ---------------------------------------------------------------- who asks slowly, or too much


def test_slow(site, watched):
    """Aim: who sends a byte at a time is cut off when its time is over, however busy it is; meanwhile peers are served, and
    others, from the same address too, are told."""
    broker, http_ = watched
    pair = Pair(site, "m")
    slow = http_.connect(OF_ADDRESS - 2)
    begun = time.monotonic()
    ended = 0
    text = b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 10_000
    for i in range(10_000):
        for s in slow:
            try:
                s.send(text[i:i + 1])
            except OSError:
                ended += 1
        if ended:
            break
        if i % 20 == 0:
            pair.exchange(2)
            http_.scrape()
        time.sleep(0.02)
    assert PATIENCE - 0.5 <= time.monotonic() - begun <= scaled(PATIENCE + 3)
    for s in slow:
        assert read_all(s) == b""
        s.close()
    pair.exchange()


def test_many(site, watched):
    """Aim: 200 connections at once, some that say nothing, some that ask and do not read: of one address only so many are held,
    memory and descriptors have a bound, calls through the broker go on, and later others are told again."""
    broker, http_ = watched
    pair = Pair(site, "m")
    pair.exchange()
    http_.scrape()
    fds, memory = settled(broker), proc.resident(broker.pid)
    for _ in range(3):
        crowd = []
        for i in range(200):
            s = socket.socket()
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            s.settimeout(scaled(10))
            s.connect((http_.host, http_.port))
            if i % 2:
                try:
                    s.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                except OSError:
                    pass
            crowd.append(s)
            assert proc.descriptors(broker.pid) <= fds + OF_ADDRESS + 2
            if i % 20 == 0:
                pair.exchange(2)
        pair.exchange()
        for s in crowd:
            s.close()
    serves(site, broker)
    proc.wait_until(lambda: http_.answers(), 10, "the crowd's places are free")
    if not SANITIZER:
        assert proc.resident(broker.pid) - memory < 4 << 20
    proc.wait_until(lambda: proc.descriptors(broker.pid) <= fds + 2, 10, lambda: f"{proc.descriptors(broker.pid)}, before {fds}")


def test_crowd_of_addresses(site):
    """Aim: also from many addresses no more connections are held at a time than the limit says, and when they have gone who waited
    is told."""
    program = site.broker("--metrics", "127.0.0.1:0")
    http_ = Http(program)
    http_.scrape()
    fds = settled(program)
    crowd = []
    for host in range(2, 12):
        for _ in range(OF_ADDRESS):
            s = socket.socket()
            s.bind((f"127.0.0.{host}", 0))
            s.connect((http_.host, http_.port))
            crowd.append(s)
    proc.wait_until(lambda: proc.descriptors(program.pid) >= fds + CONNECTIONS - 1, 5)
    assert proc.descriptors(program.pid) <= fds + CONNECTIONS + 2
    serves(site, program)
    for s in crowd:
        s.close()
    http_.scrape()


def test_unread(watched):
    """Aim: who asks and never reads is let go of as soon as the system has the answer."""
    broker, http_ = watched
    http_.scrape()
    fds = settled(broker)
    with http_.connect()[0] as s:
        s.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        assert s.recv(1, socket.MSG_PEEK)
        proc.wait_until(lambda: proc.descriptors(broker.pid) <= fds, 2, "it is let go of")


def test_no_descriptors(site, watched):
    """Aim: where no descriptor is left the broker does not spin on who waits to be told, serves its peers, and tells as soon as
    there is one again."""
    broker, http_ = watched
    pair = Pair(site, "m")
    http_.scrape()
    settled(broker)
    taken = {int(fd) for fd in os.listdir(f"/proc/{broker.pid}/fd")}
    soft, hard = resource.prlimit(broker.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (min(set(range(1000)) - taken), hard))
    with http_.connect()[0] as s:
        s.send(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        before = proc.ticks(broker.pid)
        time.sleep(1)  # what is measured is that time
        assert (proc.ticks(broker.pid) - before) / proc.TICK < 0.08
        pair.exchange()
        resource.prlimit(broker.pid, resource.RLIMIT_NOFILE, (soft, hard))
        assert read_all(s).startswith(b"HTTP/1.1 200 ")
    http_.scrape()


def settled(program):
    """Its descriptors when no connection for metrics is open."""
    seen = [0]

    def same():
        seen.append(proc.descriptors(program.pid))
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    proc.wait_until(same, 10, "its descriptors stay the same", step=0.02)
    return seen[-1]
