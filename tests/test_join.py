"""Aim: `promp join` as its user types it: what it leaves in the folder, what it says, and each reason not to get in, within 5 s."""

import json
import os
import re
import resource
import signal
import socket
import stat
import subprocess
import time

import pytest
from support import proc
from support.build import ERR, SANITIZER, scaled
from support.cluster import AUTH, PROMP, Cluster, built

pytestmark = [pytest.mark.sanitize, pytest.mark.skipif(not built(), reason="not all programs are built")]


class Site(Cluster):
    """A cluster, and somebody who wants to join it."""

    def start(self, *args, **options):
        return subprocess.Popen([PROMP, "join", *map(str, args)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True, **{"env": self.me, **options})

    def join(self, *args, token="", code=0, **options):
        begin = time.monotonic()
        process = self.start(*args, **options)
        out, self.said = process.communicate(token, timeout=scaled(30))
        self.took = time.monotonic() - begin
        assert process.returncode == code, f"{args}: {process.returncode}\n{out}{self.said}"
        return out

    def refused(self, error, *args, code, **options):
        """It ends so, in time, with the error's number on standard error and nothing on standard output."""
        assert self.join(*args, code=code, **options) == ""
        assert f"promp: {ERR[error]} {error}: " in self.said, self.said
        assert self.took < scaled(5)
        return self.said

    def auth(self, *args):
        return self.run(AUTH, *args)

    def entries(self):
        return json.loads(self.auth("list", "--json"))

    def keys(self):
        return [e for e in self.entries() if e["role"] != "join"]

    def tokens(self):
        return [e for e in self.entries() if e["role"] == "join"]

    def files(self):
        return sorted(p.name for p in self.mine.iterdir()) if self.mine.exists() else []


@pytest.fixture
def site(world):
    s = Site(world)
    s.mine = s.folder / "mine"
    s.me = {**s.environment, "PROMP_CONFIG": str(s.mine)}
    return s


@pytest.fixture
def cluster(site):
    site.broker()
    return site


def one_token(folder, text, mode=0o600):
    path = folder / "token"
    path.write_text(text)
    path.chmod(mode)
    return path


JOINED = ["lock", "manager.broker", "manager.cert", "manager.cert_secret"]


def test_join(cluster):
    """Aim: from standard input and from a file, in each role that it is for; the folder is made, private, and the broker knows the
    key by the name that was said."""
    os.umask(0)
    out = cluster.join("-", token=cluster.token("manager"))
    os.umask(0o022)
    name = re.fullmatch(rf"joined as manager '([\w.-]+)' at {cluster.address}\n", out).group(1)
    assert name == socket.gethostname() or "_" in socket.gethostname()
    assert cluster.said == ""
    assert cluster.files() == JOINED
    modes = {n: stat.S_IMODE((cluster.mine / n).stat().st_mode) for n in JOINED}
    assert modes == {"lock": 0o600, "manager.broker": 0o600, "manager.cert": 0o644, "manager.cert_secret": 0o600}
    assert stat.S_IMODE(cluster.mine.stat().st_mode) == 0o700

    for role in ("observer", "admin"):
        path = one_token(cluster.folder, cluster.token(role))
        assert cluster.join("--name", "Zaphod", path).startswith(f"joined as {role} 'Zaphod")
        assert f"{role}.broker" in cluster.files()
    assert {(k["name"], k["role"]) for k in cluster.keys()} == {(name, "manager"), ("Zaphod", "observer"), ("Zaphod-2", "admin")}


def test_folders(cluster):
    """Aim: --config goes before PROMP_CONFIG, this before the home folder."""
    env = {k: v for k, v in cluster.environment.items() if k not in ("PROMP_CONFIG", "XDG_CONFIG_HOME")}
    home = cluster.folder / "home"
    env["HOME"] = str(home)
    cluster.join("-", token=cluster.token("manager"), env=env)
    assert (home / ".config/promp/manager.broker").exists()
    cluster.join("--config", cluster.folder / "given", "-", token=cluster.token("manager"))
    assert (cluster.folder / "given/manager.broker").exists()
    assert cluster.files() == []


@pytest.mark.parametrize("args, complaint", [
    ((), "one token is needed"), (("-", "-"), "one token is needed"), (("--wrong", "-"), "there is no option --wrong"),
    (("-", "--name"), "a value is missing behind --name"),
])
def test_usage(site, args, complaint):
    """Aim: a wrong command line is told so and leads to --help, which shows an example."""
    assert site.join(*args, code=2) == ""
    assert complaint in site.said and "promp join --help" in site.said
    assert "promp-auth token manager | ssh" in site.join("--help")
    assert site.files() == []


def test_bad_tokens(cluster):
    """Aim: what is no token, is mistyped, late, or for a node has a number each, before anything is made or sent."""
    good = cluster.token("manager")
    cluster.refused("TOKEN_FORMAT", "-", token="", code=3)
    cluster.refused("TOKEN_FORMAT", "-", token="\n" + good, code=3)
    cluster.refused("TOKEN_FORMAT", "-", token="x" * 100000, code=3)
    cluster.refused("TOKEN_CHECKSUM", "-", token=good[:-3] + "\n", code=3)
    cluster.refused("TOKEN_CHECKSUM", "-", token=good.strip() * 20, code=3)
    short = cluster.token("manager", "--expires", "1s")
    late = time.time() + 1
    proc.wait_until(lambda: time.time() > late, 5, lambda: "it is late")
    cluster.refused("TOKEN_EXPIRED", "-", token=short, code=3)
    assert "promp-node --join -" in cluster.refused("KEY_ROLE", "-", token=cluster.token("node"), code=3)
    cluster.refused("ARGUMENT", "--name", "two words", "-", token=good, code=2)
    cluster.refused("NOT_FOUND", cluster.folder / "none", code=2)
    cluster.refused("KEY_READABLE", one_token(cluster.folder, good, 0o640), code=4)
    assert cluster.files() == [] and cluster.keys() == []
    for text in (good.strip(), good.strip()[20:60]):
        assert text not in cluster.said
    cluster.join("-", token=f"  {good.strip()} \r\nthe rest is not read", code=0)


def test_refused(cluster):
    """Aim: a token that is used up or revoked is refused by one number, and the next one does in the same folder."""
    used = cluster.token("manager")
    cluster.join("-", token=used)
    for f in cluster.mine.iterdir():
        f.unlink()
    cluster.refused("TOKEN_REFUSED", "-", token=used, code=3)
    before = {e["name"] for e in cluster.tokens()}
    revoked = cluster.token("manager")
    [name] = [e["name"] for e in cluster.tokens() if e["name"] not in before]
    cluster.auth("revoke", name)
    cluster.refused("TOKEN_REFUSED", "-", token=revoked, code=3)
    assert "manager.broker" not in cluster.files()
    cluster.join("-", token=cluster.token("manager"))
    assert cluster.files() == JOINED


def test_there_already(cluster):
    """Aim: who has joined is told where, keeps the key, and spends no token; --replace brings the key that `rotate` lets in, under the
    same name."""
    cluster.join("--name", "arthur", "-", token=cluster.token("manager"))
    before = (cluster.mine / "manager.cert_secret").read_bytes()
    token = cluster.token("manager")
    assert cluster.address in cluster.refused("KEY_EXISTS", "-", token=token, code=6)
    assert "--replace" in cluster.said
    assert (cluster.mine / "manager.cert_secret").read_bytes() == before
    cluster.join("--config", cluster.folder / "other", "-", token=token)
    renewal = cluster.auth("rotate", "arthur", "--overlap", "1h", "--address", cluster.address)
    assert cluster.join("--replace", "-", token=renewal) == f"joined as manager 'arthur' at {cluster.address}\n"
    assert (cluster.mine / "manager.cert_secret").read_bytes() != before
    assert cluster.files() == JOINED


def test_nobody(site):
    """Aim: a broker that is not there, is silent, or is something else: a number each, in time, and later the same token does."""
    broker = site.broker()
    token = site.token("manager")
    broker.stop()
    site.refused("BROKER_ABSENT", "-", token=token, code=5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        site.refused("BROKER_SILENT", "-", token=site.token("manager", address=address), code=5)
    first = site.join("-", token=site.token("manager", address="tcp://no.such.host.invalid:5599"), code=5)
    assert first == "" and str(ERR["BROKER_NAME"]) in site.said
    site.broker()
    site.join("-", token=token)
    assert len(site.keys()) == 1


def test_key_of_broker(site):
    """Aim: a token of before the broker's change of keys gets in after it; a broker with another key is not believed."""
    cluster, broker = site, site.broker()
    cluster.auth("rotate", "broker", "--overlap", "1h")
    token = cluster.token("manager")
    cluster.join("--config", cluster.folder / "early", "-", token=cluster.token("manager"))
    assert "next" in (cluster.folder / "early/manager.broker").read_text()
    broker.stop()
    secret = cluster.config("broker") / "broker.next.cert_secret"
    secret.write_text(re.sub(r'from = ".*"', 'from = "2020-01-01T00:00:00Z"', secret.read_text()))  # its time has come
    broker = cluster.broker()
    cluster.join("-", token=token)
    assert "next" not in (cluster.mine / "manager.broker").read_text()
    late = cluster.token("manager")
    broker.stop()
    cluster.auth("rotate", "broker", "--overlap", "0")
    cluster.broker()
    cluster.refused("BROKER_KEY", "--config", cluster.folder / "late", "-", token=late, code=5)


@pytest.mark.parametrize("moment", range(8))
def test_killed(cluster, moment):
    """Aim: killed at any moment, the same token completes it, with one key in the store."""
    token = cluster.token("manager")
    process = cluster.start("-")
    process.stdin.write(token)
    process.stdin.close()
    time.sleep(moment * 0.004)  # any moment will do: what is tested holds for all of them
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    process.stderr.close()
    cluster.join("-", token=token, code=6 if cluster.files() == JOINED else 0)
    assert cluster.files() == JOINED
    assert len(cluster.keys()) == 1


def test_two_at_once(cluster):
    """Aim: two with the same token in the same folder end with one key that both call theirs."""
    token = cluster.token("manager")
    two = [cluster.start("-"), cluster.start("-")]
    for process in two:
        process.stdin.write(token)
        process.stdin.close()
    codes = sorted(p.wait(scaled(20)) for p in two)
    for process in two:
        process.stdout.close()
        process.stderr.close()
    assert codes in ([0, 0], [0, 6]), codes
    assert cluster.files() == JOINED and len(cluster.keys()) == 1


def test_secret_in_memory_only(cluster):
    """Aim: while it waits for a token it makes no core file, cannot be looked into by its own user, and shows no secret in its
    command line or environment."""
    token = cluster.token("manager")
    process = cluster.start("-")
    status = proc.wait_until(lambda: (s := open(f"/proc/{process.pid}/status").read()) and "promp" in s and s, 5, lambda: "it runs")
    assert "promp" in status
    limit = proc.wait_until(lambda: (r := resource.prlimit(process.pid, resource.RLIMIT_CORE)) == (0, 0) and r, 10,
                            lambda: "no core files")
    assert limit == (0, 0)
    process.stdin.write(token)
    process.stdin.close()
    assert process.wait(scaled(20)) == 0
    out = process.stdout.read()
    process.stdout.close()
    process.stderr.close()
    assert token.strip() not in out


@pytest.mark.skipif(SANITIZER != "", reason="sanitizers bring libraries of their own")
def test_what_it_loads():
    """Aim: who only runs scripts does not pay for libzmq: it is loaded by those who join."""
    needed = subprocess.run(["readelf", "-d", PROMP], capture_output=True, text=True, check=True).stdout
    assert "libsodium" in needed
    assert not re.search(r"NEEDED.*(libzmq|libczmq|libpython)", needed)
