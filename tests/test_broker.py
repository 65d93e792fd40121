"""Aim: promp-broker as its operator and its peers see it: starting and not starting, greeting, joining, reloading, keys that
change or are revoked, ending; and what hostile peers can do to others: nothing."""

import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import pytest
from support import proc, wire
from support.build import ERR, SANITIZER, scaled
from support.cluster import AUTH, BROKER, PROMP, Cluster
from support.zpeer import Key, Peer, Token, bytes_of, public_of

pytestmark = [pytest.mark.sanitize,
              pytest.mark.skipif(not os.access(BROKER, os.X_OK), reason="promp-broker is not built")]

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


# ---------------------------------------------------------------- starting


def test_start(site):
    """Aim: the ready line tells the real port, someone is greeted there, stdout has nothing else, SIGTERM gives exit code 0."""
    broker = site.broker()
    assert re.fullmatch(r"tcp://127\.0\.0\.1:\d+", site.address)
    serves(site, broker)
    assert broker.stop() == 0
    assert broker.lines.get(timeout=scaled(5)) is None
    assert "broker has ended" in broker.said()


def test_help_and_version(site):
    """Aim: --help shows an example and every option, --version one line; both on stdout, code 0."""
    text = site.run(BROKER, "--help")
    for word in ("--listen", "--config", "--peers", "--threads", "--gather", "--log", "--passphrase-file", "--passphrase-fd",
                 "example", "exit codes", "promp-auth init"):
        assert word in text
    assert re.fullmatch(r"promp-broker \d+\.\d+\.\d+\S*\n", site.run(BROKER, "--version"))


@pytest.mark.parametrize("args", [
    ["--lisp", "tcp://*:0"], ["-x"], ["more"], ["--listen"], ["--listen", "udp://*:1"], ["--listen", "tcp://*"],
    ["--listen", "tcp://*:65536"], ["--listen", "tcp://:1"], ["--listen", "tcp://" + "a" * 300 + ":1"], ["--peers", "0"],
    ["--peers", "65537"], ["--peers", "1x"], ["--threads", "17"], ["--threads", ""], ["--gather", "-1"],
    ["--log", "loud"], ["--passphrase-fd", "x"], ["--passphrase-fd", "3", "--passphrase-file", "x"], ["--help=1"]])
def test_wrong_options(site, args):
    """Aim: a wrong command line ends with code 2 and one line that names --help, before anything is looked at."""
    assert "--help" in fails(site, *args, code=2)


def test_no_key(site):
    """Aim: without folder, key or store it does not start, and says what to type."""
    missing = {**site.environment, "PROMP_CONFIG": str(site.folder / "none")}
    done = subprocess.run([BROKER], capture_output=True, text=True, env=missing, timeout=scaled(20))
    assert done.returncode == 1 and "promp-auth init" in done.stderr and str(ERR["KEY_MISSING"]) in done.stderr
    assert "promp-auth init" in fails(site, error="KEY_MISSING")
    (site.keys / "store").mkdir(mode=0o700)
    assert "promp-auth init" in fails(site, error="KEY_MISSING")


def test_unsafe_folder(site):
    """Aim: a folder or a secret that others can write or read is refused."""
    site.auth("init")
    (site.keys / "broker.cert_secret").chmod(0o640)
    fails(site, error="KEY_READABLE")
    (site.keys / "broker.cert_secret").chmod(0o600)
    site.keys.chmod(0o777)
    fails(site, error="KEY_FOLDER")
    site.keys.chmod(0o700)


@pytest.mark.parametrize("text, line, word", [
    ('listen = "tcp://127.0.0.1:0"\nlissten = "x"\n', 2, "lissten"),
    ('\n# a comment\npeers = many\n', 3, "peers"),
    ('log = "info"\nlog = "debug"\n', 2, "twice"),
    ('port\n    listen = "tcp://*:1"\n', 2, "listen"),
    ('listen "tcp://*:1"\n', 1, "name"),
    ('passphrase-fd = 3\n', 1, "passphrase-fd"),
    ('threads = 99999999999999999999999\n', 1, "threads")])
def test_wrong_file(site, text, line, word):
    """Aim: what is wrong in broker.zpl is told with its line, and ends it with code 2."""
    site.auth("init")
    (site.keys / "broker.zpl").write_text(text)
    said = fails(site, code=2, error="CONFIG_FILE")
    assert f"line {line}:" in said and word in said


