"""Aim: deploy/docker on a real engine: images, and a cluster by both kinds of Compose that does the main job, survives the loss of its
parts, keeps its secrets, and leaves nothing."""

import json
import os
import pathlib
import random
import re
import shlex
import shutil
import subprocess
import tempfile

import debian_root
import docker_engine
import pytest
from support import build, proc
from support.pages import blocks, page

BASE = "debian:12-slim"
TARGETS = ("broker", "node", "client")
SHOWN = ["docker", "compose"]  # how the command begins in the documents
FLAVOURS = {"docker-compose": ["docker-compose"], "docker compose": SHOWN}
FOLDER = "deploy/docker"
README, OPERATIONS = page("README.md"), page("operations.md")

FILES = 1200  # that the survey looks at while something happens

pytestmark = [pytest.mark.deploy, pytest.mark.root, pytest.mark.plain, pytest.mark.timeout(2400)]

# The survey's work, but a file takes as long as a large one.
SLOW = """
import time
from examine import each, look

def look_all(files, signatures):
    def work(file, name, hashed, tick):
        time.sleep(0.05)
        return look(file, signatures, hashed, tick)
    return each(files, work)
"""

def traces(folder):
    """What an engine could leave on the machine."""
    def said(*args):
        return subprocess.run(args, capture_output=True, text=True).stdout

    return {"links": re.findall(r"^\d+: (docker\w*|br-\w+|veth\w+)", said("ip", "-o", "link"), re.M),
            "rules": [line for line in said("iptables-save").splitlines() if "DOCKER" in line],
            "groups": list(pathlib.Path("/sys/fs/cgroup").glob(f"**/{docker_engine.GROUP}")),
            "mounts": str(folder) in pathlib.Path("/proc/self/mountinfo").read_text(),
            "folders": [p for p in (folder, *docker_engine.SHARED) if os.path.exists(p)],
            "processes": [p for p in proc.table().values() if str(folder) in " ".join(p.args)]}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """The sources as somebody has them who has built before."""
    folder = tmp_path_factory.mktemp("source") / "promp"
    shutil.copytree(build.ROOT, folder, ignore=lambda path, names: [
        n for n in names if n in (".git", "__pycache__", ".pytest_cache", ".hypothesis")
        or (n.startswith("build") and path == str(build.ROOT))])
    (folder / "build").mkdir()
    (folder / "build" / "large").write_text("not for images")
    return folder


