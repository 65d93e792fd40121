"""A Docker engine of our own: dockerd with its containerd on a data folder, a socket and control groups of its own, in
namespaces of its own. What it mounts, starts and says to the firewall is in there, and gone when it ends.

It builds on the host's network, as it needs apt's mirror for that, without a bridge or a rule of the firewall; then it runs
containers in a network namespace, where its bridges are."""

import os
import pathlib
import shutil
import subprocess

from support import build, proc

PROGRAMS = ("dockerd", "containerd", "docker", "runc", "iptables", "tini", "unshare", "ip")
DRIVERS = ("overlay2", "fuse-overlayfs", "vfs")  # the last one works everywhere, and copies all
SHARED = ("/run/docker", "/run/containerd")  # where engines have sockets, whatever they are told
GROUP = f"promp-docker-{os.getpid()}"  # of processes

# $1: whether on the host's network; what follows is the engine.
INSIDE = """
for folder in {shared}; do mount -t tmpfs tmpfs $folder; done
[ "$1" = host ] || ip link set lo up
shift
exec tini -- "$@"
"""


class NoEngine(Exception):
    """It cannot run here; what was tried, what failed, its last words."""


class Engine:
    """folder: an empty one, with a short name; is removed at the end."""

    def __init__(self, folder):
        missing = [p for p in PROGRAMS if not shutil.which(p)]
        if missing:
            raise NoEngine(f"there is no {', '.join(missing)}: the Debian packages docker.io, iptables, tini, iproute2")
        self.folder, self.process, self.driver = pathlib.Path(folder), None, None
        self.log = self.folder / "log"
        self.made = [p for p in SHARED if not os.path.isdir(p)]
        for path in SHARED:
            os.makedirs(path, mode=0o700, exist_ok=True)
        self.env = {**os.environ, "DOCKER_HOST": f"unix://{self.folder}/socket", "DOCKER_BUILDKIT": "0"}
        self.env.pop("DOCKER_CONTEXT", None)

    def start(self, network):
        """network: "host" or "own". Tries the drivers until containers run. Raises NoEngine."""
        tried = ""
        for driver in [self.driver] if self.driver else DRIVERS:
            why = self._try(driver, network)
            if not why:
                self.driver = driver
                return
            self.stop()
            words = self.log.read_text(errors="replace").strip().splitlines()[-5:]
            tried += "\n".join([f"\n--storage-driver {driver}: {why}", *words])
        raise NoEngine(f"dockerd does not run here, tried:{tried}")

    def _try(self, driver, network):
        """None, or why it does not run."""
        args = ["dockerd", "--data-root", self.folder / "data", "--exec-root", self.folder / "exec",
                "--pidfile", self.folder / "pid", "--host", self.env["DOCKER_HOST"], "--bridge", "none",
                "--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{GROUP}",
                "--storage-driver", driver, "--log-level", "warn"]
        if network == "host":
            args += ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
        spaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", *(["--net"] if network == "own" else [])]
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", *spaces, "sh", "-euc", INSIDE.format(shared=" ".join(SHARED)), "sh", network, *map(str, args)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**self.env, "DOCKER_HOST": ""})

        def answers():
            return self.process.poll() is not None or not self._docker("version").returncode
        try:
            proc.wait_until(answers, 60, step=0.2)
        except AssertionError:
            return "no answer in a minute"
        return None if self.process.poll() is None else f"ended with code {self.process.returncode}"

    def stop(self):
        """Ends it in good order, or at once where that takes long. Containers end with it."""
        if not self.process:
            return
        for child in [p for p in proc.descendants(self.process.pid) if p.parent == self.process.pid]:
            proc.kill(child.pid, 15)
        try:
            self.process.wait(build.scaled(60))
        except subprocess.TimeoutExpired:
            self.process.kill()  # and the kernel all that is in its namespace
            self.process.wait()
        self.process = None

    def close(self):
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        for top in ("/sys/fs/cgroup", *map(str, pathlib.Path("/sys/fs/cgroup").glob("*/"))):
            for path, _, _ in os.walk(f"{top}/{GROUP}", topdown=False):
                os.rmdir(path)
        for path in self.made:
            os.rmdir(path)

    def _docker(self, *args, **options):
        return subprocess.run(["docker", *map(str, args)], env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              **{"timeout": build.scaled(60), **options})

    def docker(self, *args, code=0, **options):
        """Output of a command of the client."""
        done = self._docker(*args, **{"stdin": subprocess.DEVNULL, **options})
        said = done.stdout.decode(errors="replace")
        assert code in (None, done.returncode), f"docker {args}: exit code {done.returncode}\n{said[-6000:]}"
        return said

    def lines(self, *args):
        return self.docker(*args).split()

    def bring(self, name, root):
        """Makes an image of a folder that holds a Debian, as slim as the official one."""
        (root / "etc/apt/apt.conf.d/docker-clean").write_text(CLEAN)
        (root / "etc/dpkg/dpkg.cfg.d/docker").write_text("".join(f"path-exclude /{p}/*\n" for p in LEFT_OUT))
        left_out = [f"--exclude=./{p}/*" for p in (*LEFT_OUT, "var/cache/apt", "var/lib/apt/lists", "proc", "sys", "dev")]
        tar = subprocess.Popen(["tar", "-C", root, *left_out, "-c", "."], stdout=subprocess.PIPE)
        self.docker("import", "-", name, stdin=tar.stdout, timeout=build.scaled(300))
        tar.stdout.close()
        assert tar.wait() == 0


# As in the official images: apt leaves no copies of what it got.
CLEAN = """
DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/*.bin || true"; };
Dir::Cache::pkgcache ""; Dir::Cache::srcpkgcache "";
Acquire::GzipIndexes "true"; Acquire::Languages "none";
"""
LEFT_OUT = ("usr/share/doc", "usr/share/info", "usr/share/lintian", "usr/share/locale", "usr/share/man")


class Compose:
    """command: ["docker-compose"] or ["docker", "compose"]; files: the project's; one project at a time with this name."""

    def __init__(self, engine, command, project, *files):
        self.engine = engine
        self.command = [*command, "-p", project, *[part for f in files for part in ("-f", str(f))]]
        self.project = project

    def popen(self, *args, **options):
        return subprocess.Popen([*self.command, *map(str, args)], env=self.engine.env, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def run(self, *args, code=0, timeout=180):
        """(stdout, stderr)"""
        process = self.popen(*args)
        try:
            out, err = process.communicate(timeout=build.scaled(timeout))
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise AssertionError(f"{self.command} {args} takes long\n{out[-3000:]}\n{err[-3000:]}") from None
        assert code in (None, process.returncode), \
            f"{self.command} {args}: exit code {process.returncode}\n{out[-6000:]}\n{err[-6000:]}"
        return out, err

    def containers(self, service=None, *more):
        """Their ids."""
        labels = [f"label=com.docker.compose.project={self.project}"]
        labels += [f"label=com.docker.compose.service={service}"] if service else []
        return self.engine.lines("ps", "-q", "--no-trunc", *[p for label in labels for p in ("--filter", label)], *more)

    def left(self):
        """What there is of the project."""
        label = f"label=com.docker.compose.project={self.project}"
        return {kind: self.engine.lines(*words, "--filter", label)
                for kind, words in (("containers", ("ps", "-aq")), ("networks", ("network", "ls", "-q")),
                                    ("volumes", ("volume", "ls", "-q")))}


def version_of(command):
    """What this Compose says it is; None where there is none."""
    if not shutil.which(command[0]):
        return None
    done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True)
    return None if done.returncode else done.stdout.strip()
