"""A fresh Debian in a folder, by debootstrap from where this machine has its own packages, and commands in it."""

import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile


class NoRoot(Exception):
    """It cannot be made here, and why."""


def release():
    """The name of this machine's release: packages fit the one they were built on."""
    lines = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return lines.get("VERSION_CODENAME", "").strip('"')


def sources(name):
    """Lines for sources.list: what apt uses here for this release, without others' repositories."""
    asked = subprocess.run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                            "Created-By: Packages"], capture_output=True, text=True)
    wanted = {name, f"{name}-updates", f"{name}-security"}
    return sorted({f"deb {line}" for line in asked.stdout.splitlines() if line.split()[1] in wanted})


def _host(*args, why):
    done = subprocess.run([str(a) for a in args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=900)
    if done.returncode:
        raise NoRoot(f"{why}: {done.stdout.strip()[-300:]}")


@functools.cache
def _first():
    """The root that all others of this run are copies of."""
    if not shutil.which("debootstrap") or not shutil.which("apt-get"):
        raise NoRoot("there is no debootstrap or no apt-get")
    name = release()
    lines = sources(name)
    main = sorted(line.split()[1] for line in lines if line.split()[2] == name)
    if not main:
        raise NoRoot(f"apt knows no source of the release {name!r}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="promp-debian-")) / "root"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    _host("debootstrap", "--variant=minbase", name, folder, main[0], why="debootstrap")
    (folder / "etc/apt/sources.list").write_text("\n".join(lines) + "\n")
    _host("chroot", folder, "apt-get", "-q", "update", why="apt-get update")
    return folder


class Root:
    """folder: is made. Raises NoRoot."""

    def __init__(self, folder):
        self.folder = folder
        _host("cp", "-a", _first(), folder, why="cp")

    def run(self, script, user=None, code=0, timeout=120):
        """Output of a shell script in there, as root or with the rights of a user's number; what it started ends with it."""
        command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", f"--root={self.folder}", "--mount-proc", "--wd=/"]
        if user is not None:
            command += ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
        env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive",
               **{k: v for k, v in os.environ.items() if k.lower().endswith("_proxy")}}
        done = subprocess.run([*command, "sh", "-euc", script], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, env=env, timeout=timeout)
        assert code in (None, done.returncode), f"{script}\nexit code {done.returncode}\n{done.stdout[-6000:]}"
        return done.stdout