@pytest.fixture(scope="module")
def engine(source):
    """An engine that has built the images."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="promp-docker-"))
    before = {**traces(folder), "folders": [p for p in docker_engine.SHARED if os.path.exists(p)]}
    try:
        e = docker_engine.Engine(folder)
    except docker_engine.NoEngine as why:
        folder.rmdir()
        pytest.skip(str(why))
    try:
        e.start("host")
        e.bring(BASE, debian_root.Root(folder / "debian").folder)
        for target in ("build", *TARGETS):
            e.docker("build", "--network", "host", "-f", source / FOLDER / "Dockerfile", "--target", target, "-t",
                     f"promp-{target}", source, timeout=build.scaled(1800))
        e.stop()
        e.start("own")
        yield e
    except (docker_engine.NoEngine, debian_root.NoRoot) as why:
        pytest.skip(str(why))
    finally:
        e.close()
        assert traces(folder) == before


@pytest.fixture(scope="module")
def cluster(engine, source, tmp_path_factory):
    """Three nodes and their broker, all healthy, by the first Compose there is."""
    command = next((c for c in FLAVOURS.values() if docker_engine.version_of(c)), None)
    if not command:
        pytest.skip("there is no Compose")
    folder = tmp_path_factory.mktemp("job")
    (folder / "data").mkdir()
    dice = random.Random(6)
    for i in range(FILES):
        (folder / "data" / f"f{i:04}").write_bytes(dice.randbytes(3000) if i % 20 else b"the same" * 375)
    shown = next(text for kind, text in blocks(OPERATIONS) if kind == "yaml" and "compose.override" in text)
    override = folder / "override.yaml"
    override.write_text(shown.replace("/srv/data:", f"{folder}/data:"))
    assert "/srv/data" not in override.read_text()
    c = docker_engine.Compose(engine, command, "cluster", source / FOLDER / "compose.yaml", override)
    c.slow = folder / "slow.py"
    c.slow.write_text(SLOW)
    try:
        c.run("up", "-d", "--scale", "node=3", "node")
        healthy(c)
        yield c
    finally:
        c.run("down", "-v")
        assert not any(c.left().values())


def healthy(cluster, count=4):
    """Waits until so many containers are."""
    proc.wait_until(lambda: len(cluster.containers(None, "--filter", "health=healthy")) == count, 60,
                    lambda: cluster.engine.docker("ps", "-a") + cluster.run("logs", code=None)[0], step=0.2)


def inspect(engine, *names):
    return json.loads(engine.docker("inspect", *names))


# ---------------------------------------------------------------- images

def test_images(engine):
    """Aim: images hold what they need and nothing else: no compiler, no sources, no package lists; keys have empty folders."""
    base = inspect(engine, BASE)[0]["Size"]
    sizes = {t: (inspect(engine, f"promp-{t}")[0]["Size"] - base) >> 20 for t in TARGETS}
    print(f"\nMiB beside those of {BASE}, {base >> 20}: {sizes}")
    assert sizes["broker"] <= 16 and sizes["node"] <= 64 and sizes["client"] <= 64
    for target in TARGETS:
        look = "find /config /tokens /var/lib/apt/lists /src /build /packages -type f 2>/dev/null; command -v gcc cmake; exit 0"
        said = engine.docker("run", "--rm", "--network", "none", "--entrypoint", "sh", f"promp-{target}", "-c", look)
        assert said == ""
        assert inspect(engine, f"promp-{target}")[0]["Config"]["User"] == "promp"
    said = engine.docker("run", "--rm", "--network", "none", "promp-build", "ls", "-A", "/src")
    assert "lib\n" in said and not set(said.split()) & {"build", ".git", "tests"}


# ---------------------------------------------------------------- the main job

@pytest.fixture(params=FLAVOURS)
def compose(request, engine, source):
    """Both kinds of Compose; typed(block) types the lines of a document's block in the sources. At the end nothing may be left."""
    command = FLAVOURS[request.param]
    if not docker_engine.version_of(command):
        pytest.skip(f"there is no {request.param} here")
    c = docker_engine.Compose(engine, command, "job", source / FOLDER / "compose.yaml")

    def typed(line):
        """Output of one line of a document."""
        words = shlex.split(line.split(" > ")[0], comments=True)
        assert words[:2] == SHOWN
        words = words[4:] if words[2] == "-f" and source / words[3] == source / FOLDER / "compose.yaml" else words[2:]
        return c.run(*words)[0]

    c.typed = typed
    yield c
    c.run("down", "-v")
    assert not any(c.left().values()), c.left()


def files_in(engine, folder):
    found = engine.docker("run", "--rm", "--network", "none", "--entrypoint", "find", "promp-client", folder, "-type", "f")
    return len(found.splitlines())


def test_main_job(compose, engine):
    """Aim: the README's one command does the main job with three nodes, its second one leaves nothing."""
    up, down = next(text for kind, text in blocks(README) if kind == "sh" and text.startswith("docker ")).splitlines()
    assert "--scale node=3" in up and "--build" in up
    out = compose.typed(up)
    count = files_in(engine, "/usr/lib")
    assert count > 1000 and re.search(rf"\b{count} files in ", out) and "failures" not in out, out
    assert len(compose.containers("node")) == 3
    host = inspect(engine, *compose.containers("client", "-a"))[0]["Config"]["Hostname"]
    assert re.search(rf"'{host}' \(.* is here", compose.run("logs", "broker")[0]), "it has asked the broker for its workers"
    compose.typed(down)
    assert not any(compose.left().values()), compose.left()