def test_file_of_others(site):
    """Aim: a configuration that others can write is refused."""
    site.auth("init")
    (site.keys / "broker.zpl").write_text("log = info\n")
    (site.keys / "broker.zpl").chmod(0o666)
    fails(site, code=2, error="CONFIG_FILE")


def test_file_and_options(site):
    """Aim: the file's words count, and those of the command line before them."""
    site.auth("init")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        (site.keys / "broker.zpl").write_text(f'listen = "tcp://127.0.0.1:{taken.getsockname()[1]}"\nlog = error\n')
        fails(site, error="PORT_TAKEN")
        broker = site.broker("--log", "warning")
    assert broker.stop() == 0
    assert broker.said() == ""


def test_port_taken(site, broker):
    """Aim: a second broker at the same port says so, and the first one serves on."""
    fails(site, "--listen", site.address, error="PORT_TAKEN")
    serves(site, broker)


@pytest.mark.parametrize("address", ["tcp://192.0.2.1:0", "tcp://no.such.host.invalid:0"])
def test_port_address(site, address):
    """Aim: an address that this host has not is refused by its number."""
    site.auth("init")
    fails(site, "--listen", address, error="PORT_ADDRESS")


def test_descriptors(site):
    """Aim: fewer descriptors than configured peers need: it does not start; the soft limit is raised to the hard one first."""
    site.auth("init")

    def limit(soft, hard):
        return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    fails(site, "--listen", LOCAL, "--peers", "1000", error="PEER_DESCRIPTORS", preexec_fn=limit(600, 600))
    p = site.world.popen([BROKER, "--config", str(site.keys), "--listen", LOCAL, "--peers", "1000"],
                         stdout=subprocess.PIPE, text=True, preexec_fn=limit(64, 2000))
    assert p.stdout.readline().startswith("ready ")
    p.terminate()
    assert p.wait(scaled(10)) == 0


def test_locked_key(site, tmp_path):
    """Aim: a locked key needs its passphrase, from a file or a descriptor; without, with a wrong or an open one it does not start."""
    words, wrong = tmp_path / "words", tmp_path / "wrong"
    for path, text in ((words, "correct horse\n"), (wrong, "battery\n")):
        path.write_text(text)
        path.chmod(0o600)
    site.auth("init", "--passphrase-from", words)
    options = ["--listen", LOCAL]
    assert "--passphrase" in fails(site, *options, error="KEY_LOCKED", start_new_session=True)
    fails(site, *options, "--passphrase-file", wrong, error="KEY_PASSPHRASE")
    fails(site, *options, "--passphrase-file", tmp_path / "none", error="NOT_FOUND")
    fails(site, *options, "--passphrase-fd", 77, error="SYSTEM")
    words.chmod(0o644)
    fails(site, *options, "--passphrase-file", words, error="KEY_READABLE")
    words.chmod(0o600)
    broker = site.broker("--passphrase-file", str(words))
    serves(site, broker)
    assert broker.stop() == 0
    fd = os.open(words, os.O_RDONLY)
    p = site.world.popen([BROKER, "--config", str(site.keys), "--listen", LOCAL, "--passphrase-fd", str(fd)],
                         stdout=subprocess.PIPE, text=True, pass_fds=[fd])
    os.close(fd)
    assert p.stdout.readline().startswith("ready ")
    assert str(words) not in [os.readlink(f"/proc/{p.pid}/fd/{n}") for n in os.listdir(f"/proc/{p.pid}/fd")]


