"""Aim: secrets of broker, node and tools are in no command line, environment, log or core file, whatever the program is doing."""

import os
import re
import resource
import shutil
import signal
import subprocess

import pytest
from support import build, proc, secrets
from support.cluster import AUTH, BROKER, PROMP, Cluster, built
from support.zpeer import Token

pytestmark = [pytest.mark.skipif(not built(), reason="the programs of a cluster are not built"), pytest.mark.root]


class Seen(Cluster):
    """A cluster that remembers its secrets and what everybody could see."""

    def __init__(self, world):
        super().__init__(world)
        self.secrets, self.text = [], ""
        if not secrets.cores_are_made(self.folder):
            pytest.skip("this system makes no core files")

    def token(self, role, *args, **options):
        token = super().token(role, *args, **options).strip()
        self.secrets += [token, token.removeprefix("promp1:"), Token(token).key.secret]
        return token + "\n"

    def key(self, path):
        """A secret key that a program has written."""
        self.secrets.append(re.search(r'secret-key = "(.*)"', path.read_text()).group(1))

    def begin(self, args, **options):
        """A program at work in the cluster's folder, so that a core file would be there, with all that it logs."""
        log = open(self.folder / f"said.{len(self.world.popens)}", "ab")
        with log:
            return self.world.popen(list(map(str, args)), cwd=self.folder, stderr=log, text=True,
                                    **{"env": self.environment, "stdout": subprocess.PIPE, **options})

    def look(self, *pids):
        self.text += secrets.told(pids)

    def nothing(self):
        """None of the secrets was seen, nor is in a log."""
        for path in [*self.folder.glob("*.log"), *self.folder.glob("said.*")]:
            self.text += path.read_text(errors="replace")
        assert self.secrets
        assert not [s for s in self.secrets if s in self.text]
        if build.SANITIZER != "address":  # there its search for leaks has to look into the program
            assert not secrets.cores(self.folder)

    def crash(self, process):
        secrets.crash(process.pid)
        made = secrets.dumped(process)
        assert not made or build.SANITIZER == "address"


@pytest.fixture
def c(world):
    made = Seen(world)
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


def ready(process):
    assert process.stdout.readline().startswith("ready")


def test_broker(c):
    """promp-broker that has a key and has let somebody in by a token."""
    c.run(AUTH, "init")
    config = c.config("broker")
    broker = c.begin([BROKER, "--config", config, "--listen", "tcp://127.0.0.1:0", "--log", "debug"])
    c.address = broker.stdout.readline().split()[1]
    c.key(config / "broker.cert_secret")
    c.manager_config()
    c.look(broker.pid)
    c.crash(broker)
    broker.stdout.close()
    c.nothing()


def test_node(c):
    """promp-node that joins with a token: keeper and agent; and a worker of it, which is given nothing of its key."""
    c.broker()
    config = c.config("node")
    read, write = os.pipe()
    os.write(write, c.token("node").encode())
    os.close(write)
    node = c.begin([build.NODE, "--config", config, "--join", "-", "--log", "debug"], stdin=read)
    os.close(read)
    ready(node)
    c.key(config / "node.cert_secret")
    manager = c.manager()
    c.key(c.config("manager") / "manager.cert_secret")
    worker = manager.worker_pid(manager.start())
    agent = c.world.one("agent").pid
    c.look(node.pid, agent, worker)
    secrets.crash(agent)
    c.world.wait_gone([agent], 10)
    c.look(c.world.one("agent").pid)
    c.crash(node)
    node.stdout.close()
    c.world.wait_gone([worker], 10)
    c.nothing()


def test_join(c):
    """promp join: while it waits for its token, and while it waits for a broker that does not answer."""
    broker = c.broker()
    token = c.token("manager")
    waiting = c.begin([PROMP, "join", "--config", c.config("waiting"), "-"], stdin=subprocess.PIPE)
    careful(waiting)
    c.look(waiting.pid)
    broker.kill(signal.SIGSTOP)
    waiting.stdin.write(token)
    waiting.stdin.close()
    proc.wait_until(lambda: proc.descriptors(waiting.pid) > 4, 10, "it to dial")
    c.look(waiting.pid)
    c.crash(waiting)
    waiting.stdout.close()
    broker.kill(signal.SIGCONT)
    c.run(PROMP, "join", "--config", c.config("joined"), "-", stdin=token)
    c.text += c.complaint
    c.key(c.config("joined") / "manager.cert_secret")
    c.nothing()


def careful(process):
    """Waits until it has forbidden core files of itself."""
    proc.wait_until(lambda: resource.prlimit(process.pid, resource.RLIMIT_CORE) == (0, 0), 10, "it to be careful")


def test_auth(c):
    """promp-auth that holds the broker's secret and waits for a passphrase; what it prints when it makes keys, and locks them."""
    c.run(AUTH, "init")
    c.text += c.complaint
    c.key(c.config("broker") / "broker.cert_secret")
    c.secrets.append("open sesame")
    read, write = os.pipe()
    config = c.config("broker")
    waiting = c.begin([AUTH, "--config", config, "passphrase", "broker", "--passphrase-from", f"fd:{read}"], pass_fds=[read])
    careful(waiting)
    c.look(waiting.pid)
    c.crash(waiting)
    waiting.stdout.close()
    os.write(write, b"open sesame\n")
    os.close(write)
    locking = c.begin([AUTH, "--config", config, "passphrase", "broker", "--passphrase-from", f"fd:{read}"], pass_fds=[read])
    os.close(read)
    c.text += locking.stdout.read()
    assert locking.wait() == 0
    locking.stdout.close()
    c.nothing()
    assert c.secrets[0] not in (config / "broker.cert_secret").read_text()


@pytest.mark.plain
def test_script(c, tmp_path):
    """promp -r with a script in a cluster: neither it, nor its worker, is told a key."""
    c.broker()
    c.node()
    config = c.manager_config()
    c.key(config / "manager.cert_secret")
    c.key(c.config("node") / "node.cert_secret")
    script = tmp_path / "script.py"
    script.write_text("import os, sys\nfrom Pro.MP import ProManager\nm = ProManager()\nw = m.startWorker()\n"
                      "print('ready', flush=True)\nsys.stdin.read()\n")
    run = c.begin([PROMP, "-r", script], stdin=subprocess.PIPE, env={**c.environment, "PROMP_CONFIG": str(config)})
    ready(run)
    worker = proc.wait_until(lambda: [p for p in c.world.living() if "promp-worker" in "".join(p.args[:1])
                                      or "python" in p.name and p.pid != run.pid], 10, lambda: f"a worker: {c.world.living()}")
    c.look(run.pid, *(p.pid for p in worker))
    run.stdin.close()
    assert run.wait(build.scaled(20)) == 0
    run.stdout.close()
    c.nothing()