def test_operations(compose, engine):
    """Aim: what operations.md types works: more and fewer nodes, jobs one after the other, keys, a back-up; what is said of exit codes."""
    shown = next(text for kind, text in blocks(OPERATIONS) if kind == "sh" and text.startswith("cd deploy/docker"))
    _, up, job, fewer, logs, listed, rotated, backup, down = shown.splitlines()
    compose.typed(up)
    assert len(compose.containers("node")) == 3
    healthy(compose)
    assert f"{files_in(engine, '/usr/lib')} files in " in compose.typed(job)
    assert len(compose.containers("node")) == 3, "a job changes nothing"
    compose.run("run", "--rm", "-T", "--no-deps", "client", "/nowhere", code=2)
    compose.typed(fewer)
    assert len(compose.containers("node", "-a")) == 2
    assert "is here" in compose.typed(logs)
    table = compose.typed(listed)
    assert len(re.findall(r"\bmanager\b", table)) == 2 and len(re.findall(r"\bnode\b", table)) == 4, table
    compose.typed(rotated)
    assert "broker.cert_secret" in compose.typed(backup)
    compose.typed(down)
    left = compose.left()
    assert not left["containers"] and not left["networks"] and len(left["volumes"]) >= 4
    compose.typed(up)
    assert f"{files_in(engine, '/usr/lib')} files in " in compose.typed(job), "with the keys of before"


# ---------------------------------------------------------------- safe

def test_hardened(cluster):
    """Aim: no root, no capability, no way to more rights, nothing writable but volumes and /tmp, no port on the host."""
    engine = cluster.engine
    for container in cluster.containers(None, "-a"):
        found = inspect(engine, container)[0]
        host = found["HostConfig"]
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"] and not host["CapAdd"] and not host["Privileged"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"] and not host["PortBindings"]
        if not found["State"]["Running"]:
            continue
        status = engine.docker("exec", container, "cat", "/proc/1/status")
        assert re.search(r"^Uid:\t990\t990\t990\t990$", status, re.M)
        assert re.search(r"^CapEff:\t0+$", status, re.M) and re.search(r"^CapBnd:\t0+$", status, re.M)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.M)
        assert "Read-only" in engine.docker("exec", container, "sh", "-c", "echo 1 >/usr/x", code=None)
        assert "Read-only" in engine.docker("exec", "--user", "0", container, "sh", "-c", "echo 1 >/usr/x", code=None)


def test_secrets(cluster):
    """Aim: keys and tokens are in volumes only, and in those of who needs them: not in images, environments, logs."""
    engine = cluster.engine
    cluster.run("run", "--rm", "-T", "--no-deps", "client", "/usr/share/promp")  # it has joined
    texts = [engine.docker("run", "--rm", "--network", "none", "-v", f"{cluster.project}_{volume}:/v:ro", "--entrypoint", "sh",
                           "promp-broker", "-c", "cat /v/*cert_secret /v/token 2>/dev/null; exit 0")
             for volume in ("keys", "node-token", "manager-token", "manager")]
    texts += [engine.docker("exec", c, "cat", "/config/node.cert_secret") for c in cluster.containers("node")]
    secrets = set()
    for text in texts:
        found = re.findall(r'secret-key = "(.{40})"', text) or re.findall(r"^\S{60,}$", text, re.M)
        assert len(found) == 1, text
        secrets.add(found[0])
    assert len(secrets) == 4 + 3
    images = [f"promp-{t}" for t in ("build", *TARGETS)]
    containers = cluster.containers(None, "-a")
    seen = [engine.docker("inspect", *images, *containers), cluster.run("logs", "--no-color")[0]]
    seen += [engine.docker("history", "--no-trunc", image) for image in images]
    seen += [engine.docker("exec", c, "sh", "-c", "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; env")
             for c in cluster.containers()]
    for secret in secrets:
        assert not [text for text in seen if secret in text or json.dumps(secret)[1:-1] in text]
    for node in cluster.containers("node"):
        assert engine.docker("exec", node, "ls", "-A", "/tokens/manager") == ""
        assert [m["Destination"] for m in inspect(engine, node)[0]["Mounts"] if m["RW"]] == ["/config"]


# ---------------------------------------------------------------- process 1

def test_orphans(cluster):
    """Aim: promp-node is process 1, and waits for orphans that are not its own."""
    node, engine = cluster.containers("node")[0], cluster.engine
    assert "promp-node" in engine.docker("exec", node, "cat", "/proc/1/comm")
    pid = int(engine.docker("exec", node, "sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!"))
    proc.wait_until(lambda: "PPid:\t1\n" in engine.docker("exec", node, "cat", f"/proc/{pid}/status"), 10, "an orphan")
    engine.docker("exec", node, "sh", "-c", f"kill -9 {pid}")
    proc.wait_until(lambda: "gone" in engine.docker("exec", node, "sh", "-c", f"[ -e /proc/{pid} ] || echo gone"), 10,
                    "the orphan to be waited for")