def test_nothing_secret_is_seen(site):
    """Aim: no secret in command line, environment and log; no core file, no inherited descriptor, no look into its memory."""
    leak = os.open("/dev/zero", os.O_RDONLY)
    site.auth("init")
    p = site.world.popen([BROKER, "--config", str(site.keys), "--listen", LOCAL, "--log", "debug"], stdout=subprocess.PIPE,
                         stderr=open(site.folder / "log", "wb"), text=True, pass_fds=[leak])
    os.close(leak)
    site.address = p.stdout.readline().split()[1]
    token = site.token("manager")
    joiner = site.joiner(token)
    joiner.join("x")
    joiner.expect("JOINED")
    secrets = [re.search(r'secret-key = "(.*)"', (site.keys / "broker.cert_secret").read_text()).group(1),
               token.strip(), Token(token).key.secret]
    seen = [open(f"/proc/{p.pid}/{name}", errors="replace").read() for name in ("cmdline", "environ")]
    seen.append((site.folder / "log").read_text())
    assert not [s for s in secrets for text in seen if s in text]
    assert "/dev/zero" not in [os.readlink(f"/proc/{p.pid}/fd/{n}") for n in os.listdir(f"/proc/{p.pid}/fd")]
    assert re.search(r"Max core file size\s+0\s+0", open(f"/proc/{p.pid}/limits").read())


@pytest.mark.root
@pytest.mark.skipif(SANITIZER == "address", reason="its search for leaks has to look into the process")
def test_not_dumpable(site):
    """Aim: nobody of the same user may look into the broker: what /proc shows of it belongs to root."""
    site.auth("init")
    site.world.folder.chmod(0o755)
    for path in (site.folder, site.keys, *site.keys.rglob("*")):
        os.chown(path, 65534, 65534)
    p = site.world.popen([BROKER, "--config", str(site.keys), "--listen", LOCAL], stdout=subprocess.PIPE, text=True,
                         user=65534, group=65534)
    assert p.stdout.readline().startswith("ready ")
    assert re.search(r"^Uid:\s+65534", open(f"/proc/{p.pid}/status").read(), re.M)
    assert os.stat(f"/proc/{p.pid}/mem").st_uid == 0


def test_identity(site):
    """Aim: WELCOME's node is the broker's identity, the same after a restart, and not believed when malformed."""
    broker = site.broker()
    key = site.member()
    first = site.up(key).identity
    assert (site.keys / "identity").read_text() == first.hex() + "\n" and first != bytes(16)
    broker.stop()
    broker = site.broker()
    assert site.up(key).identity == first
    broker.stop()
    (site.keys / "identity").write_text("0" * 32 + "\n")
    fails(site, "--listen", LOCAL, error="KEY_FORMAT")


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


# ---------------------------------------------------------------- reloading, ending


def test_reload(site):
    """Aim: SIGHUP reads the file anew: the level of the log counts at once, what cannot change is told, nonsense is not taken."""
    broker = site.broker("--gather", "1000")
    config = site.keys / "broker.zpl"
    config.write_text("log = debug\nthreads = 3\n")
    broker.kill(signal.SIGHUP)
    until_said(broker, "threads .*count from the next start")
    until_said(broker, r"debug .*the store has")
    config.write_text("log = loud\n")
    broker.kill(signal.SIGHUP)
    until_said(broker, rf" {ERR['CONFIG_FILE']} .*line 1: log: .*what was read before counts")
    serves(site, broker)


def test_reload_passphrase(site, tmp_path):
    """Aim: an empty passphrase file does not take the place of what was read before, and a pipe that nobody writes into holds
    nobody up."""
    words, given = tmp_path / "words", tmp_path / "given"
    for path in (words, given):
        path.write_text("correct horse\n")
        path.chmod(0o600)
    site.auth("init", "--passphrase-from", words)
    broker = site.broker("--passphrase-file", str(given))
    site.honest = site.member("observer")
    given.write_text("")
    broker.kill(signal.SIGHUP)
    until_said(broker, rf" {ERR['KEY_PASSPHRASE']} .*what was read before counts")
    site.auth("rotate", "broker", "--overlap", "0", "--passphrase-from", words)
    until_said(broker, "broker's key changes")
    site.back(site.honest)
    given.unlink()
    os.mkfifo(given, 0o600)
    broker.kill(signal.SIGHUP)
    serves(site, broker)
    assert broker.stop() == 0


def test_figures(site, broker):
    """Aim: SIGUSR1 writes what there is and what has happened."""
    p = site.up(site.member())
    broker.kill(signal.SIGUSR1)
    until_said(broker, r"peers \d+ \(managers 1, nodes 0, others 0, not yet greeted 0\)")
    until_said(broker, r"sessions 0 ")
    until_said(broker, r"relayed 0 frames")
    p.close()


