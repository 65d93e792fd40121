"""Aim: promp-broker as its operator sees it: starting and not starting, reloading, figures, ending."""

import json
import os
import re
import resource
import signal
import socket
import subprocess

import pytest
from support import proc, wire
from support.build import ERR, SANITIZER, scaled
from support.cluster import BROKER, PROMP
from support.site import broker, fails, LOCAL, Pair, serves, site, until_said  # noqa: F401
from support.zpeer import Token

pytestmark = [pytest.mark.sanitize,
              pytest.mark.skipif(not os.access(BROKER, os.X_OK), reason="promp-broker is not built")]


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
    for word in ("--listen", "--config", "--peers", "--threads", "--gather", "--log", "--metrics", "--passphrase-file", "--passphrase-fd",
                 "example", "exit codes", "promp-auth init"):
        assert word in text
    assert re.fullmatch(r"promp-broker \d+\.\d+\.\d+\S*\n", site.run(BROKER, "--version"))


@pytest.mark.parametrize("args", [
    ["--lisp", "tcp://*:0"], ["-x"], ["more"], ["--listen"], ["--listen", "udp://*:1"], ["--listen", "tcp://*"],
    ["--listen", "tcp://*:65536"], ["--listen", "tcp://:1"], ["--listen", "tcp://" + "a" * 300 + ":1"], ["--peers", "0"],
    ["--peers", "65537"], ["--peers", "1x"], ["--threads", "17"], ["--threads", ""], ["--gather", "-1"],
    ["--metrics", "localhost:1"], ["--metrics", "1"], ["--metrics", "127.0.0.1"], ["--metrics", "http://127.0.0.1:1"],
    ["--metrics", "127.0.0.1:65536"], ["--metrics", "::1:1"], ["--metrics", ""],
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
    assert str(words) not in proc.links(p.pid)


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
    until_said(broker, r"connections: in all \d+, at most \d+, managers 1, nodes 0, observers and admins 0, ")
    until_said(broker, r"sessions: in all 0, ")
    until_said(broker, r"since its start: .*, frames passed on 0, ")
    until_said(broker, r"joins: let in 1\n")
    node = site.up(site.member("node"))
    node.send(wire.message("OFFER", node=b"n" * 16, places=2, cpus=1500, memory=1 << 30, gpus=0, labels="", pythons=""))

    def offered():
        broker.kill(signal.SIGUSR1)
        return "room: places 2, places in use 0, processors 1.500, processors in use 0.000, " in broker.said()
    proc.wait_until(offered, 10, broker.said, step=0.1)
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
    assert sum(re.fullmatch(r"sessions +in all +1", line) is not None for line in table) == 1

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