class Job:
    """A survey of /data that takes a while, with six workers."""

    def __init__(self, cluster):
        self.cluster = cluster
        self.process = cluster.popen("run", "--rm", "-T", "--no-deps", "-v", f"{cluster.slow}:/job/slow.py:ro", "client", "--json",
                                     "--workers", "6", "--script", "/job/slow.py", "/data")

    def begins(self):
        """Waits until each node has two workers and files have been looked at."""
        def busy():
            assert self.process.poll() is None, self.process.communicate()
            return all(self.cluster.engine.docker("top", c, "-o", "pid,args").count("Pro._worker") >= 2
                       for c in self.cluster.containers("node"))
        proc.wait_until(busy, 60, "workers on every node", step=0.1)
        for line in self.process.stderr:
            if re.search(rf"looking: [1-9]\d* of {FILES}", line):
                return self
        raise AssertionError("it ended without a word")

    def report(self):
        out, err = self.process.communicate(timeout=build.scaled(180))
        assert self.process.returncode == 0, err[-6000:]
        return report(out)


def report(out):
    """A report without what differs from run to run."""
    found = json.loads(out[out.index("{\n"):])
    del found["seconds"]
    return found


@pytest.fixture(scope="module")
def wanted(cluster):
    """What the survey finds on one host."""
    out, _ = cluster.run("run", "--rm", "-T", "--no-deps", "-e", "PROMP_BROKER=local", "client", "--json", "--quiet", "/data")
    found = report(out)
    assert found["files"] == FILES and not found["failures"] and found["duplicates"]["groups"] == 1
    return found


def test_stop_drains(cluster, wanted):
    """Aim: `docker stop` of a node lets its workers finish: it ends with code 0 when the job has, and comes back."""
    engine, node = cluster.engine, cluster.containers("node")[0]
    job = Job(cluster).begins()
    stop = subprocess.Popen(["docker", "stop", "-t", "75", node], env=engine.env, stdout=subprocess.DEVNULL)
    proc.wait_until(lambda: "drain" in engine.docker("logs", node), 10, lambda: engine.docker("logs", node), step=0.1)
    assert job.process.poll() is None and stop.poll() is None
    assert job.report() == wanted
    assert stop.wait(build.scaled(30)) == 0
    state = inspect(engine, node)[0]["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 0, False)
    engine.docker("start", node)
    healthy(cluster)


def test_nothing_is_lost(cluster, wanted):
    """Aim: in mid-job one node is killed, one is cut off and comes back, the broker is started again: the report is that of one host,
    so every file was looked at, and counted once."""
    engine, (killed, cut, _) = cluster.engine, cluster.containers("node")
    network = f"{cluster.project}_default"
    job = Job(cluster).begins()
    engine.docker("kill", "-s", "KILL", killed)
    engine.docker("network", "disconnect", network, cut)
    engine.docker("restart", "-t", "5", cluster.containers("broker")[0])
    engine.docker("network", "connect", network, cut)
    assert inspect(engine, killed)[0]["State"]["ExitCode"] == 137
    assert job.process.poll() is None, "all that was in mid-job"
    assert job.report() == wanted
    engine.docker("start", killed)
    healthy(cluster)


def test_cut_off_for_long(cluster, wanted):
    """Aim: a node that stays cut off is unhealthy and its work is done by others; back on the network it serves again."""
    engine, cut = cluster.engine, cluster.containers("node")[1]
    network = f"{cluster.project}_default"
    job = Job(cluster).begins()
    engine.docker("network", "disconnect", network, cut)
    proc.wait_until(lambda: inspect(engine, cut)[0]["State"]["Health"]["Status"] == "unhealthy", 60, "it to be unhealthy", step=0.3)
    assert job.report() == wanted
    engine.docker("network", "connect", network, cut)
    healthy(cluster)
    assert Job(cluster).begins().report() == wanted