@pytest.mark.parametrize("role", ["observer", "admin"])
def test_status(site, role):
    """Aim: `promp status` shows the figures to observers and admins, as a table or as JSON, after a change of keys too; to
    managers, revoked keys and without a broker it says by number why not."""
    broker = site.broker()
    config = site.config("looker")
    site.run(PROMP, "join", "--config", config, "--name", "looker", "-", stdin=site.token(role))
    pair = Pair(site, "m")
    figures = json.loads(site.run(PROMP, "status", "--json", "--config", config))
    assert {k: figures[k] for k in ("managers", "nodes", "others", "running", "places", "places_used", "starts")} == {
        "managers": 1, "nodes": 1, "others": 1, "running": 1, "places": 1, "places_used": 1, "starts": 1}
    table = site.run(PROMP, "status", "--config", config).splitlines()
    assert table[0] == f"broker {site.address}" and len({len(line) for line in table[1:]}) == 1
    assert len(table) - 1 == len(figures)
    assert re.fullmatch(r"sessions +in all +1", table[5])

    def fails(error):
        site.run(PROMP, "status", "--config", config, code=1)
        assert f"promp: {ERR[error]} {error}: " in site.complaint

    site.auth("rotate", "broker", "--overlap", "7d")
    site.run(PROMP, "status", "--config", config)
    site.auth("revoke", "looker")
    pair.manager.send(wire.message("STATUS"))
    assert pair.manager.end()["error"] == ERR["MESSAGE_SENDER"]
    fails("KEY_REFUSED")
    assert broker.stop() == 0
    fails("BROKER_ABSENT")
    (config / f"{role}.broker").unlink()
    fails("NO_BROKER")


@pytest.mark.parametrize("args", [["--yaml"], ["x"], ["--config"]])
def test_status_wrong_usage(site, args):
    """Aim: a wrong command line ends with 2, and --help has an example."""
    site.run(PROMP, "status", *args, code=2)
    assert "--help" in site.complaint
    assert "example" in site.run(PROMP, "status", "--help")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_drain(site, broker, number):
    """Aim: told to end, it says AWAY to its peers and ends with 0, soon when nothing waits."""
    p = site.up(site.member())
    broker.kill(number)
    assert p.expect("AWAY")["retry_ms"] > 0
    assert broker.process.wait(scaled(5)) == 0


def test_killed_and_back(site):
    """Aim: killed, it comes back at the same port, with the same keys."""
    for _ in range(3):
        broker = site.broker()
        serves(site, broker)
        broker.kill()


def notifications(site, path, *args, env=(), abstract=False):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind("\0" + path[1:] if abstract else path)
    s.settimeout(scaled(10))
    site.environment = {**site.environment, "NOTIFY_SOCKET": path, **dict(env)}
    return s, site.broker(*args)


@pytest.mark.parametrize("abstract", [False, True])
def test_service_manager(site, abstract):
    """Aim: a service manager is told READY, RELOADING with a time, READY, STOPPING, and WATCHDOG in between."""
    path = f"@promp-test-{os.getpid()}" if abstract else str(site.folder / "notify")
    s, broker = notifications(site, path, env={"WATCHDOG_USEC": "200000"}, abstract=abstract)

    def told(*wanted):
        while True:
            text = s.recv(1000).decode()
            if text.startswith(wanted):
                return text

    with s:
        assert told("READY=1", "STOP") == "READY=1"
        assert told("WATCHDOG=1") and told("WATCHDOG=1")
        broker.kill(signal.SIGHUP)
        assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", told("RELOADING", "READY"))
        assert told("READY=1", "STOP") == "READY=1"
        broker.process.terminate()
        assert told("STOPPING=1")


# ---------------------------------------------------------------- relaying


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


def test_relay(site, broker):
    """Aim: a start, its answer, and frames of a session go from manager to node and back; both ends are who they are."""
    pair = Pair(site, "m")
    pair.exchange()
    pair.node.send(wire.message("GONE", session=pair.name, cause=ERR["WORKER_EXITED"], text="it ended"))
    assert pair.manager.expect("GONE")["cause"] == ERR["WORKER_EXITED"]
    pair.manager.send(wire.message("GONE_ACK", session=pair.name))
    assert pair.node.expect("GONE_ACK")["session"] == pair.name
    broker.kill(signal.SIGUSR1)
    until_said(broker, "places 1, used 0; starts 1, refused 0")


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
